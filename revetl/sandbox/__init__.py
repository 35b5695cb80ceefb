"""Local stand-ins of destinations' APIs, strict where the vendor is: for tests, the demo and rehearsals.

A stand-in knows nothing of :mod:`revetl.destinations`: it is an independent reading of the vendor's documentation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from revetl.errors import UsageError
from revetl.sandbox.braze import Braze
from revetl.sandbox.core import Sandbox
from revetl.sandbox.customerio import CustomerIo
from revetl.sandbox.faults import Fault
from revetl.sandbox.hubspot import HubSpot
from revetl.sandbox.intercom import Intercom
from revetl.sandbox.iterable import Project
from revetl.sandbox.mailchimp import Mailchimp
from revetl.sandbox.marketo import Marketo
from revetl.sandbox.pardot import Pardot
from revetl.sandbox.pipedrive import Pipedrive
from revetl.sandbox.sailthru import Sailthru
from revetl.sandbox.salesforce import Salesforce

__all__ = ["SANDBOXES", "Fault", "Sandbox", "make"]

SANDBOXES: Mapping[str, Callable[..., Sandbox]] = MappingProxyType(
    {
        "braze": Braze,
        "customerio": CustomerIo,
        "hubspot": HubSpot,
        "intercom": Intercom,
        "iterable": Project,
        "mailchimp": Mailchimp,
        "marketo": Marketo,
        "pardot": Pardot,
        "pipedrive": Pipedrive,
        "sailthru": Sailthru,
        "salesforce": Salesforce,
    }
)


def make(name: str, **options: Any) -> Sandbox:
    """Return a stand-in with an empty account.

    ``UsageError`` RVT-680 where there is none of that name, RVT-681 where it has no such option.
    """
    if name not in SANDBOXES:
        near = get_close_matches(name, SANDBOXES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(SANDBOXES)}"
        raise UsageError("RVT-680", f"There is no stand-in of {name!r}.", hint=hint)
    factory = SANDBOXES[name]
    known = {one for made in (factory, Sandbox) for one in inspect.signature(made).parameters} - {"base", "options"}
    strange = sorted(set(options) - known)
    if strange:
        hint = f"there are: {', '.join(sorted(known))}"
        raise UsageError("RVT-681", f"The stand-in {name!r} has no option {strange[0]!r}.", hint=hint)
    return factory(**options)

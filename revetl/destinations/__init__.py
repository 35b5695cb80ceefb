"""Every tool that revetl can write to, by the name that ``type:`` in revetl.yml gives.

Importing this package loads no destination; :func:`registry` loads a destination's module when it is first asked for.
Third parties register a :class:`~revetl.contract.Destination` under the entry point group ``revetl.destinations``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from revetl.errors import DestinationError

if TYPE_CHECKING:
    from revetl.contract import Destination

__all__ = ["GROUP", "Registry", "registry"]

GROUP = "revetl.destinations"

BUILT_IN = {
    "braze": "revetl.destinations.braze:BRAZE",
    "customerio": "revetl.destinations.customerio:CUSTOMERIO",
    "mailchimp": "revetl.destinations.mailchimp:MAILCHIMP",
    "hubspot": "revetl.destinations.hubspot:HUBSPOT",
    "intercom": "revetl.destinations.intercom:INTERCOM",
    "iterable": "revetl.destinations.iterable:ITERABLE",
    "marketo": "revetl.destinations.marketo:MARKETO",
    "pardot": "revetl.destinations.pardot:PARDOT",
    "pipedrive": "revetl.destinations.pipedrive:PIPEDRIVE",
    "sailthru": "revetl.destinations.sailthru:SAILTHRU",
    "salesforce": "revetl.destinations.salesforce:SALESFORCE",
    "postgres": "revetl.destinations.postgres:POSTGRES",
    "webhook": "revetl.destinations.webhook:WEBHOOK",
    "file": "revetl.destinations.file:FILE",
}


class Registry(Mapping[str, "Destination"]):
    """Name → destination, loaded on first access. ``built_in`` says where each stands, as ``module:attribute``.

    A built-in name cannot be taken over by a third party; third parties are looked for when another name is asked for.
    """

    def __init__(self, built_in: Mapping[str, str]) -> None:
        """Take the places; load nothing."""
        self._built_in = built_in
        self._loaded: dict[str, Destination] = {}

    @cached_property
    def _sources(self) -> dict[str, str]:
        from importlib.metadata import entry_points  # here: it reads the metadata of every package that is installed

        return {**{point.name: point.value for point in entry_points(group=GROUP)}, **self._built_in}

    def __getitem__(self, name: str) -> Destination:
        """Return the destination of that name.

        Raises:
            KeyError: nothing is registered under it.
            DestinationError: RVT-650, what is registered cannot be loaded or contradicts itself.
        """
        if name not in self._loaded:
            self._loaded[name] = _load(name, self._built_in.get(name) or self._sources[name])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        """Return whether something is registered under ``name``, without loading it."""
        return name in self._built_in or name in self._sources

    def __iter__(self) -> Iterator[str]:
        """Return the names, built-in ones first, without loading anything."""
        return iter(self._sources)

    def __len__(self) -> int:
        """Return how many names there are."""
        return len(self._sources)


@cache
def registry() -> Registry:
    """Return every destination known here."""
    return Registry(BUILT_IN)


def _load(name: str, source: str) -> Destination:
    from revetl.contract import Destination, check_actions  # here: it takes pydantic along

    module, _, attribute = source.partition(":")
    try:
        found: Any = getattr(import_module(module), attribute)
        if not isinstance(found, Destination):
            raise _broken(name, source, f"it is a {type(found).__name__}, not a Destination")
        check_actions(found)
    except (ImportError, AttributeError, ValueError) as error:
        raise _broken(name, source, str(error)) from error
    return found


def _broken(name: str, source: str, why: str) -> DestinationError:
    hint = f"pip install --upgrade (or uninstall) the package that registers {name}"
    return DestinationError("RVT-650", f"destination {name} ({source}) cannot be loaded: {why}", hint=hint)

"""A conformance suite before the stand-in that revetl ships."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlencode

from revetl.sandbox import make
from revetl.testing.conformance import stand_in
from revetl.testing.conformance.base import Suite
from revetl.testing.drive import Handler


class SandboxSuite(Suite):
    """A suite before the stand-in that revetl itself ships for rehearsals."""

    account: ClassVar[dict[str, Any]]  # what the stand-in is made with: the same credentials, a field of each type

    def service(self) -> Handler:
        """Return a new account."""
        box = make(self.destination.name, **self.account)
        return stand_in(
            self.destination,
            self.configured,
            lambda method, path, query, headers, body: box.handle(method, path, urlencode(query), headers, body),
        )

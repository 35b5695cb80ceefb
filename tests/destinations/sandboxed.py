"""Conformance suites before the stand-ins that revetl ships."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any, ClassVar
from urllib.parse import urlencode

from revetl.contract import Auth
from revetl.sandbox import make
from revetl.testing.conformance import stand_in
from revetl.testing.conformance.base import Suite
from revetl.testing.conformance.cohorts import CohortCases
from revetl.testing.drive import Handler, drive
from revetl.types import Mode, Op, Status


class SandboxSuite(Suite):
    """A suite before the stand-in that revetl itself ships for rehearsals."""

    account: ClassVar[dict[str, Any]]  # what the stand-in is made with: the same credentials, a field of each type

    def box(self) -> Any:
        """Return a new stand-in."""
        return make(self.destination.name, **self.account)

    def service(self) -> Handler:
        """Return a new account."""
        return stand_in(self.destination, self.configured, self.wire())

    def wire(self) -> Callable[..., Any]:
        """Return what carries a request to a new stand-in."""
        box = self.box()
        return lambda method, path, query, headers, body: box.handle(method, path, urlencode(query), headers, body)


class TokenSuite(SandboxSuite):
    """The same where a token is asked for first, once, as the sender does."""

    tokens: ClassVar[ModuleType]  # the destination's, with ``token`` and ``authorise``

    def service(self) -> Handler:
        """Return a new account, and calls that carry its token."""
        wire, bare = self.wire(), replace(self.destination, auth=None, base_url=lambda _: "")
        token = drive(self.tokens.token(self.configured), stand_in(bare, self.configured, wire)).value
        dressed = Auth(lambda settings, _, call: self.tokens.authorise(settings, token, call))
        return stand_in(replace(self.destination, auth=dressed), self.configured, wire)


class JoiningMakesSuite(CohortCases):
    """A suite before a service whose groups make people of unknown identities."""

    def test_nobody_cannot_join(self) -> None:
        """In mode ``update`` people are looked for first, and who is not there is refused by name."""
        service = self.service()
        prepared, rows = self.group(service, 1)
        joins = [replace(row, op=Op.JOIN, body=b"{}") for row in [*rows, self.change(99, created=True)]]
        seen = self.run(service, joins, prepared=prepared, mode=Mode.UPDATE)
        assert seen.statuses() == {1: Status.DELIVERED, 99: Status.REJECTED}

"""The conformance suite on Marketo, before its stand-in; the token is had as the sender has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest
from sandboxed import SandboxSuite

from revetl.contract import Auth
from revetl.destinations.marketo import MARKETO, auth, bulk
from revetl.sandbox import make
from revetl.testing.conformance import DestinationSuite, stand_in
from revetl.testing.drive import Handler, drive
from revetl.types import Batch, Change, OnLeave, Op

pytestmark = pytest.mark.may_skip  # a case that a declaration has no use for says so


class TestMarketo(SandboxSuite, DestinationSuite):
    """Marketo's people, by address."""

    destination = MARKETO
    settings = {  # noqa: RUF012
        "munchkin_id": "123-ABC-456",
        "client_id": "app-7",
        "client_secret": "canary-3d5e",
        "folder": 12,
        "burst_calls": 100,
    }
    secrets = ("canary-3d5e",)
    snapshots = Path(__file__).parent / "snapshots"
    poison = {"spent": "a lot"}  # noqa: RUF012
    lacks = {  # noqa: RUF012
        "leave archive": "there is no archive there: a deletion is for good",
        "links": "a person's company is written by the companies' API, which is closed where a CRM is connected",
        "membership fields": "a static list carries nothing beside its members",
    }
    account = {  # noqa: RUF012
        "client_id": settings["client_id"],
        "client_secret": settings["client_secret"],
        "folders": [12],
        "fields": {"spent": "float", "visits": "integer", "since": "date", "seenAt": "datetime", "gift": "boolean"},
        "allow": {"burst": 10**6},
    }

    def service(self) -> Handler:
        """Return a new instance."""
        box = make("marketo", **self.account)

        def send(method: str, path: str, query: Any, headers: Any, body: bytes) -> Any:
            return box.handle(method, path, urlencode(query), headers, body)

        token = drive(auth.token(self.configured), stand_in(replace(MARKETO, auth=None), self.configured, send)).value
        dressed = Auth(lambda settings, _, call: auth.authorise(settings, token, call))
        return stand_in(replace(MARKETO, auth=dressed), self.configured, send)

    def many(self, service: Handler, op: Op) -> Batch:
        """Return a batch that is worth a file."""
        fields = self.fields(service)
        rows = [self.change(n, fields=self.values(fields, n)) for n in range(1, bulk.LEAST + 1)]
        return self.batch(rows, op)

    def batch(self, changes: Sequence[Change], op: Op, **more: Any) -> Batch:
        """Return the batch; a LEAVE without a policy deletes, for there is no archive."""
        if op is Op.LEAVE and more.get("on_leave", OnLeave.KEEP) is OnLeave.KEEP:
            more["on_leave"] = OnLeave.DELETE
        return super().batch(changes, op, **more)


class TestMarketoByKey(TestMarketo):
    """The same by a custom field: people without any address."""

    snapshots: ClassVar[Path | None] = None  # type: ignore[assignment]  # one recording a destination
    account = {**TestMarketo.account, "fields": {**TestMarketo.account["fields"], "customerId": "string"}}  # noqa: RUF012
    avoid = frozenset({"email"})  # well-formed, or nothing

    @property
    def match_field(self) -> str:
        """Return the field that identifies people in these cases."""
        return "customerId"

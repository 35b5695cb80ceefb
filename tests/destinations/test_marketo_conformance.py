"""The conformance suite on Marketo, before its stand-in; the token is had as the sender has it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest
from sandboxed import TokenSuite

from revetl.destinations.marketo import MARKETO, auth, bulk
from revetl.testing.conformance import DestinationSuite
from revetl.testing.drive import Handler
from revetl.types import Batch, Op

pytestmark = pytest.mark.may_skip  # a case that a declaration has no use for says so


class TestMarketo(TokenSuite, DestinationSuite):
    """Marketo's people, by address."""

    destination = MARKETO
    tokens: ClassVar[ModuleType] = auth
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

    def many(self, service: Handler, op: Op) -> Batch:
        """Return a batch that is worth a file."""
        fields = self.fields(service)
        rows = [self.change(n, fields=self.values(fields, n)) for n in range(1, bulk.LEAST + 1)]
        return self.batch(rows, op)


class TestMarketoByKey(TestMarketo):
    """The same by a custom field: people without any address."""

    snapshots: ClassVar[Path | None] = None  # type: ignore[assignment]  # one recording a destination
    account = {**TestMarketo.account, "fields": {**TestMarketo.account["fields"], "customerId": "string"}}  # noqa: RUF012
    avoid = frozenset({"email"})  # well-formed, or nothing

    @property
    def match_field(self) -> str:
        """Return the field that identifies people in these cases."""
        return "customerId"

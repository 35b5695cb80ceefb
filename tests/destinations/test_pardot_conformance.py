"""The conformance suite before the stand-in of Account Engagement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sandboxed import SandboxSuite

from revetl.contract import Auth
from revetl.destinations.pardot import PARDOT, auth, imports
from revetl.sandbox import make
from revetl.testing.conformance import DestinationSuite, stand_in
from revetl.testing.drive import Handler, drive
from revetl.types import Batch, Change, OnLeave, Op

pytestmark = pytest.mark.may_skip  # a case that a declaration has no use for says so


class TestPardot(SandboxSuite, DestinationSuite):
    """Prospects; the token is had as the sender has it, and a few rows are worth an import."""

    destination = PARDOT
    settings = {  # noqa: RUF012
        "host": "acme.my.salesforce.com",
        "client_id": "app-7",
        "client_secret": "canary-3d5e",
        "refresh_token": "canary-9a1b",
        "business_unit": "0Uv000000000007AAA",
    }
    secrets = ("canary-3d5e", "canary-9a1b")
    snapshots = Path(__file__).parent / "snapshots"
    poison = {"campaignId": 404}  # noqa: RUF012
    new_field = "New_Field__c"
    avoid = frozenset({"campaignId", "userId"})  # ids of things there
    lacks = {  # noqa: RUF012
        "mode insert": "an upsert by address updates whoever is there, and nobody can be looked for before",
        "leave archive": "what is deleted lies in a recycle bin; there is no other archive",
        "links": "accounts are the CRM's, and prospects get to them there",
        "membership fields": "a list carries nothing beside its members",
    }
    account = {  # noqa: RUF012
        "client_id": settings["client_id"],
        "client_secret": settings["client_secret"],
        "refresh_token": settings["refresh_token"],
        "business_unit": settings["business_unit"],
        "fields": {"Spent": "Number", "Since": "Date", "Kind": "Dropdown"},
        "import_seconds": 12,
    }
    at = 1_700_000_000.0  # the business unit's clock

    @pytest.fixture(autouse=True)
    def _small_imports(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(imports, "WORTH", 10)

    def delivers(self, service: Handler, changes: Sequence[Change], **more: Any) -> list[Change]:
        """Run changes that must all be delivered; calls of one second would look like a single one."""
        self.at += 2
        return super().delivers(service, changes, **more)

    def pass_time(self, seconds: float) -> None:
        """Let imports go on."""
        self.at += seconds

    def service(self) -> Handler:
        """Return a new business unit, whose imports take some looks."""
        box = make("pardot", **self.account, clock=lambda: self.at, now=lambda: self.at)

        def send(method: str, path: str, query: Any, headers: Any, body: bytes) -> Any:
            return box.handle(method, path, urlencode(query), headers, body)

        bare = replace(PARDOT, auth=None, base_url=lambda _: "")
        token = drive(auth.token(self.configured), stand_in(bare, self.configured, send)).value
        dressed = Auth(lambda settings, _, call: auth.authorise(settings, token, call))
        return stand_in(replace(PARDOT, auth=dressed), self.configured, send)

    def batch(self, changes: Sequence[Change], op: Op, **more: Any) -> Batch:
        """Return the batch; a LEAVE without a policy deletes, for there is no archive."""
        if op is Op.LEAVE and more.get("on_leave", OnLeave.KEEP) is OnLeave.KEEP:
            more["on_leave"] = OnLeave.DELETE
        return super().batch(changes, op, **more)

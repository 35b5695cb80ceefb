"""The conformance suite before the stand-in of Account Engagement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from sandboxed import TokenSuite

from revetl.destinations.pardot import PARDOT, auth, imports
from revetl.sandbox import make
from revetl.testing.conformance import DestinationSuite
from revetl.testing.drive import Handler
from revetl.types import Change

pytestmark = pytest.mark.may_skip  # a case that a declaration has no use for says so


class TestPardot(TokenSuite, DestinationSuite):
    """Prospects; the token is had as the sender has it, and a few rows are worth an import."""

    destination = PARDOT
    tokens: ClassVar[ModuleType] = auth
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

    def box(self) -> Any:
        """Return a new business unit, whose imports take some looks."""
        return make("pardot", **self.account, clock=lambda: self.at, now=lambda: self.at)

    def delivers(self, service: Handler, changes: Sequence[Change], **more: Any) -> list[Change]:
        """Run changes that must all be delivered; calls of one second would look like a single one."""
        self.at += 2
        return super().delivers(service, changes, **more)

    def pass_time(self, seconds: float) -> None:
        """Let imports go on."""
        self.at += seconds

"""The conformance suite before the stand-in of Salesforce."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from sandboxed import TokenSuite

from revetl.destinations.salesforce import SALESFORCE, auth, jobs
from revetl.sandbox import make
from revetl.testing.conformance import DestinationSuite
from revetl.testing.drive import Handler

pytestmark = pytest.mark.may_skip  # a case that a declaration has no use for says so

KEY = {"External_Id__c": {"externalId": True, "unique": True}}
CONTACT = {
    **KEY,
    "Spent__c": "double",
    "Since__c": "date",
    "Seen_At__c": "datetime",
    "Gift__c": "boolean",
    "Tier__c": {"type": "picklist", "options": ["Gold", "Silver"], "restrictedPicklist": True},
}


class TestSalesforce(TokenSuite, DestinationSuite):
    """Salesforce contacts; the token is had as the sender has it, and a few rows are worth a job."""

    destination = SALESFORCE
    tokens: ClassVar[ModuleType] = auth
    settings = {  # noqa: RUF012
        "host": "acme.my.salesforce.com",
        "client_id": "app-7",
        "client_secret": "canary-3d5e",
        "refresh_token": "canary-9a1b",
    }
    secrets = ("canary-3d5e", "canary-9a1b")
    snapshots = Path(__file__).parent / "snapshots"
    poison = {"Spent__c": "a lot"}  # noqa: RUF012
    new_field = "New_Field__c"
    avoid = frozenset({"Email", "AccountId", "ReportsToId"})  # no free text
    at = 0.0  # the org's clock

    @pytest.fixture(autouse=True)
    def _small_jobs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jobs, "WORTH", 10)

    def pass_time(self, seconds: float) -> None:
        """Let the org's jobs go on."""
        self.at += seconds

    def box(self) -> Any:
        """Return a new org, whose jobs take some looks."""
        credentials = {name: self.settings[name] for name in ("client_id", "client_secret", "refresh_token")}
        fields = {"Contact": CONTACT, "Account": KEY}
        clocks: dict[str, Any] = {"clock": lambda: self.at, "now": lambda: self.at}
        return make("salesforce", **credentials, fields=fields, bulk={"seconds": 3}, **clocks)

    def targets(self, service: Handler, kind: str) -> list[str]:
        """Return two records that can be linked to: each needs a name."""
        name = "Name" if kind == "Account" else "LastName"
        rows = [self.change(n, match=f"t{n}", fields={name: f"T{n}"}) for n in (901, 902)]
        seen = self.run(service, rows, object=kind, match_field="External_Id__c")
        return [str(outcome.remote_id) for outcome in seen.outcomes]

"""The conformance suite over Intercom: users by external id and by address, leads, companies."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from sandboxed import SandboxSuite

from revetl.destinations.intercom import INTERCOM
from revetl.testing.conformance import DestinationSuite
from revetl.types import Status

pytestmark = pytest.mark.may_skip  # a case that a declaration has no use for says so

LACKS = {
    "jobs": "there is no call that takes more than one record",
    "membership fields": "a tag carries nothing",
}
ATTRIBUTES = {
    "city": "string",
    "spent": "float",
    "visits": "integer",
    "since": "date",
    "gift": "boolean",
    "tier": {"options": ["gold", "silver"]},
}


class TestIntercom(SandboxSuite, DestinationSuite):
    """Users by external id, before the stand-in of a workspace."""

    destination = INTERCOM
    settings = {"access_token": "canary-4c1d", "region": "eu"}  # noqa: RUF012
    secrets = ("canary-4c1d",)
    snapshots: ClassVar[Path | None] = Path(__file__).parent / "snapshots"
    poison = {"spent": "a lot"}  # noqa: RUF012
    lacks = LACKS
    avoid = frozenset({"email", "external_id", "owner_id"})  # well-formed or known, or nothing
    account = {"token": settings["access_token"], "attributes": ATTRIBUTES}  # noqa: RUF012


class TestIntercomByEmail(TestIntercom):
    """The same by e-mail address."""

    snapshots = None  # one recording a destination
    match_field = "email"


class TestIntercomLeads(TestIntercomByEmail):
    """Leads, whom nothing but their address tells apart."""

    object = "lead"


class TestIntercomCompanies(TestIntercom):
    """Companies, whose id is fixed for ever."""

    object = "company"
    snapshots = None
    avoid = frozenset({"company_id"})
    lacks = {  # noqa: RUF012
        **LACKS,
        "consent": "a company reads no mail",
        "leave delete": "a company that is deleted is archived there",
        "links": "contacts point to companies, and companies to nothing",
        "renames": "a company_id is fixed for ever",
    }
    account = {"token": TestIntercom.settings["access_token"], "company_attributes": ATTRIBUTES}  # noqa: RUF012

    def test_nothing_stays_behind_under_an_old_identity(self) -> None:
        """There is no call that changes a company_id: the change is refused by name, and the company stays."""
        service = self.service()
        fields, (row,) = self.made(service)
        seen = self.run(service, [self.renamed(row, f"new@{self.domain}", created=True)])
        assert [(o.status, o.code) for o in seen.outcomes] == [(Status.REJECTED, "IDENTITY_FIXED")]
        self.stands(service, fields, row)

    def test_a_taken_identity_ends_our_record_only(self) -> None:
        """The same where the new identity is taken: nobody goes."""
        service = self.service()
        _, (first, holder) = self.made(service, 2)
        seen = self.run(service, [self.renamed(first, holder.match, created=True)])
        assert [o.code for o in seen.outcomes] == ["IDENTITY_FIXED"]
        assert set(self.read(service, first.match, holder.match)) == {first.identity, holder.identity}

"""The conformance suite over the registry: a destination without a suite fails here."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest
from sandboxed import JoiningMakesSuite, SandboxSuite

from revetl.contract import Call, Http, Reply
from revetl.destinations import registry
from revetl.destinations.file import FILE
from revetl.destinations.hubspot import HUBSPOT
from revetl.destinations.iterable import ITERABLE
from revetl.destinations.mailchimp import MAILCHIMP
from revetl.destinations.webhook import WEBHOOK
from revetl.testing.conformance import DestinationSuite
from revetl.testing.conformance.base import Suite
from revetl.testing.drive import Handler
from revetl.types import Status

SNAPSHOTS = Path(__file__).parent / "snapshots"

_NO_ANSWER = {
    "account": "there is no account: the address is all",
    "consent": "the receiver gets the column itself, and does what it likes with it",
    "discover": "every field name is good there",
    "jobs": "a message is given over in one go",
    "links": "the receiver gets the columns that hold keys",
    "membership fields": "a message about a cohort names it, and nothing more",
}
_GIVEN = ("consent", "links", "membership fields")
RECEIVER = {name: why for name, why in _NO_ANSWER.items() if name not in _GIVEN}
RECEIVER["read_back"] = "a webhook takes, and tells nothing of what it has"
DIRECTORY = {**_NO_ANSWER, "read_back": "files are for whoever picks them up; what was made of them is not known"}

pytestmark = pytest.mark.may_skip  # a case that a declaration has no use for says so


class TestWebhook(DestinationSuite):
    """The webhook, before a receiver that names the rows it refuses."""

    destination = WEBHOOK
    settings = {"url": "https://hooks.example.org/in/canary-u7?key=canary-q2", "secret": "canary-s9"}  # noqa: RUF012
    snapshots = SNAPSHOTS
    secrets = ("canary-u7", "canary-q2", "canary-s9")
    poison = {"text_field": "POISON"}  # noqa: RUF012
    lacks = RECEIVER

    def service(self) -> Handler:
        """Return a receiver that answers with a list of errors."""
        return _receive


def _receive(call: Call) -> Reply:
    assert isinstance(call, Http)
    assert call.content is not None
    records = orjson.loads(call.content)["records"]
    bad = [row["id"] for row in records if row.get("fields", {}).get("text_field") == "POISON"]
    return Reply(200, orjson.dumps({"errors": [{"id": i, "code": "BAD", "message": "poison"} for i in bad]}))


class TestFile(DestinationSuite):
    """Files, before a disk that takes everything."""

    destination = FILE
    settings = {"directory": "out"}  # noqa: RUF012
    secrets = ()
    snapshots = SNAPSHOTS
    lacks = DIRECTORY

    def service(self) -> Handler:
        """Return a disk."""
        return lambda _: Reply(200)


class TestMailchimp(SandboxSuite, DestinationSuite):
    """Mailchimp, before its stand-in."""

    destination = MAILCHIMP
    settings = {"api_key": "0123456789abcdef0123456789abcdef-us6", "list_id": "a1b2c3d4e5"}  # noqa: RUF012
    secrets = ("0123456789abcdef0123456789abcdef",)
    snapshots = SNAPSHOTS
    poison = {"SPENT": "a lot"}  # noqa: RUF012
    new_field = "NEW_FIELD"
    lacks = {  # noqa: RUF012
        "jobs": "500 members a call are more than a job would bring",
        "links": "a member belongs to one audience and to nothing else",
        "membership fields": "a tag carries nothing",
        "vanished records": "whom somebody archived there is written and not subscribed anew; deletion bars re-import",
    }
    avoid = frozenset({"language"})  # a code, not any text
    account = {  # noqa: RUF012
        "api_key": settings["api_key"],
        "list_id": settings["list_id"],
        "merge_fields": {"CITY": "text", "SPENT": "number", "SINCE": "date"},
    }

    def test_an_opt_out_survives(self) -> None:
        """Who unsubscribed is updated, known or not, and stays unsubscribed; nobody is asked to come back."""
        service = self.service()
        person = Http("POST", f"/lists/{self.settings['list_id']}/members")
        body = {"email_address": "c1@example.org", "status": "unsubscribed"}
        assert service(replace(person, content=orjson.dumps(body))).ok
        for first in (None, False):
            self.delivers(service, [self.change(1, fields={"CITY": "Brno"}, created=first)])
            found = self.read(service, "c1@example.org")["c1@example.org"]
            assert (found.opted_out, found.fields["CITY"]) == (True, "Brno")


class TestHubSpot(SandboxSuite, DestinationSuite):
    """HubSpot, before its stand-in."""

    destination = HUBSPOT
    settings = {"access_token": "pat-na1-canary-0123", "tier": "enterprise"}  # noqa: RUF012
    secrets = ("canary-0123",)
    snapshots = SNAPSHOTS
    poison = {"spent": "a lot"}  # noqa: RUF012
    avoid = frozenset({"lifecyclestage"})  # moves forward only
    lacks = {  # noqa: RUF012
        "jobs": "imports there take files that are mapped by hand; 100 records a call are the API's way",
        "membership fields": "a list carries nothing beside its members",
    }
    account = {  # noqa: RUF012
        "token": settings["access_token"],
        "properties": {"spent": "number", "since": "date", "seen_at": "datetime", "gift": "bool"},
        "company_properties": {"shop_id": {"hasUniqueValue": True}},
    }

    def targets(self, service: Handler, kind: str) -> list[str]:
        """Return two companies, found by a property of the account's own."""
        rows = [self.change(n, match=f"firm-{n}") for n in (901, 902)]
        seen = self.run(service, rows, object=kind, match_field="shop_id")
        return [str(outcome.remote_id) for outcome in seen.outcomes]


class TestIterable(JoiningMakesSuite, SandboxSuite, DestinationSuite):
    """Iterable, before its stand-in of an email-based project."""

    destination = ITERABLE
    settings = {"api_key": "canary-7c4e", "region": "eu"}  # noqa: RUF012
    secrets = ("canary-7c4e",)
    snapshots = SNAPSHOTS
    poison = {"spent": "a lot"}  # noqa: RUF012
    avoid = frozenset({"email", "userId", "phoneNumber"})  # well-formed, or nothing
    lacks = {  # noqa: RUF012
        "account": "no call of the API says which project a key opens",
        "create_field": "a field comes into being with its first value, which fixes its type",
        "jobs": "1,000 users a call are more than a job would bring",
        "leave archive": "there is no archive there",
        "links": "a user belongs to nothing else",
        "membership fields": "a list carries nothing beside its members",
    }
    account = {  # noqa: RUF012
        "api_key": settings["api_key"],
        "fields": {"spent": "double", "visits": "long", "since": "date", "gift": "boolean"},
        "rates": dict.fromkeys(("bulk", "lists", "fields", "users", "forget"), 10**6),
    }


class TestIterableById(TestIterable):
    """The same in a project that knows its users by userId, which cannot be changed there."""

    object = "user_by_id"
    snapshots: ClassVar[Path | None] = None  # type: ignore[assignment]  # one recording a destination
    account = {**TestIterable.account, "project": "userId"}  # noqa: RUF012
    lacks = {**TestIterable.lacks, "renames": "a userId is fixed for ever"}  # noqa: RUF012

    def test_nothing_stays_behind_under_an_old_identity(self) -> None:
        """There is no call that renames a userId: the change is refused by name, and the user stays."""
        service = self.service()
        fields, (row,) = self.made(service)
        seen = self.run(service, [self.renamed(row, f"new@{self.domain}", created=True)])
        assert [(o.status, o.code) for o in seen.outcomes] == [(Status.REJECTED, "IDENTITY_FIXED")]
        self.stands(service, fields, row)


def _suites(of: type[Any] = Suite) -> set[type[Any]]:
    return {of}.union(*(_suites(more) for more in of.__subclasses__()))


def test_no_destination_is_forgotten() -> None:
    """Whatever the registry offers has a suite, here or in a test_<name>_conformance.py."""
    for file in Path(__file__).parent.glob("test_*_conformance.py"):
        import_module(file.stem)
    covered = {suite.destination.name for suite in _suites() if "destination" in vars(suite)}
    assert covered >= set(registry())

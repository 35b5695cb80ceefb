"""An instance of Marketo before the destination: how its tests ask, and look inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from revetl.contract import Call, Context, Http, Reply
from revetl.destinations.marketo import MARKETO
from revetl.destinations.marketo.auth import MarketoSettings
from revetl.sandbox import make
from revetl.testing.drive import Driven, deliver, drive
from revetl.testing.seeds import batch, change
from revetl.types import JSON, Batch, Change, Cohort, Op, Outcome, Status

TOLD = {"munchkin_id": "123-ABC-456", "client_id": "sandbox", "client_secret": "sandbox", "folder": 1}
SETTINGS = MarketoSettings.model_validate(TOLD)
FIELDS = {
    "spent": "float",
    "visits": "integer",
    "since": "date",
    "seenAt": "datetime",
    "gift": "boolean",
    "note": "text",
}
CONTEXT = Context("test.customer", "lead", SETTINGS, match_field="email", cohorts=(("vip", "High Value"),))


class Instance:
    """An instance with a few fields, its window out of the way; it is a handler for ``drive``."""

    def __init__(self, **options: Any) -> None:
        """Make it, and take a token."""
        allow = {"burst": 10**6, **options.pop("allow", {})}
        fields = {**FIELDS, "customerId": "string"}
        self.box = make("marketo", fields=fields, allow=allow, keep_bodies=True, **options)
        self.token = self.login()

    def login(self) -> str:
        """Return a token."""
        form = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox"}
        answer = self.box.handle("POST", "/identity/oauth/token", body=urlencode(form).encode())
        return str(orjson.loads(answer[2])["access_token"])

    def __call__(self, call: Call) -> Reply:
        """Answer a call as the wire would."""
        assert isinstance(call, Http)
        headers = {"content-type": call.content_type, "authorization": f"Bearer {self.token}", **dict(call.headers)}
        status, told, body = self.box.handle(
            call.method, call.path, urlencode(call.query), headers, call.content or b""
        )
        return Reply(status, body, {name.lower(): text for name, text in told.items()})

    def ask(self, method: str, path: str, body: JSON = None, **query: str) -> Any:
        """Ask as somebody else would; return the answer parsed."""
        content = None if body is None else orjson.dumps(body)
        return self(Http(method, path, content=content, query=tuple(query.items()))).json()

    def person(self, email: str, **values: JSON) -> int:
        """Make one more person of that address, doubled or not; return the id."""
        told = {"action": "createDuplicate", "input": [{"email": email, **values}]}
        return int(self.ask("POST", "/rest/v1/leads.json", told)["result"][0]["id"])

    def people(self) -> dict[int, dict[str, JSON]]:
        """Return id → values of all people."""
        return {int(number): dict(one) for number, one in self.box.store["people"].items()}

    def listed(self, label: str = "High Value") -> set[int]:
        """Return the ids on a list."""
        (one,) = [found for found in self.box.store["lists"].values() if found["name"] == label]
        return {int(number) for number in one["members"]}

    def prepared(self, **more: Any) -> dict[str, JSON]:
        """Return what ``prepare`` finds or makes."""
        assert MARKETO.prepare is not None
        context = Context(
            "test.customer", "lead", SETTINGS, match_field="email", cohorts=(("vip", "High Value"),), **more
        )
        return dict(drive(MARKETO.prepare(context), self).value)

    def run(self, op: Op, changes: Sequence[Change], **more: Any) -> Driven:
        """Deliver changes by single calls; each gets one outcome."""
        seen = deliver(MARKETO.actions[op], of(changes, op, **more), self)
        assert sorted(outcome.change.seq for outcome in seen.outcomes) == sorted(c.seq for c in changes)
        return seen


def of(changes: Sequence[Change], op: Op = Op.UPSERT, **more: Any) -> Batch:
    """Return a batch of people by address."""
    if op in (Op.JOIN, Op.PART):
        more.setdefault("cohort", Cohort("vip", "High Value", "list"))
    settings = more.pop("settings", SETTINGS)
    return batch(changes, settings, op, **{"object": "lead", "match_field": "email", **more})


def people(numbers: range, **fields: JSON) -> list[Change]:
    """Return upserts of so many people."""
    return [change(n, fields={"firstName": f"F{n}", "visits": n, **fields}) for n in numbers]


def told(outcomes: Sequence[Outcome]) -> dict[int, tuple[Status, str]]:
    """Return sequence number → status and code."""
    return {outcome.change.seq: (outcome.status, outcome.code) for outcome in outcomes}

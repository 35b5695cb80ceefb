"""A company of Pipedrive, and a caller that drives the destination's exchanges before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from revetl.contract import Call, Context, Http, Reply
from revetl.destinations.pipedrive import PIPEDRIVE
from revetl.destinations.pipedrive.api import PipedriveSettings
from revetl.sandbox import make
from revetl.testing.conformance import stand_in
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import batch, change
from revetl.types import JSON, Change, Cohort, Op

SETTINGS = PipedriveSettings.model_validate({"company": "sandbox", "api_token": "sandbox"})
FIELDS: dict[str, JSON] = {
    "City": "varchar",
    "Spent": "double",
    "Customer id": "varchar",
    "Old id": "varchar",
    "Band": {"type": "enum", "options": ["Gold", "Silver"]},
    "Interests": {"type": "set", "options": ["Tea", "Coffee"]},
    "Turnover": "monetary",
    "Wakes": "time",
    "Home": "address",
    "Stay": "daterange",
    "Buddy": "people",
}


class Company:
    """A stand-in whose time moves by a second a call, with what was called since :meth:`forget`."""

    def __init__(self, fields: Any = None, match: str = "email", kind: str = "persons", **options: Any) -> None:
        """Open a company; the sync matches by ``match`` and maps every field that ``fields`` names."""
        told = FIELDS if fields is None else fields
        self.at = 1_700_000_000.0
        self.box = make(
            "pipedrive", fields={kind: told}, clock=self._tick, now=lambda: self.at, keep_bodies=True, **options
        )
        self.kind, self.match = kind, match
        self.names = ("name", "email", "phone", *told) if kind == "persons" else ("name", *told)
        self.calls: list[Http] = []
        self.bodies: list[Any] = []
        self._send = stand_in(PIPEDRIVE, SETTINGS, self._handle)
        self.style = "label"

    def _tick(self) -> float:
        self.at += 1
        return self.at

    def _handle(self, method: str, path: str, query: Any, headers: Any, body: bytes) -> Any:
        return self.box.handle(method, path, urlencode(query), headers, body)

    def __call__(self, call: Call) -> Reply:
        """Answer a call, and remember it."""
        assert isinstance(call, Http)
        self.calls.append(call)
        reply = self._send(call)
        return Reply(reply.status, reply.content, reply.headers, self.at)

    def forget(self) -> None:
        """Begin to count anew."""
        self.calls = []

    @property
    def lines(self) -> list[str]:
        """Return the calls since :meth:`forget`, as people would note them down."""
        return [f"{call.method} {call.path}" for call in self.calls]

    @property
    def tokens(self) -> int:
        """Return what the calls since :meth:`forget` say that they cost."""
        return sum(call.cost["tokens"] for call in self.calls)

    def context(self, *cohorts: str, **more: Any) -> Context:
        """Return what the destination is told of the sync; a cohort's model is its label in lower case."""
        told = tuple((label.lower(), label) for label in cohorts)
        more = {"fields": self.names, "match_field": self.match, "cohort_style": self.style, **more}
        return Context("crm.customer", self.kind, SETTINGS, cohorts=told, **more)

    def prepare(self, *cohorts: str, **more: Any) -> dict[str, JSON]:
        """Return what ``prepare`` finds."""
        assert PIPEDRIVE.prepare is not None
        return dict(drive(PIPEDRIVE.prepare(self.context(*cohorts, **more)), self).value)

    def run(self, op: Op, changes: Sequence[Change], cohort: str = "", **more: Any) -> Driven:
        """Run an action on these changes; each must get its one outcome."""
        if "prepared" not in more:
            more["prepared"] = self.prepare(*([cohort] if cohort else []))
        if op in (Op.JOIN, Op.PART):
            more.setdefault("cohort", Cohort(cohort.lower(), cohort, self.style))
        self.forget()
        work = batch(changes, SETTINGS, op, object=self.kind, match_field=self.match, **more)
        seen = drive(PIPEDRIVE.actions[op].run(work), self)
        assert seen.unreadable is None, seen.unreadable
        assert sorted(o.change.seq for o in seen.outcomes) == sorted(c.seq for c in changes)
        return seen

    def add(self, name: str, email: str = "", **more: Any) -> int:
        """Put a record in as somebody else would, and return its id."""
        body = {"name": name, **({"emails": [{"value": email, "primary": True}]} if email else {}), **more}
        return int(self.ask("POST", f"/v2/{self.kind}", body)["id"])

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the data of a call that must succeed."""
        content = b"" if body is None else orjson.dumps(body)
        headers = {"x-api-token": "sandbox", "content-type": "application/json"}
        status, _, answer = self.box.handle(method, f"/api{path}", "", headers, content)
        assert status in (200, 201), answer
        return orjson.loads(answer)["data"]

    def stands(self, record_id: int | str) -> dict[str, Any]:
        """Return a record with its custom fields by name."""
        record = dict(self.box.store["records"][self.kind][str(record_id)])
        names = {row["field_code"]: row["field_name"] for row in self.box.store["fields"][self.kind]}
        return {**record, **{names[code]: value for code, value in record["custom_fields"].items()}}

    @property
    def living(self) -> list[int]:
        """Return the ids of the records that are not deleted."""
        return [r["id"] for r in self.box.store["records"][self.kind].values() if not r["is_deleted"]]

    def key(self, name: str) -> str:
        """Return the key of a field."""
        rows = self.box.store["fields"][self.kind]
        return str(next(row["field_code"] for row in rows if row["field_name"] == name))

    def option(self, name: str, label: str) -> int:
        """Return the id of an option of a field."""
        rows = self.box.store["fields"][self.kind]
        options = next(row["options"] for row in rows if row["field_name"] == name)
        return int(next(option["id"] for option in options if option["label"] == label))


def upsert(seq: int = 1, **more: Any) -> Change:
    """Return the upsert of a person with a name and the given ``fields``."""
    fields = {"name": f"Person {seq}", **more.pop("fields", {})}
    return change(seq, fields=fields, **more)

"""A small vendor, strict and honest about its state, and the destination that speaks to it.

It knows people by e-mail, tags, and nothing else. Calls can be applied late: ``late`` holds what still has to land.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import BaseModel

from revetl.contract import (
    Action,
    BatchRejected,
    CohortStyle,
    Destination,
    Exchange,
    Http,
    Limit,
    Object,
    Reply,
    WireFormat,
)  # fmt: skip
from revetl.types import Batch, Mode, OnLeave, Op, Outcome, Proof


class Settings(BaseModel):
    """Nothing to set."""


def _act(batch: Batch) -> Exchange:
    rows = [
        {"seq": c.seq, "email": c.match, "old": c.before_match, "tag": c.cohort, "fields": c.fields}
        for c in batch.changes
    ]
    reply = yield Http("POST", f"/{batch.op}", content=json.dumps(rows).encode())
    if reply.status == 400:
        return BatchRejected("POISON", "one of the rows is refused")
    answer = {row["seq"]: row for row in reply.json()}
    found = []
    for change in batch.changes:
        row = answer.get(change.seq)
        if row is None:
            continue
        if row["ok"]:
            found.append(Outcome.delivered(change, proof=Proof.ROW, created=row.get("created")))
        else:
            found.append(Outcome.rejected(change, code=row["code"], reason="refused"))
    return found


SIM = Destination(
    name="sim",
    title="Sim",
    settings=Settings,
    objects={
        "person": Object(
            match=("email",),
            cohorts={"tag": CohortStyle("tag", "a tag")},
            on_leave=frozenset({OnLeave.KEEP, OnLeave.CLEAR, OnLeave.ARCHIVE, OnLeave.DELETE}),
            modes=frozenset({Mode.UPSERT}),
            any_field=True,
        )
    },
    actions={op: Action(_act, max_records=3) for op in Op},
    wire=WireFormat(null=None),
    base_url=lambda _: "https://sim.example.org",
    hosts=("sim.example.org",),
    limits=lambda _: (Limit("all", 50, 1.0), Limit("at once", 4, kind="concurrency")),
    late_apply=900.0,
)


@dataclass
class Vendor:
    """What the destination holds: e-mail → fields, e-mail → tags; and who was created by whom."""

    people: dict[str, dict[str, object]] = field(default_factory=dict)
    tags: dict[str, set[str]] = field(default_factory=dict)
    late: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    poison: str | None = None
    refused: str | None = None  # rows about this e-mail are refused by name

    def land(self, now: float) -> None:
        """Apply what was sent long ago and only arrives now."""
        due = [apply for at, apply in self.late if at <= now]
        self.late = [(at, apply) for at, apply in self.late if at > now]
        for apply in due:
            apply()

    def apply(self, call: Http) -> Reply:
        """Do what the call asks; each row is answered by its number."""
        op, rows = Op(call.path.strip("/")), json.loads(call.content or b"[]")
        if self.poison and any(row["email"] == self.poison for row in rows) and op is Op.UPSERT:
            return Reply(400, b"{}")
        return Reply(200, json.dumps([self._row(op, row) for row in rows]).encode())

    def _row(self, op: Op, row: dict[str, object]) -> dict[str, object]:
        email, answer = str(row["email"]), {"seq": row["seq"], "ok": True}
        if email == self.refused:
            return {"seq": row["seq"], "ok": False, "code": "REFUSED"}
        if op is Op.UPSERT:
            answer["created"] = email not in self.people
            kept = self.people.setdefault(email, {})
            for name, value in row["fields"].items():  # type: ignore[attr-defined]
                if value is None:
                    kept.pop(name, None)
                else:
                    kept[name] = value
        elif op is Op.IDENTITY:
            return self._rename(str(row["old"]), email, answer)
        elif op is Op.JOIN:
            if email not in self.people:
                return {"seq": row["seq"], "ok": False, "code": "UNKNOWN_PERSON"}
            self.tags.setdefault(email, set()).add(str(row["tag"]))
        elif op is Op.PART:
            self.tags.get(email, set()).discard(str(row["tag"]))
        else:
            self.people.pop(email, None)
            self.tags.pop(email, None)
        return answer

    def _rename(self, old: str, new: str, answer: dict[str, object]) -> dict[str, object]:
        if old not in self.people:
            return answer
        person, tags = self.people.pop(old), self.tags.pop(old, set())
        if new not in self.people:  # else the old one is merged away: nothing may stay behind
            self.people[new] = person | {"email": new}
            self.tags[new] = tags
        return answer

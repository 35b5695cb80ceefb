"""A small vendor, strict and honest about its state, and the destination that speaks to it.

It knows people by e-mail, tags, and nothing else. Calls can be applied late: ``late`` holds what still has to land.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pydantic import BaseModel

from revetl.contract import (
    Action,
    BatchRejected,
    CohortStyle,
    Destination,
    Exchange,
    Http,
    Limit,
    LinkStyle,
    Object,
    Reply,
    WireFormat,
)  # fmt: skip
from revetl.types import Batch, Change, Mode, OnLeave, Op, Outcome, Proof, RemoteField


class Settings(BaseModel):
    """Nothing to set."""


def _links(change: Change) -> dict[str, object]:
    return {name: {"id": link.id, "ended": link.ended} for name, link in change.links.items()}


def act(batch: Batch) -> Exchange:
    rows = [
        {
            "seq": c.seq,
            "email": c.match,
            "old": c.before_match,
            "tag": c.cohort,
            "fields": c.fields,
            "links": _links(c),
            "okay": c.consent,
            "as": batch.new_as,
        }
        for c in batch.changes
    ]
    reply = yield Http("POST", f"/{batch.object}/{batch.op}", content=json.dumps(rows).encode())
    if reply.status == 400:
        return BatchRejected("POISON", "one of the rows is refused")
    answer = {row["seq"]: row for row in reply.json()}
    found = []
    for change in batch.changes:
        row = answer.get(change.seq)
        if row is None:
            continue
        if row["ok"]:
            told = {"created": row.get("created"), "remote_id": row.get("id")}
            found.append(Outcome.delivered(change, proof=Proof.ROW, **told))
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
            cohorts={"tag": CohortStyle("tag", "a tag", fields=(RemoteField("level"), RemoteField("since", "date")))},
            on_leave=frozenset({OnLeave.KEEP, OnLeave.CLEAR, OnLeave.ARCHIVE, OnLeave.DELETE}),
            modes=frozenset({Mode.UPSERT}),
            any_field=True,
            consent={"unsubscribe": CohortStyle("unsubscribe", "no more mail")},
            new_as=("pending",),
            links={"firm": LinkStyle("firm", "the firm of a person"), "boss": LinkStyle("person", "another person")},
        ),
        "firm": Object(match=("email",), on_leave=frozenset({OnLeave.KEEP, OnLeave.DELETE}), any_field=True),
    },
    actions={op: Action(act, max_records=3) for op in Op},
    wire=WireFormat(null=None),
    base_url=lambda _: "https://sim.example.org",
    hosts=("sim.example.org",),
    limits=lambda _: (Limit("all", 50, 1.0), Limit("at once", 4, kind="concurrency")),
    late_apply=900.0,
)


# the same where nothing but whole records can be written
WHOLE = replace(SIM, objects={**SIM.objects, "person": replace(SIM.objects["person"], partial=False)})


@dataclass
class Vendor:
    """What the destination holds: e-mail → fields, e-mail → tags; records have ids, by which they are linked.

    ``firms``: address → id; ``links``: e-mail → link → ids that it points to, which can be several.
    """

    people: dict[str, dict[str, object]] = field(default_factory=dict)
    tags: dict[str, set[str]] = field(default_factory=dict)
    told: dict[str, dict[str, dict[str, object]]] = field(default_factory=dict)  # e-mail → tag → what it carries
    ids: dict[str, str] = field(default_factory=dict)
    firms: dict[str, str] = field(default_factory=dict)
    links: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    made: int = 0
    status: dict[str, str] = field(default_factory=dict)  # e-mail → pending, subscribed or unsubscribed
    late: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    names: bool = False  # a rename is answered with the id of whoever has the new address now
    poison: str | None = None
    refused: str | None = None  # rows about this e-mail are refused by name
    blocked: str | None = None  # so are these, whenever they come

    def land(self, now: float) -> None:
        """Apply what was sent long ago and only arrives now."""
        due = [apply for at, apply in self.late if at <= now]
        self.late = [(at, apply) for at, apply in self.late if at > now]
        for apply in due:
            apply()

    def apply(self, call: Http) -> Reply:
        """Do what the call asks; each row is answered by its number."""
        thing, _, name = call.path.strip("/").partition("/")
        if name == "read":
            found = {one: self.people[one] for one in json.loads(call.content or b"[]") if one in self.people}
            return Reply(200, json.dumps(found).encode())
        op, rows = Op(name), json.loads(call.content or b"[]")
        if self.poison and any(row["email"] == self.poison for row in rows) and op is Op.UPSERT:
            return Reply(400, b"{}")
        act = self._firm if thing == "firm" else self._row
        return Reply(200, json.dumps([act(op, row) for row in rows]).encode())

    def _id(self) -> str:
        self.made += 1
        return f"id{self.made}"

    def _firm(self, op: Op, row: dict[str, object]) -> dict[str, object]:
        address = str(row["email"])
        if address == self.refused:
            return {"seq": row["seq"], "ok": False, "code": "REFUSED"}
        if op is Op.LEAVE:
            gone = self.firms.pop(address, None)
            for links in self.links.values():
                links.get("firm", set()).discard(str(gone))
            return {"seq": row["seq"], "ok": True}
        if address not in self.firms:
            self.firms[address] = self._id()
        return {"seq": row["seq"], "ok": True, "id": self.firms[address]}

    def _link(self, email: str, links: dict[str, dict[str, object]]) -> None:
        known = {*self.firms.values(), *self.ids.values()}
        for name, told in links.items():
            held = self.links.setdefault(email, {}).setdefault(name, set())
            held.difference_update(told["ended"])  # type: ignore[arg-type]
            held.update({str(told["id"])} & known)

    def _row(self, op: Op, row: dict[str, object]) -> dict[str, object]:
        email, answer = str(row["email"]), {"seq": row["seq"], "ok": True}
        if email in {self.refused, self.blocked}:
            return {"seq": row["seq"], "ok": False, "code": "REFUSED"}
        if op is Op.UPSERT:
            self._write(email, row, answer)
        elif op is Op.IDENTITY:
            return self._rename(str(row["old"]), email, answer)
        elif op is Op.JOIN:
            return self._join(email, row, answer)
        elif op is Op.PART:
            self.tags.get(email, set()).discard(str(row["tag"]))
            self.told.get(email, {}).pop(str(row["tag"]), None)
        else:
            for held in (self.people, self.tags, self.told, self.links, self.ids, self.status):
                held.pop(email, None)
        return answer

    def _write(self, email: str, row: dict[str, object], answer: dict[str, object]) -> None:
        answer["created"] = email not in self.people
        if email not in self.people:
            self.status[email] = "unsubscribed" if row["okay"] is False else str(row["as"] or "subscribed")
        kept = self.people.setdefault(email, {})
        for name, value in row["fields"].items():  # type: ignore[attr-defined]
            if value is None:
                kept.pop(name, None)
            else:
                kept[name] = value
        answer["id"] = self.ids.setdefault(email, self.ids.get(email) or self._id())
        self._link(email, row["links"])  # type: ignore[arg-type]

    def _join(self, email: str, row: dict[str, object], answer: dict[str, object]) -> dict[str, object]:
        if email not in self.people:
            return {"seq": row["seq"], "ok": False, "code": "UNKNOWN_PERSON"}
        if row["tag"] == "consent:unsubscribe":
            self.status[email] = "unsubscribed"
            return answer
        self.tags.setdefault(email, set()).add(str(row["tag"]))
        carried = self.told.setdefault(email, {}).setdefault(str(row["tag"]), {})
        carried.update(row["fields"])  # type: ignore[call-overload]
        return answer

    def _rename(self, old: str, new: str, answer: dict[str, object]) -> dict[str, object]:
        if old not in self.people:
            return answer
        person, tags = self.people.pop(old), self.tags.pop(old, set())
        links, ident, told = self.links.pop(old, {}), self.ids.pop(old, ""), self.told.pop(old, {})
        if new not in self.people:  # else the old one is merged away: nothing may stay behind
            self.people[new] = person | {"email": new}
            self.tags[new] = tags
            self.links[new], self.ids[new], self.told[new] = links, ident, told
            self.status[new] = self.status.get(old, "subscribed")
        else:
            answer["created"] = False
        return answer | ({"id": self.ids[new]} if self.names else {})

"""A vendor that can be asked to erase somebody, and that knows, for the tests alone, whose record each one is."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from revetl.contract import Context, Erase, Http, ReadBack, Reply
from revetl.types import Erased, Op, Person, RemoteRecord
from tests.faults.vendor import SIM, WHOLE, Vendor

Ask = Generator[Http, Reply, Any]


def _erase(context: Context, people: Sequence[Person]) -> Ask:
    names = [one.identity for one in people]
    reply = yield Http("POST", f"/{context.object}/erase", content=json.dumps(names).encode())
    told = reply.json()
    return [Erased(name, told[name]) for name in names]


def _read(context: Context, identities: Sequence[str]) -> Ask:
    reply = yield Http("POST", f"/{context.object}/read", content=json.dumps(list(identities)).encode())
    return [RemoteRecord(name, one["id"], one["fields"], frozenset(one["tags"])) for name, one in reply.json().items()]


MORE: dict[str, Any] = {
    "erase": Erase(_erase, 2, "Erases the person, and keeps nothing."),
    "read_back": ReadBack(_read, 5),
}
ERASING, ERASING_WHOLE = replace(SIM, **MORE), replace(WHOLE, **MORE)


@dataclass
class Owned(Vendor):
    """``keys``: number of a change → key of the model; ``owner``: e-mail → key of whoever was written there last."""

    keys: dict[int, str] = field(default_factory=dict)
    owner: dict[str, str] = field(default_factory=dict)
    erased: list[tuple[str, str | None]] = field(default_factory=list)  # e-mail, owner

    def apply(self, call: Http) -> Reply:
        """Do what the call asks."""
        name = call.path.rpartition("/")[2]
        if name not in {"erase", "read"}:
            return super().apply(call)
        asked = json.loads(call.content or b"[]")
        told = {one: self._erased(one) for one in asked} if name == "erase" else self._found(asked)
        return Reply(200, json.dumps(told).encode())

    def theirs(self, keys: set[str]) -> set[str]:
        """Return where records of these keys stand."""
        return {email for email, key in self.owner.items() if key in keys}

    def _erased(self, email: str) -> str:
        self.erased.append((email, self.owner.pop(email, None)))
        there = email in self.people
        for held in (self.people, self.tags, self.told, self.links, self.ids, self.status):
            held.pop(email, None)
        return "erased" if there else "absent"

    def _found(self, emails: Sequence[str]) -> dict[str, object]:
        return {
            email: {"id": self.ids[email], "fields": self.people[email], "tags": sorted(self.tags.get(email, ()))}
            for email in emails
            if email in self.people
        }

    def _row(self, op: Op, row: dict[str, object]) -> dict[str, object]:
        email, old = str(row["email"]), str(row["old"])
        answer = super()._row(op, row)
        if answer["ok"] and op in {Op.UPSERT, Op.IDENTITY} and email in self.people:
            self.owner[email] = self.keys[int(str(row["seq"]))]
        for name in (email, old):
            if name not in self.people:
                self.owner.pop(name, None)
        return answer

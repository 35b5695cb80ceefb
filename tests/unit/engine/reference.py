"""The delivery rule once more, in plain Python and from its words alone: what a run must send, and what state then has.

It knows one sync of records with fixed addresses and one cohort, and holds dictionaries in place of tables. Outcomes
are given to it; it has no wire, no SQL and no code of revetl.

- What differs from what was acknowledged is sent; a new record whole, a known one by the fields that differ. A null is
  sent only where a value of ours stands, or may stand.
- An unknown outcome keeps its record or membership in doubt. In doubt, a record is sent whole though nothing differs, a
  membership is asserted as it is wished, with a record in doubt too, and who is gone leaves.
- A doubt ends with a clean answer of a run that began ``LATE`` seconds after it came up, in which nothing else about
  that address went wrong.
- What is refused rests, in doubt or not, until its record changes or a gap is over; what depends on it waits.
- Whoever is gone loses the membership first, whatever becomes of the record then.
- Until one run left nothing of it over, the mapping is new: what differs of a known record does so for that.
- Without an address a record is frozen: it is not sent, and has not left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

LATE = 900.0
WEEK = 7 * 86_400.0
DONE = ("delivered", "local")
Record = Mapping[str, object]  # field → value, nulls left out
Name = tuple[str, str]  # key, and upsert, join, part or leave


@dataclass
class Doubt:
    """Since when, and which fields may stand there."""

    since: float
    touched: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Sent:
    """What leaves, and why; ``body`` None: no fields."""

    cause: str
    body: Mapping[str, object] | None = None


@dataclass
class Reference:
    """What revetl must know after each run."""

    deletes: bool  # whoever leaves is deleted there; else kept
    settled: bool = False  # whether the mapping is no longer new
    snap: dict[str, Record] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    records: dict[str, Doubt] = field(default_factory=dict)  # in doubt
    memberships: dict[str, Doubt] = field(default_factory=dict)  # in doubt
    refused: dict[Name, tuple[object, float]] = field(default_factory=dict)  # for what, and when

    def plan(self, model: Mapping[str, Record], vip: set[str], now: float) -> dict[Name, Sent]:
        """Return what a run sends of a model: key → record, without an ``email`` where it has none."""
        found: dict[Name, Sent] = {}
        for key in {*model, *self.snap, *self.members, *self.records, *self.memberships}:
            if key not in model:
                found |= {(key, op): sent for op, sent in self._gone(key, now)}
            elif "email" in model[key]:
                found |= {(key, op): sent for op, sent in self._present(key, model[key], key in vip, now)}
        return found

    def _present(self, key: str, record: Record, wish: bool, now: float) -> Iterator[tuple[str, Sent]]:
        body, doubt = self._body(key, record), self.records.get(key)
        cause, rests = self._cause(key, "upsert", record, now, doubted=doubt is not None)
        if body is not None and not rests:
            new = cause == "data" and key in self.snap and not self.settled
            yield "upsert", Sent("mapping" if new else cause, body)
        member, inside = self.memberships.get(key), key in self.members
        again = member is not None or (doubt is not None and inside and wish)
        if not again and wish == inside:
            return
        op = "join" if wish else "part"
        cause, resting = self._cause(key, op, wish, now, doubted=again)
        if not resting and not (wish and body is not None and rests):
            yield op, Sent(cause)

    def _body(self, key: str, record: Record) -> Mapping[str, object] | None:
        before, doubt = self.snap.get(key), self.records.get(key)
        known = {*(before or ()), *(doubt.touched if doubt else ())}
        whole = {name: record.get(name) for name in {*record, *known}}
        if before is None or doubt is not None:
            return whole
        return {name: value for name, value in whole.items() if value != before.get(name)} or None

    def _gone(self, key: str, now: float) -> Iterator[tuple[str, Sent]]:
        ends = {"part": (self.members, self.memberships), "leave": (self.snap if self.deletes else (), self.records)}
        for op, (there, doubts) in ends.items():
            cause, rests = self._cause(key, op, False, now, doubted=key in doubts)
            if not rests and (key in there or (key in doubts and (self.deletes or op == "part"))):
                yield op, Sent(cause)

    def _cause(self, key: str, op: str, what: object, now: float, *, doubted: bool) -> tuple[str, bool]:
        """Return why a change is sent, and whether it rests."""
        earlier = self.refused.get((key, op))
        again = earlier is not None and earlier[0] == what
        rests = again and earlier is not None and now < earlier[1] + WEEK
        return "retry" if doubted or earlier is not None else "data", rests

    # --- what a run came to -------------------------------------------------------------------------------------------

    def settle(
        self, model: Mapping[str, Record], sent: Mapping[Name, Sent], status: Mapping[Name, str], at: float
    ) -> None:
        """Take a run's outcomes (of changes without a call, too); it began ``at``."""
        self.settled |= {o for (_, op), o in status.items() if op == "upsert"} <= {*DONE, "rejected"}
        for (key, op), outcome in status.items():
            if outcome in DONE:
                self._done(key, op, model)
        for key in {key for key, _ in status}:
            mine = {op: outcome for (one, op), outcome in status.items() if one == key}
            self._doubts(self.records, key, {op: mine[op] for op in mine if op in {"upsert", "leave"}}, mine, sent, at)
            self._doubts(self.memberships, key, {op: mine[op] for op in mine if op in {"join", "part"}}, mine, sent, at)

    def _done(self, key: str, op: str, model: Mapping[str, Record]) -> None:
        if op == "upsert":
            self.snap[key] = model[key]
        elif op == "join":
            self.members.add(key)
        else:
            self.members.discard(key)
            if op == "leave":
                self.snap.pop(key, None)

    def _doubts(
        self,
        doubts: dict[str, Doubt],
        key: str,
        kind: Mapping[str, str],
        every: Mapping[str, str],
        sent: Mapping[Name, Sent],
        at: float,
    ) -> None:
        doubt = doubts.get(key)
        for op, outcome in kind.items():
            if outcome == "unknown":
                body = sent[key, op].body or {}
                touched = {name for name, value in body.items() if value is not None}
                doubts[key] = Doubt(at, touched | (doubt.touched if doubt else set()))
            elif doubt is not None and at >= doubt.since + LATE and all(one in DONE for one in every.values()):
                del doubts[key]

    def refusals(self, model: Mapping[str, Record], status: Mapping[Name, str], now: float) -> None:
        """Remember what was refused, and forget refusals of what was done."""
        for (key, op), outcome in status.items():
            if outcome == "rejected":
                self.refused[key, op] = (model.get(key) if op == "upsert" else op == "join", now)
            elif outcome in DONE:
                self.refused.pop((key, op), None)

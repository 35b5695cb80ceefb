"""What the rows that differ come to, said once more in Python: keys as tuples, tables as lists of tuples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from revetl.diff.shape import Shape, Slot
from revetl.types import CONSENT, OnNull, Write
from tests.unit.diff.picked import among, norm

Key = tuple[int, str]
Row = Mapping[str, Any]


def text(key: Key) -> str:
    """Return a key as state spells it."""
    return f'[{key[0]},"{key[1]}"]'


@dataclass
class World:
    """What models and state hold: records by key, memberships by key and cohort, and requests of unknown outcome."""

    shape: Shape
    wanted: Mapping[Key, Row]
    held: Mapping[Key, Row]
    wishes: Mapping[tuple[Key, str], Row]
    members: Mapping[tuple[Key, str], Row]
    lost: Sequence[Any]  # of this sync
    remote: Mapping[str, tuple[str, bool]]
    everybody: Mapping[Key, Row]
    asked: frozenset[Key] | None = None
    doubt: bool = True
    mchg: dict[tuple[Key, str], dict[str, Any]] = field(default_factory=dict)

    def read(self, key: Key) -> bool:
        """Return whether a key is read."""
        return self.asked is None or key in self.asked

    def known(self, key: Key) -> bool:
        """Return whether a record is known; by a partial read, of those that are read."""
        return key in self.held and self.read(key)

    def stands(self, key: Key, column: str) -> Any:
        """Return what state has of a record."""
        return self.held[key][column] if key in self.held else None

    def wants(self, key: Key, column: str) -> Any:
        """Return what the models have of it."""
        return self.wanted[key][column] if key in self.wanted else None

    def at(self, match: str | None) -> str | None:
        """Return where a match value stands."""
        return match if self.shape.normalise == "exact" else norm(match)

    def place(self, key: Key) -> str | None:
        """Return the identity at which a record is to stand."""
        return self.at(self.wants(key, "m"))

    def stood(self, key: Key) -> str | None:
        """Return the identity at which it stands."""
        return self.at(self.stands(key, "m"))

    def moving(self, key: Key) -> bool:
        """Return whether it comes, goes or is renamed."""
        return self.place(key) != self.stood(key)

    # --- doubts -------------------------------------------------------------------------------------------------------

    @cached_property
    def pend(self) -> dict[Key, dict[str, Any]]:
        """Return records of unknown outcome, with what whoever shares an identity with them may have been told."""
        records = [p for p in self.lost if self.doubt and p.op in {"identity", "upsert", "leave"}]
        found: dict[Key, dict[str, Any]] = {}
        for p in records:
            for i in p.near:
                one = found.setdefault(p.id, {"tried": p.tried, "touched": [], "linked": []})
                for q in records:
                    for _ in range(q.near.count(i)):
                        one["touched"] += q.touched
                        one["linked"] += q.linked or []
        return found

    @cached_property
    def near(self) -> list[tuple[Key, str, str | None, str]]:
        """Return identities that lost requests may still change."""
        return [(p.id, p.op, p.cohort, i) for p in self.lost if self.doubt for i in p.near]

    def doubtful(self, i: str | None) -> bool:
        """Return whether what stands at an identity may yet change."""
        return among(i, {i for _, op, _, i in self.near if op != "join"})

    # --- records ------------------------------------------------------------------------------------------------------

    def differs(self, key: Key) -> bool:
        """Return whether a record is another than state has it."""
        columns = ["m", *self.shape.fs]
        same = all(self.wants(key, one) == self.stands(key, one) for one in columns)
        waits = any(self.wants(key, w) is not None for w in self.shape.ws)
        return self.shape.resend or not same or waits or (key in self.wanted) != self.known(key)

    @cached_property
    def changed(self) -> dict[Key, tuple[bool, bool]]:
        """Return keys that differ or are in doubt: wanted, known."""
        read = [key for key in self.held if self.read(key)]
        found = {key: (key in self.wanted, self.known(key)) for key in [*self.wanted, *read] if self.differs(key)}
        for key in self.wanted:
            if key not in found and self.doubtful(self.place(key)):
                found[key] = True, key in self.held
        for key in self.pend:
            if key not in found and self.read(key):
                found[key] = key in self.wanted, key in self.held
        return found

    @cached_property
    def met(self) -> list[tuple[Key, Key, int]]:
        """Return changed keys with others at the identity that they come to, stay at (0), or move away from (1)."""
        found = []
        for x in self.changed:
            places = [(self.place(x), 0)] + ([(self.stood(x), 1)] if x in self.wanted else [])
            for i, n in places if self.moving(x) else []:
                found += [(x, h, n) for h in self.held if h != x and among(i, {self.stood(h)})]
            if x in self.wanted and not self.moving(x):
                found += [(x, h, 0) for h in self.changed if h != x and among(self.place(x), {self.stood(h)})]
        return found

    @property
    def meets(self) -> bool:
        """Return whether anybody meets anybody."""
        return bool(self.met)

    @cached_property
    def stay(self) -> set[Key]:
        """Return unchanged records from whose identity another moves away."""
        return {h for _, h, n in self.met if n == 1 and h in self.wanted and h not in self.changed}

    def rivals(self, key: Key) -> list[tuple[int, Key]]:
        """Return whom a key met, and in which order what they have counts."""
        turned = [(2, x) for x, h, n in self.met if n == 1 and h == key]
        return sorted([(n, h) for x, h, n in self.met if x == key] + [one for one in turned if one[1] in self.held])

    def theirs(self, key: Key, column: str) -> set[Any]:
        """Return what whoever a key met may have had in a column: the first that had something."""
        there = [(n, self.held[h][column]) for n, h in self.rivals(key) if self.held[h][column] is not None]
        return {value for n, value in there if n == there[0][0]} or {None}

    @cached_property
    def delta(self) -> list[tuple[Key, bool, bool]]:
        """Return the keys of ``delta``: wanted, known."""
        return [(key, *sides) for key, sides in self.changed.items()] + [(key, True, True) for key in self.stay]

    def before(self, key: Key, slot: Slot) -> set[Any]:
        """Return what counts as delivered in a field: one of these."""
        own = self.stands(key, f"f{slot.ordinal}")
        return {own} if own is not None else self.theirs(key, f"f{slot.ordinal}")

    def others(self, key: Key) -> list[Key]:
        """Return whose lost requests named the identity at which a key is to stand, as often as they did."""
        i = self.place(key)
        return [k for k, p in self.pend.items() for t in p["tried"] or [] if among(t["i"], {i})]

    def over(self, key: Key) -> bool:
        """Return whether a key takes an identity over."""
        return bool(self.rivals(key)) or any(other != key for other in self.others(key))

    def pends(self, key: Key) -> bool:
        """Return whether a key is in doubt."""
        return key in self.pend or self.doubtful(self.place(key))

    def told(self, key: Key, what: str) -> list[Any]:
        """Return what lost requests may have touched or linked."""
        own = self.pend[key][what] if key in self.pend else []
        return [*own, *(one for other in self.others(key) for one in self.pend[other][what])]

    def rest(self, x: Any) -> bool:
        """Return whether nothing of the record of a row of ``delta`` is to be written."""
        if self.shape.resend or not x.known or x.pend or x.over or x.m != x.sm:
            return False
        return all(_unwritten(x, slot) for slot in self.shape.slots if not (slot.link or slot.write is Write.CREATE))

    @cached_property
    def olds(self) -> dict[tuple[Key, str | None, str | None], bool]:
        """Return where changed records stand or may stand: whether another is known to stand there by now."""
        found = {}
        for key, _, known in self.delta:
            for t in (self.pend[key]["tried"] or []) if key in self.pend else []:
                found[key, t["m"], t["i"]] = any(h != key and among(t["i"], {self.stood(h)}) for h in self.held)
            if known and self.stands(key, "m") is not None:
                found[key, self.stands(key, "m"), self.stood(key)] = False
        return found

    def arrives(self, key: Key, *, known: bool) -> bool:
        """Return whether a wanted record of ``delta`` is not where it stands by all that is certain."""
        return not known or self.moving(key) or self.pends(key)

    @cached_property
    def collide(self) -> set[str]:
        """Return identities that two wanted records claim, one of which arrives there."""
        come = {self.place(key) for key, wanted, known in self.delta if wanted and self.arrives(key, known=known)}
        places = [self.place(key) for key in self.wanted]
        return {i for i in places if i is not None and i in come and places.count(i) > 1}

    def left(self) -> set[str | None]:
        """Return identities of who leaves."""
        gone = {key for key, wanted, _ in self.delta if not wanted}
        return {i for key, _, i in self.olds if key in gone}

    @cached_property
    def strangers(self) -> dict[Key, str]:
        """Return records that were not read, at identities that are of concern."""
        if self.asked is None:
            return {}
        places = {self.place(key) for key, wanted, _ in self.delta if wanted} | {i for _, _, i in self.olds}
        there = {key: self.stood(key) for key in self.held if key not in self.asked}
        return {key: i for key, i in there.items() if i is not None and i in places}

    def holders(self) -> set[tuple[Key, str | None]]:
        """Return records that hold an identity of who leaves."""
        left = self.left()
        mine = {(key, self.place(key)) for key in self.wanted if among(self.place(key), left)}
        return mine | {(key, i) for key, i in self.strangers.items() if i in left}

    def beyond(self) -> set[Key]:
        """Return records that would take an identity of one that was not read."""
        taken = set(self.strangers.values())
        come = [key for key, wanted, known in self.delta if wanted and self.arrives(key, known=known)]
        return {key for key in come if among(self.place(key), taken)}

    # --- memberships --------------------------------------------------------------------------------------------------

    def memberships(self) -> None:
        """Find all memberships that begin, end or are asserted again."""
        shape = self.shape
        known = {one: row for one, row in self.members.items() if one[1] in shape.cohorts and self.read(one[0])}
        for one in {**self.wishes, **known}:
            new, old = self.wishes.get(one), known.get(one)
            same = new is not None and old is not None and all(new[m] == old[m] for m in shape.ms)
            again = shape.resend and new is not None and one[1] == "gold" and bool(shape.memberships)
            if not same or again:
                self.mchg[one] = {"wish": new is not None, "pend": False, "tried": None, "member": old is not None,
                                  "touched": []} | self._carried(new) | self._carried(old, "b")  # fmt: skip
        if self.meets or self.doubt:
            self._taken_over()
        if self.doubt:
            self._in_doubt()

    def _carried(self, row: Row | None, letter: str = "f") -> dict[str, Any]:
        return {f"{letter}{m[1:]}": None if row is None else row[m] for m in self.shape.ms}

    def _add(self, one: tuple[Key, str], *, pend: bool, touched: Any, tried: Any = None) -> None:
        wish = self.wishes.get(one)
        self.mchg.setdefault(
            one,
            {"wish": wish is not None, "pend": pend, "tried": tried, "member": False, "touched": touched}
            | self._carried(wish)
            | self._carried(None, "b"),
        )

    def _taken_over(self) -> None:
        overs = {key for key, wanted, _ in self.delta if wanted and self.over(key)}
        ended = {(x, cohort) for x, h, n in self.met if n == 1 for k, cohort in self.members if k == h}
        for one in self.wishes:
            if one[0] in overs:
                self._add(one, pend=False, touched=[])
        for one in ended - set(self.wishes):
            if not one[1].startswith(CONSENT):
                self._add(one, pend=False, touched=[])

    def _in_doubt(self) -> None:
        lost = [p for p in self.lost if p.op in {"join", "part"}]
        for p in lost:
            if (one := (p.id, p.cohort)) in self.mchg:
                self.mchg[one] |= {"pend": True, "tried": p.tried, "touched": p.touched}
        for p in lost:
            if self.read(p.id):
                self._add((p.id, p.cohort), pend=True, touched=p.touched, tried=p.tried)
        nearby = list(self._nearby())
        for key, _, _, _ in nearby:
            for one in self.wishes:
                if one[0] == key:
                    self._add(one, pend=True, touched=None)
        carried = {(key, cohort) for key, _, _, cohort in nearby if cohort is not None}
        carried |= {(key, c) for key, other, op, _ in nearby if op != "join" for k, c in self.members if k == other}
        for one in carried - set(self.wishes):
            self._add(one, pend=True, touched=None)

    def _nearby(self) -> Iterator[tuple[Key, Key, str, str | None]]:
        """Yield who holds, or held, an identity in doubt, and whose doubt it is."""
        places = [(key, self.place(key)) for key in self.wanted]
        places += [(key, i) for key, _, i in self.olds if key in self.wanted]
        for key, i in places:
            for other, op, cohort, at in self.near:
                if i == at and (op != "join" or other != key):
                    yield key, other, op, cohort

    def takes(self) -> set[tuple[str | None, str]]:
        """Return memberships that whoever stands at the identity of one who is wanted no more has."""
        gone = {self.last(one) for one in self.mchg if one[0] not in self.wanted}
        mine = {(self.place(key), cohort) for key, cohort in self.wishes if among(self.place(key), gone)}
        return mine | {(self.strangers[key], cohort) for key, cohort in self.members if key in self.strangers}

    def last(self, one: tuple[Key, str]) -> str | None:
        """Return the identity at which a member stands, or may stand."""
        tried = self.mchg[one]["tried"]
        stood = self.stands(one[0], "m")
        return self.at(stood if stood is not None else tried[0]["m"] if tried else None)

    def carried(self, one: tuple[Key, str]) -> list[int]:
        """Return which fields memberships of others carried to where a member comes."""
        if not self.mchg[one]["wish"]:
            return []
        i, stored = self.place(one[0]), [m for slot, m in zip(self.shape.memberships, self.shape.ms, strict=True)
                                         if slot.stored]  # fmt: skip
        found: list[int] = []
        for (key, cohort), row in self.members.items():
            if key != one[0] and cohort == one[1] and key in self.held and among(i, {self.stood(key)}):
                found += [int(m[1:]) for m in stored if row[m] is not None]
        for p in self.lost:
            if self.doubt and p.op in {"join", "part"} and p.id != one[0] and p.cohort == one[1]:
                found += [n for t in p.tried or [] if among(t["i"], {i}) for n in p.touched]
        return found


def _unwritten(x: Any, slot: Slot) -> bool:
    wanted, stands = getattr(x, f"f{slot.ordinal}"), getattr(x, f"b{slot.ordinal}")
    clears = slot.on_null is OnNull.CLEAR and slot.write is not Write.IF_EMPTY
    return bool(wanted == stands or (wanted is None and not clears))

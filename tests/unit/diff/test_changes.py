"""Every change that rows in ``delta`` and ``mchg`` make, said once more in Python and asked of a thousand rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest

from revetl.diff import changes
from revetl.diff.shape import Shape, Slot
from revetl.types import OnLeave, OnNull, Write
from tests.unit.diff.picked import (
    CARRIED,
    FIRM,
    LINKS,
    MAILS,
    NO,
    SLOTS,
    Picker,
    among,
    blank,
    keyed,
    mostly,
    norm,
    ordered,
    pick,
    planned,
    shaped,
    yes,
)

NUMBER = 600
COLLIDES = ("b@x.org", "d@x.org")
SHAPES = {
    "partial": shaped(),
    "whole": shaped(partial=False),
    "again": shaped(resend=True),
    "again whole": shaped(partial=False, resend=True),
    "no links": shaped(slots=SLOTS),
    "no links whole": shaped(slots=SLOTS, partial=False, memberships=(), consent=None),
    "no consent": shaped(consent=None),
}


def values(slots: tuple[Slot, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """Return columns of what is wanted and of what was acknowledged, which is the same more often than not."""
    wanted = {f"f{slot.ordinal}": pick("x", "x", "y", None) for slot in slots}
    return wanted, {f"b{f[1:]}": mostly(f, pick("x", "y", None)) for f in wanted}


def mail() -> str:
    """Return SQL of a match value, if any."""
    return pick(None, "a@x.org", "B@x.org", "c@x.org", "", "  ")


def fill(picker: Picker, shape: Shape) -> None:
    """Make all tables that changes are made of."""
    fields, before = values(shape.slots)
    picker.make(
        "delta_1", NUMBER, **keyed(), wanted=yes(80), known=yes(70), m=pick(*MAILS),
        sm=mostly("m", pick(*MAILS), 40), i="lower(trim(m))", si="lower(trim(sm))", **fields, **before,
        **{w: pick(None, None, None, "[1]", "[2]", "[3]") for w in shape.ws}, pend=yes(20), over=yes(20), rest=yes(),
        remote_id=pick("r1", None), created=pick(1, 0, None) + "::BOOLEAN",
        touched=f"CASE WHEN {yes()} THEN [{pick(1, 2, 3)}, {pick(0, 4, 6)}]::INTEGER[] END",
    )  # fmt: skip
    picker.run(["DELETE FROM delta_1 WHERE k0 % 5 = 4"])
    picker.make("olds_1", 2 * NUMBER, **keyed(f"n % {NUMBER}"), m=pick(*MAILS[:6]), i="lower(trim(m))", taken=yes(20))
    picker.make("collide_1", 2, i=f"['{COLLIDES[0]}', '{COLLIDES[1]}'][n + 1]")
    picker.make("holders_1", 1, i="'c@x.org'")
    picker.make("takes_1", 2, i="['a@x.org', 'c@x.org'][n + 1]", cohort="['gold', 'risky'][n + 1]")
    picker.run(["DELETE FROM coming; INSERT INTO coming VALUES ('sim.firm', '[1]'), ('sim.other', '[2]')"])
    carried, held = values(shape.memberships)
    picker.make(
        "who_1", NUMBER, **keyed(), cohort=pick("gold", "risky", NO), wish=yes(), pend=yes(20), member=yes(), **carried,
        tried=f"CASE WHEN {yes()} THEN [{{'m': {mail()}, 'i': {mail()}}}] END", wanted=yes(), m=mail(), sm=mail(),
        **held, em=mail(), gone=yes(), astray=yes(20),
    )  # fmt: skip
    picker.put("remote", 150, sync=f"['{shape.sync}', 'sim.other'][1 + n % 2]", remote_id="'r' || n",
               key=keyed("n // 2")["key"], created=pick(1, 0) + "::BOOLEAN")  # fmt: skip


class Said:
    """What the rule of delivery says of rows of a shape."""

    def __init__(self, shape: Shape, scope: str = "created", leave: OnLeave = OnLeave.DELETE) -> None:
        """Say it of this shape, and of whoever leaves."""
        self.shape, self.scope, self.leave = shape, scope, leave

    def full(self, x: Any) -> bool:
        """Every field goes: of who is new or doubtful; of records that go whole, unless nothing is to be written."""
        if self.shape.resend:
            return True
        return not x.known or x.pend or x.over if self.shape.partial else not x.rest

    def sends(self, slot: Slot, x: Any) -> bool:
        """A field goes where it has a value that is another or must be said again, or a null to clear."""
        f, b = after(x, slot), before(x, slot)
        fresh = not x.known or x.pend or x.over
        moved = x.known and not x.pend and not x.over and x.i != x.si
        value = f is not None and ((self.full(x) if slot.link is None else fresh) or f != b)
        if slot.ordinal == 0 and self.shape.partial and moved:
            value = False
        if slot.write is Write.CREATE:
            value = f is not None and not x.known and x.remote_id is None and x.created is None
        clears = slot.on_null is OnNull.CLEAR and slot.write is not Write.IF_EMPTY
        return value or (clears and f is None and (b is not None or slot.ordinal in (x.touched or ())))

    def writes(self, x: Any) -> bool:
        """Any field goes."""
        return any(self.sends(slot, x) for slot in self.shape.slots)

    def hopes(self, x: Any, *, settled: bool = False) -> bool:
        """A link waits for a record that this run means to write; ``settled``: one that was mapped before."""
        links = [slot for slot in self.shape.links if not (settled and slot.fresh)]
        return any(getattr(x, f"w{slot.ordinal}") == "[1]" for slot in links)

    def cause(self, x: Any) -> str:
        """A doubt, a value of a field that was mapped before, or a field that is mapped anew."""
        old = any(after(x, slot) != before(x, slot) for slot in self.shape.slots if not slot.fresh)
        if x.pend:
            return "retry"
        if not x.known or old or x.m != x.sm or self.hopes(x, settled=True):
            return "data"
        return "retry" if x.over else "mapping"

    def idle(self, x: Any) -> bool:
        """It is there only since a link waits, for nothing of this run."""
        stands = x.known and not x.pend and not x.over and x.m == x.sm
        same = all(after(x, slot) == before(x, slot) for slot in self.shape.slots)
        return bool(self.shape.links) and not self.shape.resend and stands and same and not self.hopes(x)

    def records(self, delta: list[Any], olds: list[Any]) -> Iterator[tuple[Any, ...]]:
        """Yield changes of records: op, key, cause, m, i, bm, bi, remote, local, code, hope, implied."""
        for x in delta:
            there, doubt = (x.remote_id, x.created), "retry" if x.pend else "data"
            code = "MATCH_COLLISION" if among(x.i, COLLIDES) else None
            old = [o for o in olds if o.key == x.key]
            if not x.wanted:
                for o in old:
                    yield ("leave", x.key, doubt, o.m, o.i, None, None, *there, self.leaves(x, o), None, None, None)
            elif not blank(x.m):
                for o in old:
                    if o.i != x.i and not o.taken:
                        yield ("identity", x.key, doubt, x.m, x.i, o.m, o.i, *there, None, code, None, None)
                if not self.idle(x):
                    yield ("upsert", x.key, self.cause(x), x.m, x.i, None, None, *there, *self.upsert(x, code))

    def upsert(self, x: Any, code: str | None) -> tuple[Any, ...]:
        """Return how an upsert goes: local, code, hope, implied."""
        nothing = x.known and not x.pend and not self.writes(x)
        hope = (nothing and self.hopes(x)) or None
        local = "quiet" if nothing and not code and not hope else None
        rest = all(after(x, slot) == before(x, slot) for slot in self.shape.slots if slot.ordinal)
        moved = x.known and not x.pend and not x.over and x.i != x.si
        implied = not self.shape.partial and moved and x.remote_id is not None and rest and not self.hopes(x)
        return local, code, hope, implied or None

    def leaves(self, x: Any, o: Any) -> str | None:
        """Return why a record is let go of without a call."""
        if o.i == "c@x.org":
            return "handed_over"
        if self.leave is OnLeave.KEEP:
            return "kept"
        ours = self.leave is OnLeave.CLEAR or self.scope == "all" or x.created
        return None if ours else "not_ours"

    def memberships(self, who: list[Any], delta: list[Any], remote: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        """Yield changes of memberships: op, key, cohort, cause, m, i, remote, local, code, early."""
        for w in who:
            key = f'[{w.k0},"{w.k1}"]'
            no, first = w.cohort == NO, not w.wanted or (w.sm is not None and not w.astray)
            tried = w.tried[0]["m"] if w.tried else None
            stood = tried if w.sm is None else w.sm
            match = w.m if w.wanted else stood
            if no and first:
                match = next((one for one in (w.sm, w.em, tried) if one is not None), None)
            wish = w.wish or (no and w.pend and w.gone)
            taken = not w.wanted and (norm(stood), w.cohort) in {("a@x.org", "gold"), ("c@x.org", "risky")}
            local = "forgotten" if no and not wish else "handed_over" if taken else "nobody" if match is None else None
            code = "PREDECESSOR" if w.wish and among(norm(w.m), COLLIDES) and not (no and first) else None
            early = no and first and self.shape.consent is not None
            if not w.wanted or not blank(w.m) or no:
                yield ("join" if wish else "part", key, w.cohort, self.why(w), match, norm(match),
                       *remote.get(key, (None, None)), local, code, (wish and early) or None)  # fmt: skip
            for x in delta if w.wish and early else ():
                if x.key == key and x.wanted and x.known and x.over and x.i != x.si and not blank(x.m):
                    code = "PREDECESSOR" if among(x.i, COLLIDES) else None
                    yield ("join", key, w.cohort, self.why(w), x.m, x.i, x.remote_id, x.created, None, code, None)

    def why(self, w: Any) -> str:
        """Return the cause of a membership."""
        new = any(after(w, slot) != before(w, slot) for slot in self.shape.memberships if slot.fresh)
        old = any(after(w, slot) != before(w, slot) for slot in self.shape.memberships if not slot.fresh)
        return "retry" if w.pend else "mapping" if w.wish and w.member and new and not old else "data"


def after(x: Any, slot: Slot) -> Any:
    """Return the value that is wanted."""
    return getattr(x, f"f{slot.ordinal}")


def before(x: Any, slot: Slot) -> Any:
    """Return the value that was acknowledged."""
    return getattr(x, f"b{slot.ordinal}")


def tables(picker: Picker) -> tuple[list[SimpleNamespace], list[SimpleNamespace], list[SimpleNamespace]]:
    """Return delta, olds and who."""
    delta, olds, who = (picker.rows(f"SELECT * FROM {name}_1") for name in ("delta", "olds", "who"))
    return delta, olds, who


RECORDS = "op, key, cause, m, i, bm, bi, remote_id, created, local, code, hope, implied"
MEMBERS = "op, key, cohort, cause, m, i, remote_id, created, local, code, early"


@pytest.mark.parametrize("name", SHAPES)
def test_changes_are_what_the_rule_says(picker: Picker, name: str) -> None:
    """Of each row: which changes it makes, why, at which identity, and which need no call or may not go."""
    shape = SHAPES[name]
    fill(picker, shape)
    delta, olds, who = tables(picker)
    picker.run(changes.statements(planned(on_leave=OnLeave.DELETE), shape, moves=True, members=True))
    said = Said(shape)
    remote = picker.rows(f"SELECT * FROM revetl_state.remote WHERE sync = '{shape.sync}'")
    ids = {one.key: (one.remote_id, one.created) for one in remote}
    records = picker.tuples(f"SELECT {RECORDS} FROM changes_1 WHERE op NOT IN ('join', 'part')")
    members = picker.tuples(f"SELECT {MEMBERS} FROM changes_1 WHERE op IN ('join', 'part')")
    assert records == ordered(said.records(delta, olds))
    assert members == ordered(said.memberships(who, delta, ids))
    verdicts = {"MATCH_COLLISION": ("rejected", "two records of the model have this match value"),
                "PREDECESSOR": ("waiting", "the record itself was rejected"), None: (None, None)}  # fmt: skip
    told = picker.con.execute("SELECT DISTINCT code, verdict, reason FROM changes_1").fetchall()
    assert all(verdicts[code] == (verdict, reason) for code, verdict, reason in told)
    assert len(told) == len(verdicts)


def test_whoever_leaves_goes_as_the_plan_says(picker: Picker) -> None:
    """Kept, let go of without a call where revetl did not make it, and handed over where another took its place."""
    shape = SHAPES["no links"]
    fill(picker, shape)
    delta, olds, _ = tables(picker)
    gone = [x for x in delta if not x.wanted]
    for leave, scope in product(OnLeave, ("created", "all")):
        picker.run([changes.create(shape), changes.leaves(planned(on_leave=leave, on_leave_scope=scope), shape)])
        expected = ordered(Said(shape, scope, leave).records(gone, olds))
        assert picker.tuples(f"SELECT {RECORDS} FROM changes_1") == expected


def test_only_what_may_be_there_is_looked_for(picker: Picker) -> None:
    """Where nobody moves there are no renames and no leaves; where no membership changes, none of those."""
    shape = SHAPES["whole"]
    fill(picker, shape)
    for moves, members, ops in (
        (False, False, {"upsert"}),
        (True, False, {"upsert", "identity", "leave"}),
        (False, True, {"upsert", "join", "part"}),
    ):
        picker.run(changes.statements(planned(), shape, moves=moves, members=members))
        assert {op for (op,) in picker.tuples("SELECT DISTINCT op FROM changes_1")} == ops
        assert bool(picker.tuples("SELECT 1 FROM changes_1 WHERE implied")) is moves


@pytest.mark.parametrize("name", ["partial", "whole", "again"])
def test_which_fields_go(picker: Picker, name: str) -> None:
    """Of each row and field: whether it is part of the call, links and memberships' fields included."""
    shape = SHAPES[name]
    fill(picker, shape)
    delta, _, who = tables(picker)
    sent = ", ".join(f"{changes.sends(slot, shape)} AS s{slot.ordinal}" for slot in shape.slots)
    said = Said(shape)
    found = picker.con.execute(f"SELECT {sent} FROM delta_1 x").fetchall()
    assert found == [tuple(said.sends(slot, x) for slot in shape.slots) for x in delta]
    if not shape.memberships:
        return
    picker.run(["ALTER TABLE who_1 ADD COLUMN touched INTEGER[]; UPDATE who_1 SET touched = [8, 9] WHERE k0 % 2 = 0"])
    who = picker.rows("SELECT * FROM who_1")
    carried = ", ".join(changes.sends_member(slot) for slot in CARRIED)
    found = picker.con.execute(f"SELECT {carried} FROM who_1 y").fetchall()
    assert found == [
        (gold and (y.f8 is not None or y.b8 is not None or y.touched is not None), gold and y.f9 is not None)
        for y, gold in ((y, y.cohort == "gold") for y in who)
    ]


def test_who_may_be_linked_to_and_who_waits(picker: Picker) -> None:
    """Records that this run means to write are noted; links without an id are told with what they wait for."""
    shape = SHAPES["partial"]
    fill(picker, shape)
    delta, _, _ = tables(picker)
    picker.run(changes.statements(planned(), shape, moves=True, members=True))
    going = picker.tuples("SELECT sync, key FROM coming")
    going += [(shape.sync, x.key) for x in picker.rows("SELECT * FROM changes_1")
              if x.op == "upsert" and x.local is None and x.verdict is None]  # fmt: skip
    picker.run([changes.coming(shape)])
    assert picker.tuples("SELECT sync, key FROM coming") == ordered(going)
    expected = [
        (x.key, slot.field, FIRM, getattr(x, f"w{slot.ordinal}"))
        for x in delta
        for slot in LINKS
        if x.wanted and getattr(x, f"w{slot.ordinal}") is not None
    ]
    assert picker.tuples(changes.awaited(shape)) == ordered(expected)

"""Every table between the models and the changes, made of picked rows, against what :mod:`reckoned` says of them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from revetl.diff import delta, meeting, stirring
from revetl.diff.shape import Shape
from revetl.diff.stirring import Stir
from tests.unit.diff.picked import (
    CARRIED,
    LINKS,
    MAILS,
    NO,
    SLOTS,
    Picker,
    keyed,
    mostly,
    ordered,
    pick,
    shaped,
    yes,
)
from tests.unit.diff.reckoned import Key, World, text

NUMBER = 44
LATER = tuple(replace(slot, stored=slot.ordinal != 5) for slot in SLOTS)  # one field has no column yet
LATE = (CARRIED[0], replace(CARRIED[1], stored=False))
BASE = shaped(slots=LATER + LINKS, memberships=LATE)
SHAPES = {
    "partial": BASE,
    "whole": replace(BASE, partial=False),
    "again": replace(BASE, resend=True, partial=False),
    "exact": replace(BASE, normalise="exact", consent=None, partial=False),
    "some": replace(BASE, asked="asked_1"),
    "bare": replace(BASE, slots=LATER, memberships=(), consent=None, cohorts=("gold",)),
}


def fill(picker: Picker, shape: Shape, *, calm: bool) -> None:
    """Make models and state of the same keys; ``calm``: nobody comes, goes or is renamed."""
    mails = ("'m' || n || '@x.org'",) * 2 if calm else (pick(*MAILS), pick(*MAILS))
    both = {}
    for slot in (*SLOTS[1:], *LINKS):
        both[f"s{slot.ordinal}"] = pick("x", "x", "y", None)
        both[f"d{slot.ordinal}"] = mostly(f"s{slot.ordinal}", pick("x", "y", None))
    waits = {f"w{slot.ordinal}": pick(None, None, None, "[1]", "[2]") for slot in LINKS}
    picker.make("base", NUMBER, **keyed(), sm=mails[0], dm=mails[1] if calm else mostly("sm", mails[1]), **both,
                **waits, here="true" if calm else yes(80), there="true" if calm else yes(80), okay=yes(80))  # fmt: skip
    fields = ", ".join(f"{'dm' if not slot.ordinal else f'd{slot.ordinal}'} AS f{slot.ordinal}" for slot in shape.slots)
    ws = "".join(f", {w}" for w in shape.ws)
    every = f"SELECT k0, k1, dm AS m, {fields}{ws}, okay FROM base WHERE here"
    within = " AND (k0, k1) IN (SELECT (k0, k1) FROM asked_1)" if shape.asked else ""
    held = ", ".join(f"{'sm' if not slot.ordinal else f's{slot.ordinal}'} AS f{slot.ordinal}" for slot in shape.slots
                     if slot.stored)  # fmt: skip
    carried = {f"f{slot.ordinal}": pick("x", "x", None) for slot in shape.memberships}
    old = {f"b{f[1:]}": mostly(f, pick("x", "y")) for f in carried}
    picker.make("pairs", 2 * NUMBER, **keyed("n // 2"), cohort=f"['gold', 'risky', 'old', '{NO}'][CAST(1 + "
                f"hash(n) % 2 + 2 * (n % 2) AS INTEGER)]", **carried, **old, here=yes(60), there=yes(60))  # fmt: skip
    kept = "".join(f", b{slot.ordinal} AS f{slot.ordinal}" for slot in shape.memberships if slot.stored)
    picker.run([
        "CREATE OR REPLACE TEMP TABLE asked_1 AS SELECT k0, k1 FROM base WHERE k0 % 3 < 2",
        f"CREATE OR REPLACE TEMP TABLE everyone AS {every}{within}",
        "CREATE OR REPLACE TEMP TABLE wanted AS SELECT * FROM everyone WHERE k0 % 7 < 6",
        "CREATE OR REPLACE TEMP TABLE wishes AS SELECT k0, k1, "
        f"{''.join(f'f{slot.ordinal}, ' for slot in shape.memberships)}cohort FROM pairs WHERE here "
        "AND cohort <> 'old' AND (k0, k1) IN (SELECT (k0, k1) FROM wanted)",
        "DROP TABLE IF EXISTS revetl_state.snap_1; DROP TABLE IF EXISTS revetl_state.members_1",
        f"CREATE TABLE revetl_state.snap_1 AS SELECT k0, k1, sm AS m, {held} FROM base WHERE there",
        f"CREATE TABLE revetl_state.members_1 AS SELECT k0, k1, cohort{kept} FROM pairs WHERE there",
    ])  # fmt: skip
    near = ", ".join(pick("a@x.org", "b@x.org", "c@x.org", "d@x.org") for _ in range(2))
    tried = ", ".join(f"{{'m': {pick('A@x.org', 'b@x.org', 'd@x.org', of='k')}, 'i': "
                      f"{pick('a@x.org', 'b@x.org', 'd@x.org', of='k')}}}" for _ in range(2))  # fmt: skip
    picker.make(
        "lost", 24, k=f"CASE WHEN n < 12 THEN (n % 9) * 5 ELSE n * 3 END % {NUMBER}", **keyed("k"),
        sync=f"['{shape.sync}', 'sim.other'][CAST(1 + hash(n) % 8 // 7 AS INTEGER)]",
        op="CASE WHEN n < 12 THEN ['identity', 'upsert', 'leave'][CAST(1 + n % 3 AS INTEGER)] "
           "ELSE ['join', 'part'][CAST(1 + n % 2 AS INTEGER)] END",
        cohort="CASE WHEN n >= 12 THEN ['gold', 'risky'][CAST(1 + n % 3 // 2 AS INTEGER)] END",
        touched=f"[{pick(1, 2, 4)}, {pick(3, 6, 8)}]", near=f"list_distinct([{near}])",
        tried=f"CASE WHEN k % 3 > 0 THEN [{tried}] END",
        linked=f"CASE WHEN {yes()} THEN [{{'n': 6, 'id': 'r' || n}}] END",
    )  # fmt: skip
    picker.run(["DELETE FROM revetl_state.pending", "INSERT INTO revetl_state.pending BY NAME "
                "SELECT sync, key, op, cohort, touched, tried, near, linked FROM lost"])  # fmt: skip
    picker.put("remote", 2 * NUMBER, sync=f"['{shape.sync}', 'sim.other'][1 + n % 2]", key=keyed("n // 2")["key"],
               remote_id="'r' || n", created=yes())  # fmt: skip


def world(picker: Picker, shape: Shape, *, doubt: bool) -> World:
    """Return what the tables hold."""
    late = [f"f{slot.ordinal}" for slot in (*shape.slots, *shape.memberships) if not slot.stored]

    def by_key(sql: str) -> dict[Key, dict[str, Any]]:
        return {(x.k0, x.k1): dict.fromkeys(late) | vars(x) for x in picker.rows(sql)}

    def by_member(sql: str) -> dict[tuple[Key, str], dict[str, Any]]:
        return {((x.k0, x.k1), x.cohort): dict.fromkeys(late) | vars(x) for x in picker.rows(sql)}

    lost = [SimpleNamespace(**vars(x), id=(x.k0, x.k1)) for x in picker.rows("SELECT * FROM lost")]
    remote = picker.rows(f"SELECT * FROM revetl_state.remote WHERE sync = '{shape.sync}'")
    asked = frozenset(picker.con.execute("SELECT k0, k1 FROM asked_1").fetchall()) if shape.asked else None
    return World(
        shape, by_key("SELECT * FROM wanted"), by_key("SELECT * FROM revetl_state.snap_1"),
        by_member("SELECT * FROM wishes"), by_member("SELECT * FROM revetl_state.members_1"),
        [x for x in lost if x.sync == shape.sync], {x.key: (x.remote_id, x.created) for x in remote},
        by_key("SELECT * FROM everyone"), asked, doubt,
    )  # fmt: skip


def find(picker: Picker, shape: Shape, *, doubt: bool) -> Stir:
    """Make the tables as a run does; return what is going on."""
    every = "SELECT * FROM everyone" if shape.consent else ""
    picker.run(delta.differences(shape, "SELECT * FROM wanted", "SELECT * FROM wishes", every, doubt=doubt))
    picker.run(meeting.pairs(shape))
    stir = Stir(doubt, *picker.con.execute(stirring.asked(shape)).fetchall()[0])
    picker.run(delta.details(shape, stir))
    return stir


def several(found: Any) -> list[Any]:
    """Return a list in an order of its own; None for nothing."""
    return sorted(found or [])


@pytest.mark.parametrize(
    ("name", "doubt"), [*((name, True) for name in SHAPES), *((name, False) for name in ("partial", "some", "bare"))]
)
def test_what_differs_is_what_the_rule_says(picker: Picker, name: str, *, doubt: bool) -> None:
    """Who changed, who meets whom, what counts as delivered, where each stands, and whose memberships are said."""
    shape = SHAPES[name]
    fill(picker, shape, calm=False)
    its = world(picker, shape, doubt=doubt)
    stir = find(picker, shape, doubt=doubt)
    records(picker, shape, its)
    its.memberships()
    assert (stir.meets, stir.moves, stir.members) == (True, True, True)
    members(picker, shape, its)


@pytest.mark.parametrize("case", ["calm", "members", "values"])
def test_where_nobody_moves_the_rest_is_the_same(picker: Picker, case: str) -> None:
    """Where nobody comes, goes, is renamed or in doubt, the tables for those are empty, and values are compared."""
    shape = SHAPES["partial"]
    fill(picker, shape, calm=True)
    if case != "members":
        picker.run(["DELETE FROM wishes; DELETE FROM revetl_state.members_1"])
    picker.run(["DELETE FROM wanted; INSERT INTO wanted SELECT * FROM everyone"])
    if case == "calm":
        picker.run([f"UPDATE wanted SET {', '.join(f'{w} = NULL' for w in shape.ws)}",
                    "UPDATE wanted SET f5 = NULL; DELETE FROM revetl_state.snap_1",
                    "INSERT INTO revetl_state.snap_1 BY NAME SELECT * EXCLUDE (f5, w6, w7, okay) "
                    "FROM wanted"])  # fmt: skip
    its = world(picker, shape, doubt=False)
    stir = find(picker, shape, doubt=False)
    assert (stir.meets, stir.moves, stir.members) == (False, False, case == "members")
    assert picker.con.execute(delta.differ(shape)).fetchall() == [(case != "calm",)]
    records(picker, shape, its)
    assert bool(its.delta) is (case != "calm")
    its.memberships()
    if case == "members":
        members(picker, shape, its)


def records(picker: Picker, shape: Shape, its: World) -> None:
    """Assert every table about records."""
    doubts = picker.rows("SELECT * FROM pend_1")
    assert {x.key for x in doubts} == {text(key) for key in its.pend}
    for x in doubts if its.doubt else ():
        told = its.pend[x.k0, x.k1]
        assert (several(x.touched), x.tried, len(x.linked)) == (
            several(told["touched"]),
            told["tried"],
            len(told["linked"]),
        )
    met = [(*x, *h, n) for x, h, n in its.met]
    assert picker.tuples("SELECT c0, c1, k0, k1, n FROM met_1") == ordered(met)
    changed = [(*key, *sides) for key, sides in its.changed.items()] + [(*key, True, True) for key in its.stay]
    assert picker.tuples("SELECT * FROM changed_1") == ordered(changed)
    rows = picker.rows("SELECT * FROM delta_1")
    assert ordered((x.k0, x.k1, x.wanted, x.known) for x in rows) == ordered(
        (*key, *sides) for key, *sides in its.delta
    )
    for x in rows:
        record(shape, its, x)
    olds = [(text(key), m, i, taken) for (key, m, i), taken in its.olds.items()]
    moving = its.doubt or any(its.moving(key) or not (wanted and known) for key, wanted, known in its.delta)
    assert picker.tuples("SELECT * FROM olds_1") == ordered(olds if moving else [])
    assert picker.tuples("SELECT * FROM collide_1") == ordered((i,) for i in its.collide)
    holders = [(*json.loads(key), i) for key, i in picker.tuples("SELECT * FROM holders_1")]
    assert ordered(holders) == ordered((*key, i) for key, i in its.holders())
    if shape.asked:
        assert picker.tuples("SELECT * FROM beyond_1") == ordered((text(key),) for key in its.beyond())
    judged = picker.con.execute(stirring.judged(shape)).fetchall()[0]
    arrives = any(not wanted or its.arrives(key, known=known) for key, wanted, known in its.delta)
    assert judged == (arrives, bool(picker.tuples("SELECT 1 FROM mchg_1")))
    assert picker.tuples(delta.count(shape)) == [(len(its.wanted),)]


def record(shape: Shape, its: World, x: Any) -> None:
    """Assert one row of ``delta``."""
    key = (x.k0, x.k1)
    assert x.key == text(key)
    assert (x.m, x.i, x.sm, x.si) == (its.wants(key, "m"), its.place(key), its.stands(key, "m"), its.stood(key))
    assert (x.remote_id, x.created) == its.remote.get(text(key), (None, None))
    assert (x.over, x.pend) == (its.over(key), its.pends(key))
    assert (several(x.touched), len(x.linked)) == (several(its.told(key, "touched")), len(its.told(key, "linked")))
    assert x.tried == (its.pend[key]["tried"] if key in its.pend else None)
    for slot in shape.slots:
        f, b = getattr(x, f"f{slot.ordinal}"), getattr(x, f"b{slot.ordinal}")
        assert b in its.before(key, slot)
        waits = slot.link is not None and its.wants(key, f"w{slot.ordinal}") is not None
        assert f == (b if waits else its.wants(key, f"f{slot.ordinal}"))
    assert [getattr(x, w) for w in shape.ws] == [its.wants(key, w) for w in shape.ws]
    assert shape.partial or x.rest == its.rest(x)
    assert not shape.consent or x.okay == its.wants(key, "okay")


def members(picker: Picker, shape: Shape, its: World) -> None:
    """Assert every table about memberships."""
    fields = [f"{letter}{m[1:]}" for m in shape.ms for letter in "fb"]
    columns = ["wish", "pend", "tried", "member", *fields]
    found = picker.rows("SELECT * FROM mchg_1")
    made = ordered([x.k0, x.k1, x.cohort, *(getattr(x, one) for one in columns)] for x in found)
    assert made == ordered([*key, cohort, *(row[one] for one in columns)] for (key, cohort), row in its.mchg.items())
    for x in found:
        key = (x.k0, x.k1)
        more = its.carried((key, x.cohort)) if shape.memberships else []
        assert several(x.touched) == several([*(its.mchg[key, x.cohort]["touched"] or []), *more])
    who = []
    for key, cohort in its.mchg:
        outside = (None, False, False)
        if shape.consent:
            outside = (its.everybody.get(key, {}).get("m"), key not in its.everybody, key in its.pend)
        who.append((*key, cohort, key in its.wanted, its.wants(key, "m"), its.stands(key, "m"), *outside))
    assert picker.tuples("SELECT k0, k1, cohort, wanted, m, sm, em, gone, astray FROM who_1") == ordered(who)
    takes = Counter(its.takes())
    assert Counter(picker.con.execute("SELECT DISTINCT i, cohort FROM takes_1").fetchall()) == takes


def test_a_first_sync_has_nothing_to_compare_with(picker: Picker) -> None:
    """Without tables of state every wanted record is new, and every membership begins."""
    shape = replace(SHAPES["partial"], stored=False)
    fill(picker, SHAPES["partial"], calm=False)
    its = replace(world(picker, shape, doubt=False), held={}, members={})
    picker.run(["DROP TABLE revetl_state.snap_1; DROP TABLE revetl_state.members_1"])
    stir = find(picker, shape, doubt=False)
    assert (stir.meets, stir.moves, stir.members) == (False, True, True)
    records(picker, shape, its)
    its.memberships()
    members(picker, shape, its)


@pytest.mark.parametrize(
    ("wanted", "known", "si", "pend", "moves", "judged"),
    [
        (True, True, "a", False, False, False),
        (False, True, "a", False, True, True),
        (True, False, "a", False, True, True),
        (True, True, "b", False, True, True),
        (True, True, None, False, True, True),
        (True, True, "a", True, False, True),
    ],
)
def test_each_of_these_moves(
    picker: Picker, wanted: bool, known: bool, si: str | None, pend: bool, moves: bool, judged: bool
) -> None:
    """Who comes, leaves or is renamed, one alone; once it is known who is in doubt, they do as well."""
    columns = (
        f"{wanted} AS wanted, {known} AS known, 'a' AS i, {'NULL' if si is None else repr(si)} AS si, {pend} AS pend"
    )
    picker.run([*(f"CREATE TEMP TABLE {name}_1 AS SELECT {columns}" for name in ("pair", "delta")),
                *(f"CREATE TEMP TABLE {name}_1 (n INTEGER)" for name in ("met", "mchg"))])  # fmt: skip
    for meets, members in ((False, False), (True, False), (True, True)):
        picker.run(["INSERT INTO met_1 VALUES (1)"] if meets else [])
        picker.run(["INSERT INTO mchg_1 VALUES (1)"] if members else [])
        assert picker.con.execute(stirring.asked(BASE)).fetchall() == [(meets, moves, members)]
        assert picker.con.execute(stirring.judged(BASE)).fetchall() == [(judged, members)]


@pytest.mark.parametrize("some", ["changed", "mchg", "mpend"])
def test_each_of_these_is_a_difference(picker: Picker, some: str) -> None:
    """A record, a membership, or a membership of which nobody knows what became of it."""
    picker.run([f"CREATE TEMP TABLE {name}_1 (n INTEGER)" for name in ("changed", "mchg", "mpend")])
    assert picker.tuples(delta.differ(BASE)) == [(False,)]
    picker.run([f"INSERT INTO {some}_1 VALUES (1)"])
    assert picker.tuples(delta.differ(BASE)) == [(True,)]


def test_where_nothing_is_there_are_tables_of_nothing(picker: Picker) -> None:
    """What later statements ask of a sync without differences, or without cohorts, is there and empty."""
    bare = replace(BASE, cohorts=())
    picker.run([delta.none(BASE), delta.member_changes(bare), *stirring.empty(bare, stirring.DOUBTS)])
    told = picker.con.execute("SELECT * FROM delta_1")
    assert [one[0] for one in told.description] == ["key", "wanted", "known", "m", "w6", "w7"]
    assert told.fetchall() == []
    expected = {"mchg": "k0 k1 cohort wish pend tried member touched", "pend": "k0 k1 key", "mpend": "k0 k1 cohort"}
    for name, columns in expected.items():
        told = picker.con.execute(f"SELECT * FROM {name}_1")
        assert ([one[0] for one in told.description], told.fetchall()) == (columns.split(), [])

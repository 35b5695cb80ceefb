"""Which changes may not go and in which order the rest goes, said once more in Python and asked of picked changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from revetl.diff import verdicts
from tests.unit.diff.picked import MAILS, NO, SLOTS, Picker, blank, keyed, ordered, pick, shaped, yes

NUMBER, KEYS = 400, 60
SHAPE = shaped(slots=SLOTS[:2])
NOW = "TIMESTAMPTZ '2026-11-20 12:00:00+00'"
OWN = "key, op, cohort, bi"
WAIT = ("waiting", "PREDECESSOR", "an earlier change that it depends on was rejected")
PLACES = "abcdefgh"


def fill(picker: Picker) -> list[SimpleNamespace]:
    """Pick changes, one per key, operation and cohort or old place; return them."""
    picker.make(
        "every", NUMBER, **keyed(f"hash(n) % {KEYS}"), op=pick("upsert", "identity", "leave", "join", "part"),
        cohort=f"CASE WHEN op IN ('join', 'part') THEN {pick('gold', 'risky', NO)} END",
        cause=pick("data", "retry", "mapping"), m=pick("x", "y"), i=pick(*PLACES),
        bi=f"CASE WHEN op = 'identity' THEN {pick(*PLACES)} END",
        local=pick(None, None, None, "handed_over", "kept"), verdict=pick(None, None, None, None, "rejected"),
        code=f"CASE WHEN verdict IS NOT NULL THEN {pick('MATCH_COLLISION', 'IDENTITY_SWAP', 'VALUE')} END",
        reason="CASE WHEN verdict IS NOT NULL THEN 'so' END", digest=pick("d1", "d2"),
        early="CASE WHEN op = 'join' AND hash(n, 1) % 3 = 0 THEN true END", depth=pick(None, 1, 2) + "::INTEGER",
        rank="NULL::INTEGER", seq="NULL::BIGINT",
    )  # fmt: skip
    picker.run(["CREATE OR REPLACE TEMP TABLE changes_1 AS SELECT DISTINCT ON (key, op, cohort, bi) * FROM every"])
    picker.put(
        "rejected", 6 * KEYS, sync=f"CASE WHEN n % 7 = 0 THEN 'sim.other' ELSE '{SHAPE.sync}' END",
        key=keyed("n // 6")["key"], op="['upsert', 'identity', 'leave', 'join', 'part', 'join'][1 + n % 6]",
        cohort="[NULL, NULL, NULL, 'gold', 'gold', 'risky'][1 + n % 6]",
        code=pick("MATCH_COLLISION", "IDENTITY_SWAP", "VALUE", "NO"), digest=pick("d1", "d2", "d1"),
        next_at=f"{NOW} + INTERVAL 1 HOUR * {pick(-1, 0, 1, 2)}",
    )  # fmt: skip
    picker.run(["DELETE FROM revetl_state.rejected WHERE hash(key, op) % 4 = 0"])
    return picker.rows("SELECT * FROM changes_1")


def left(picker: Picker) -> list[tuple[Any, ...]]:
    """Return the changes that are left, with their causes."""
    return picker.tuples(f"SELECT {OWN}, cause FROM changes_1")


def own(c: Any) -> tuple[Any, ...]:
    """Return what names a change."""
    return c.key, c.op, c.cohort, c.bi


@pytest.mark.parametrize("retry", [True, False])
def test_what_was_refused_as_it_is_rests(picker: Picker, *, retry: bool) -> None:
    """The same content, not due yet, for a reason that still holds; with it goes what needs it, and only that."""
    every = fill(picker)
    found = picker.rows(f"SELECT *, next_at > {NOW} AS later FROM revetl_state.rejected WHERE sync = '{SHAPE.sync}'")
    refused = {(r.key, r.op, r.cohort): r for r in found}

    def rests(c: Any) -> bool:
        r = refused.get((c.key, c.op, c.cohort))
        if r is None or retry or r.digest != c.digest or not r.later:
            return False
        return bool(r.code == c.code or (c.verdict is None and r.code not in {"MATCH_COLLISION", "IDENTITY_SWAP"}))

    resting = [c for c in every if rests(c)]
    records = {c.key for c in resting if c.op in {"identity", "upsert"}}
    parts = {c.key for c in resting if c.op == "part"}
    names = {(c.key, c.op, c.cohort) for c in resting}

    def stays(c: Any) -> bool:
        needs = c.key in records and c.op in {"identity", "upsert", "join"} and not c.early
        last = c.key in parts and c.op == "leave" and c.local == "handed_over"
        return (c.key, c.op, c.cohort) not in names and not needs and not last

    picker.run(verdicts.frozen(SHAPE, NOW, retry=retry))
    assert picker.tuples("SELECT key, op, cohort FROM frozen_1") == ordered((c.key, c.op, c.cohort) for c in resting)
    assert left(picker) == ordered(
        (*own(c), "retry" if (c.key, c.op, c.cohort) in refused else c.cause) for c in every if stays(c)
    )
    picker.run([verdicts.none_frozen(SHAPE)])
    assert picker.tuples("SELECT key, op, cohort FROM frozen_1") == []


def judged(picker: Picker) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return verdict, code and reason of each change."""
    return {own(c): (c.verdict, c.code, c.reason) for c in picker.rows("SELECT * FROM changes_1")}


def test_a_value_that_cannot_be_carried_is_refused_by_name(picker: Picker) -> None:
    """An UPSERT or IDENTITY of a wanted record that can be found, or a JOIN; what has a verdict keeps it."""
    every = fill(picker)
    picker.make("delta_1", KEYS, **keyed(), wanted=yes(80), m=pick(*MAILS), why=pick(None, "odd"))
    picker.make("mchg_1", 2 * KEYS, **keyed("n // 2"), cohort="['gold', 'risky'][1 + n % 2]", why=pick(None, "odd"))
    odd = {x.key for x in picker.rows("SELECT * FROM delta_1") if x.wanted and not blank(x.m) and x.why}
    joins = {(y.key, y.cohort) for y in picker.rows("SELECT * FROM mchg_1") if y.why}
    picker.run([verdicts.refuse(SHAPE, "x.why"), verdicts.refuse_members(SHAPE, "y.why")])

    def says(c: Any) -> tuple[Any, ...]:
        record = c.op in {"upsert", "identity"} and c.key in odd and c.local is None
        join = c.op == "join" and (c.key, c.cohort) in joins
        return ("rejected", "VALUE", "odd") if c.verdict is None and (record or join) else (c.verdict, c.code, c.reason)

    assert judged(picker) == {own(c): says(c) for c in every}


def test_keys_of_a_running_job_are_left_alone(picker: Picker) -> None:
    """What a job of this sync is still working on is not sent."""
    every = fill(picker)
    picker.put("outbox", 20, sync=f"['{SHAPE.sync}', 'sim.other'][1 + n % 2]", key=keyed("n")["key"])
    busy = {key for (key,) in picker.tuples(f"SELECT key FROM revetl_state.outbox WHERE sync = '{SHAPE.sync}'")}
    picker.run([verdicts.busy(SHAPE)])
    assert left(picker) == ordered((*own(c), c.cause) for c in every if c.key not in busy)


@pytest.mark.parametrize("settled", [True, False])
def test_who_comes_to_where_one_stands_that_was_not_read(picker: Picker, *, settled: bool) -> None:
    """It waits; it collides where that one is known to be as it was. Where all is read nobody is such a one."""
    every = fill(picker)
    picker.make("beyond_1", 20, key=keyed()["key"])
    assert verdicts.strangers(SHAPE) == []
    picker.run(verdicts.strangers(replace(SHAPE, asked="some", settled=settled)))
    told = ("waiting", "PREDECESSOR", "another record, which this run did not read, holds this match value")
    if settled:
        told = ("rejected", "MATCH_COLLISION", "two records of the model have this match value")
    keys = {f'[{n},"{k}"]' for n in range(10) for k in "ab"}
    assert judged(picker) == {
        own(c): told
        if c.verdict is None and c.op in {"identity", "upsert"} and c.key in keys
        else (c.verdict, c.code, c.reason)
        for c in every
    }


def test_digests_are_of_what_would_be_sent(picker: Picker) -> None:
    """Two are the same where the same would be sent, in the same version; only what was refused has one."""
    every = fill(picker)
    picker.run(["UPDATE changes_1 SET digest = NULL",
                "DELETE FROM revetl_state.rejected WHERE hash(key) % 3 = 0"])  # fmt: skip
    picker.make("delta_1", KEYS, **keyed(), m=pick("x", "y"), f0=pick("x", "y"), f1=pick("x", None))
    picker.make("mchg_1", 3 * KEYS, **keyed("n // 3"), cohort=f"['gold', 'risky', '{NO}'][1 + n % 3]",
                f8=pick("x", None), f9=pick("x", "y"))  # fmt: skip
    records = {x.key: (x.m, x.f0, x.f1) for x in picker.rows("SELECT * FROM delta_1")}
    carried = {(y.key, y.cohort): (y.f8, y.f9) for y in picker.rows("SELECT * FROM mchg_1")}
    refused = picker.tuples(f"SELECT DISTINCT key FROM revetl_state.rejected WHERE sync = '{SHAPE.sync}'")
    known = {key for (key,) in refused}
    stamps = defaultdict(set)
    for version in ("1", "2"):
        for shape in (SHAPE, replace(SHAPE, memberships=())):
            picker.run([verdicts.digest(shape, version)])
            found = {own(c): c.digest for c in picker.rows("SELECT * FROM changes_1")}
            assert all((found[own(c)] is not None) is (c.key in known) for c in every)
            for c in every:
                content: tuple[Any, ...] = ("text", c.m)
                if c.op in {"upsert", "identity"}:
                    content = ("record", records[c.key])
                elif c.op == "join" and shape.memberships:
                    content = ("join", c.m, carried[c.key, c.cohort])
                if c.key in known:
                    stamps[version, content].add(found[own(c)])
    assert {len(some) for some in stamps.values()} == {1}
    assert len(set.union(*stamps.values())) == len(stamps) > 12


# --- renames ----------------------------------------------------------------------------------------------------------


def renames(picker: Picker, number: int, some: str) -> list[Any]:
    """Pick records that move from one place to another, some of them from two; return the changes."""
    fill(picker)
    picker.make("moves", number, **keyed("n * 2 // 3"), op="'identity'", i=pick(*some, of="n * 2 // 3"), bi=pick(*some),
                verdict=pick(None, None, None, None, None, "rejected"), code="NULL::VARCHAR")  # fmt: skip
    picker.run(["DELETE FROM changes_1", "INSERT INTO changes_1 BY NAME SELECT DISTINCT ON (key, bi) * FROM moves "
                "WHERE i <> bi"])  # fmt: skip
    return picker.rows("SELECT * FROM changes_1")


def depths(moves: list[Any]) -> dict[tuple[str, str], int]:
    """Return how many must have moved out before each; none where that leads around a circle."""
    ids = [c for c in moves if c.verdict is None]
    way = {(c.key, c.bi): 0 for c in ids if not any(y.bi == c.i and y.key != c.key for y in ids)}
    for _ in range(2 * len(ids)):
        for c in ids:
            before = [way[y.key, y.bi] for y in ids if y.bi == c.i and y.key != c.key and (y.key, y.bi) in way]
            if before:
                way[c.key, c.bi] = max(before) + 1
    return {name: depth for name, depth in way.items() if depth < len(ids)}


@pytest.mark.parametrize("number", [4, 9, 14])
@pytest.mark.parametrize("some", ["abcdefghijkl", "abcde", "abcdefgh"])
def test_who_moves_out_goes_before_who_moves_in(picker: Picker, number: int, some: str) -> None:
    """Every rename is as deep as its longest way; those in a circle are refused by name."""
    moves = renames(picker, number, some)
    way = depths(moves)
    picker.run(verdicts.chains(SHAPE))
    told = ("rejected", "IDENTITY_SWAP", "two records exchange their match values")
    assert {(c.key, c.bi): c.depth for c in picker.rows("SELECT * FROM changes_1 WHERE depth IS NOT NULL")} == way
    assert judged(picker) == {
        own(c): (c.verdict, c.code, c.reason) if c.verdict or (c.key, c.bi) in way else told for c in moves
    }


def test_chains_of_all_kinds_were_met(picker: Picker) -> None:
    """The cases above have long ways, circles, and ways that a circle leads into."""
    moves = renames(picker, 14, "abcde")
    assert len(depths(moves)) < len([c for c in moves if c.verdict is None])
    assert max(depths(renames(picker, 9, "abcdefghijkl")).values()) >= 1


# --- who waits --------------------------------------------------------------------------------------------------------


def stuck(every: list[Any], delta: dict[str, Any], olds: list[Any]) -> Iterator[Any]:
    """Yield places of wanted records that should move out of them, and do not in this run."""
    going = {(c.key, c.bi) for c in every if c.op == "identity" and c.verdict is None}
    for o in olds:
        x = delta.get(o.key)
        if x is not None and x.wanted and x.i != o.i and not o.taken and (o.key, o.i) not in going:
            yield o


@pytest.mark.parametrize("moves", [True, False])
@pytest.mark.parametrize("salt", range(3))
def test_what_depends_on_what_cannot_go_waits(picker: Picker, salt: int, *, moves: bool) -> None:
    """Of a key, what follows a refused record; of a place, who comes to where one stays, and who comes after that."""
    every = fill(picker)
    picker.run([f"DELETE FROM changes_1 WHERE hash(key, op, {salt}) % 2 = 0"])
    every = picker.rows("SELECT * FROM changes_1")
    picker.make("delta_1", KEYS - 5, **keyed(), wanted=yes(80), i=pick(*PLACES, "z"), known=yes(70), si=pick(*PLACES))
    picker.run(["UPDATE delta_1 SET si = i WHERE hash(key) % 3 = 0"])
    picker.make("olds_1", 6, **keyed(f"hash(n, {salt}) % {KEYS}"), i=pick(*PLACES[:5]), taken=yes(20))
    delta = {x.key: x for x in picker.rows("SELECT * FROM delta_1")}
    olds = picker.rows("SELECT * FROM olds_1")
    picker.run(verdicts.predecessors(SHAPE, moves=moves))
    said = {own(c): (c.verdict, c.code, c.reason) for c in every}

    def follow(*ops: str) -> None:
        keys = {c.key for c in every if said[own(c)][0] and c.op in {"identity", "upsert"}}
        for c in every:
            if said[own(c)][0] is None and c.key in keys and not c.early and c.op in ops:
                said[own(c)] = WAIT

    follow("identity", "upsert", "join")
    if moves:
        now = [SimpleNamespace(**vars(c) | {"verdict": said[own(c)][0]}) for c in every]
        staying = list(stuck(now, delta, olds))
        places = {o.i for o in staying}
        for _ in every:
            places |= {c.bi for c in every if c.op == "identity" and c.i in places}
        there = {x.key for x in delta.values() if x.wanted and x.known and x.i == x.si}
        for c in every:
            comes = c.op == "identity" or (c.op == "upsert" and c.key not in there)
            if said[own(c)][0] is None and comes and c.i in places:
                said[own(c)] = WAIT
        follow("join")
        now = [SimpleNamespace(**vars(c) | {"verdict": said[own(c)][0]}) for c in every]
        keys = {o.key for o in stuck(now, delta, olds)}
        for c in every:
            if said[own(c)][0] is None and c.op == "part" and c.key in keys:
                said[own(c)] = WAIT
    assert judged(picker) == said


def test_changes_are_numbered_in_the_order_in_which_they_leave(picker: Picker) -> None:
    """Refused ones, those that go, local ones; of those leaves first, then data, retries, backfill; keys together."""
    every = fill(picker)
    picker.run(verdicts.order(SHAPE, 7))
    causes = {"data": 1, "retry": 2, "mapping": 3}
    ranks = {}
    for key in {c.key for c in every}:
        mine = [c for c in every if c.key == key]
        urgent = any((c.early or c.op in {"part", "leave", "identity"}) and c.local is None for c in mine)
        ranks[key] = 0 if urgent else max(causes[c.cause] for c in mine)
    ops = {"identity": 0, "upsert": 1, "join": 2, "part": 3, "leave": 4}

    def turn(c: Any) -> tuple[Any, ...]:
        first = 2 if c.local is not None else 1 if c.verdict is None else 0
        place = (c.cohort is None, c.cohort or "", c.key, c.bi or "")  # nulls last
        return first, ranks[c.key], -1 if c.early else ops[c.op], c.depth or 0, *place

    found = picker.rows("SELECT * FROM changes_1 ORDER BY seq")
    assert [c.seq for c in found] == list(range(7, 7 + len(every)))
    assert [own(c) for c in found] == [own(c) for c in sorted(every, key=turn)]
    assert {own(c): c.rank for c in found} == {own(c): ranks[c.key] for c in every}
    assert any(rank > 1 for rank in ranks.values())


def test_what_would_be_sent_is_counted(picker: Picker) -> None:
    """By operation, cause and cohort: what needs a call and may go."""
    every = [c for c in fill(picker) if c.local is None and c.verdict is None]
    names = [(c.op, c.cause, c.cohort) for c in every]
    expected = ordered((*name, names.count(name)) for name in set(names))
    found = picker.con.execute(verdicts.tallies(SHAPE)).fetchall()
    assert ordered(found) == expected
    assert [op for op, *_ in found] == sorted(op for op, *_ in found)

"""What the close of a run leaves in doubt, and what ends a doubt; of this run and sync alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from revetl.state.close import Closing, close_run
from revetl.state.schema import STATE
from tests.unit.state.closed import HOUR, MINUTE, C, S, T, World, key
from tests.unit.state.written import NOON


@pytest.fixture
def world() -> Iterator[World]:
    """Return such a world."""
    made = World()
    yield made
    made.con.close()


# --- doubts -----------------------------------------------------------------------------------------------------------


def test_what_is_unknown_is_in_doubt(world: World) -> None:
    """Where it may stand, which fields and links it may have touched, since when, and whether it was to end it."""
    world.known("i", f0="f", f2="firm-1")
    before = world.other()
    unknown = "unknown"
    world.do(
        C("a", m="A@x", status=unknown, values={0: "v", 2: "firm-9", 4: "of a membership"}), C("b", m="b@x"),
        C("c", m="c@x", code="REPEATED", values={1: "v"}), C("d", m="d@x", status="rejected"),
        C("e", m="e@x", status=None),
        C("i", "identity", "I2@x", before="i@x", status=unknown),
        C("j", "join", "j@x", cohort="v", status=unknown, values={4: "x"}),
        C("l", "leave", "l@x", status=unknown), C("p", "part", "p@x", cohort="v", status=unknown),
    )  # fmt: skip
    at = NOON + MINUTE
    found = world.doubts("key, op, cohort, list_sort(touched), tried, list_sort(near), linked, ended, since, run")
    assert found == [
        (
            key("a"),
            "upsert",
            None,
            [0, 2, 4],
            [{"m": "A@x", "i": "a@x"}],
            ["a@x"],
            [{"n": 2, "id": "firm-9"}],
            False,
            at,
            "r1",
        ),
        (key("c"), "upsert", None, [1], [{"m": "c@x", "i": "c@x"}], ["c@x"], [], False, at, "r1"),
        (key("i"), "upsert", None, [0, 2], [{"m": "I2@x", "i": "i2@x"}], ["i2@x", "i@x"], [], False, at, "r1"),
        (key("j"), "join", "v", [4], [{"m": "j@x", "i": "j@x"}], ["j@x"], [], False, at, "r1"),
        (key("l"), "upsert", None, [], [{"m": "l@x", "i": "l@x"}], ["l@x"], [], True, at, "r1"),
        (key("p"), "join", "v", [], [{"m": "p@x", "i": "p@x"}], ["p@x"], [], True, at, "r1"),
    ]
    assert world.other() == before


def test_a_doubt_gathers_what_it_may_have_done(world: World) -> None:
    """Places, fields and links of every lost attempt, of this run and of earlier ones; the last one says when."""
    world.add("pending", sync=T, key=key("a"), op="upsert", since=NOON, touched=[], tried=[], near=[])
    world.add("pending", sync=S, key=key("b"), op="upsert", since=NOON, run="r0", touched=[3], tried=[], near=["z"])
    world.do(C("a", m="a@x", status="unknown", values={0: "v", 2: "one"}), C("b", m="b@x", status="unknown"))
    world.do(C("a", m="b@x", status="unknown", values={1: "v", 2: "two"}), C("a", m="c@x", status="unknown"))
    first, second = world.doubts(
        "list_sort(touched), list_sort(list_transform(tried, lambda t: t.i)), list_sort(near), linked, since, run"
    )
    assert first[:3] == ([0, 1, 2], ["a@x", "b@x", "c@x"], ["a@x", "b@x", "c@x"])
    assert sorted(one["id"] for one in first[3]) == ["one", "two"]
    assert first[4:] == (NOON + HOUR + MINUTE, "r2")
    assert second == ([3], ["b@x"], ["b@x", "z"], [], NOON + MINUTE, "r1")
    assert len(world.rows("SELECT 1 FROM {s}.pending")) == 3


def doubted(world: World) -> None:
    """Let an upsert of a and a join of b be in doubt since a minute past noon, also in the other sync."""
    for sync in (S, T):
        at = NOON + MINUTE
        world.add("pending", sync=sync, key=key("a"), op="upsert", since=at, touched=[], tried=[], near=["a@x", "z@x"])
        world.add(
            "pending", sync=sync, key=key("b"), op="join", cohort="v", since=at, touched=[], tried=[], near=["b@x"]
        )


A, B = C("a", m="a@x"), C("b", "join", "b@x", cohort="v")


def test_a_clean_answer_ends_a_doubt(world: World) -> None:
    """Of a run that began late enough, of the very change; a part answers for a join, a leave for a record."""
    doubted(world)
    before = world.other()
    world.do(A, B)  # it began before
    assert len(world.doubts()) == 2
    world.now = NOON + 16 * MINUTE - timedelta(seconds=1)
    world.do(A, B)
    assert len(world.doubts()) == 2
    world.now = NOON + 16 * MINUTE
    world.do(C("a", "join", "a@x", cohort="v"), C("b", "join", "b@x", cohort="w"), C("b", m="b@x"))
    assert len(world.doubts()) == 2
    world.do(A, C("b", "part", "b@x", cohort="v", local="implied"))
    assert world.doubts() == []
    assert world.other() == before


@pytest.mark.parametrize("more", [
    C("a", m="a@x", status="rejected"), C("a", m="a2@x", status=None), C("c", m="Z@x", status="unknown"),
    C("c", "identity", "c@x", before="a@x", status="waiting"),
])  # fmt: skip
def test_an_answer_is_not_clean_beside_one_that_is_not(world: World, more: C) -> None:
    """Of the same change, or of anything that may stand at one of its places."""
    doubted(world)
    world.now += HOUR
    world.do(A, more, B)
    assert (key("a"), "upsert", None) in world.doubts()
    assert (key("b"), "join", "v") not in world.doubts()


def test_a_no_rests_with_its_first_answer(world: World) -> None:
    """However soon it comes and whatever was lost before it; one that is lost or refused leaves the doubt."""
    said = "consent:unsubscribe"
    world.do(C("a", "join", "a@x", cohort=said, status="unknown"), C("b", "join", "b@x", cohort=said, code="REPEATED"))
    assert world.doubts() == [(key("a"), "join", said)]
    world.do(C("a", "join", "a@x", cohort=said, status="rejected"))
    assert world.doubts() == [(key("a"), "join", said)]
    world.do(C("a", "join", "a@x", cohort=said, code="REPEATED"))
    assert world.doubts() == []


def test_a_name_alone_is_no_answer(world: World) -> None:
    """An identity that moved says nothing of the fields."""
    doubted(world)
    world.now += HOUR
    world.do(C("a", "identity", "n@x", before="a@x"), B)
    assert world.doubts() == [(key("a"), "upsert", None)]
    world.do(C("a", "leave", "n@x"), late=0.0)
    assert world.doubts() == []


def test_a_doubt_knows_what_was_said_last(world: World) -> None:
    """Whether the last change that may have arrived was its end; what was refused or not sent says nothing."""
    doubted(world)
    for ended, change in (
        (True, C("a", "leave", "a@x", status="unknown")), (False, A),
        (False, C("a", "leave", "a@x", status="rejected")),
        (False, C("a", "leave", "a@x", status=None)), (True, C("a", "leave", "a@x")),
        (False, C("a", m="a@x", local="implied")),
        (True, C("a", "leave", "a@x", local="no_record")), (False, C("a", m="a@x", status="unknown")),
    ):  # fmt: skip
        world.now = NOON
        world.do(change)
        assert world.doubts("op, ended") == [("join", None), ("upsert", ended)]


def test_doubts_follow_who_was_renamed(world: World) -> None:
    """What may have been left at an address moves along with it, over as many names as it had."""
    for sync in (S, T):
        for who, mail in (("a", "a@x"), ("c", "c@x")):
            world.add("pending", sync=sync, key=key(who), op="upsert", since=NOON + 9 * HOUR, touched=[],
                      tried=[{"m": mail, "i": mail}, {"m": "b@x", "i": "b@x"}], near=[mail])  # fmt: skip
    before = world.other()
    world.do(
        C("a", "identity", "b@x", before="a@x"), C("z", "identity", "d@x", before="b@x", status="unknown"),
        C("c", "identity", "e@x", before="c@x", status="rejected"),
        C("y", "identity", "f@x", before="d@x", status="rejected"),
    )  # fmt: skip
    first, second = world.doubts("key, list_transform(tried, lambda t: t.m), list_sort(near)")[:2]
    assert first == (key("a"), ["b@x", "a@x"], ["a@x", "b@x", "d@x"])
    assert second == (key("c"), ["c@x", "b@x"], ["c@x"])
    assert world.other() == before


def test_who_stands_where_another_was_is_in_doubt(world: World) -> None:
    """Two that were one record there: what was written since is as it should be, the rest is asserted again.

    So is what moved away: it may have taken memberships along.
    """
    world.known("a", "b", "c", "d", "e")
    for mail, who in (("Old@x", "b"), ("old@x", "c"), ("other@x", "d"), ("old@x", "a")):
        world.con.execute(f"UPDATE {STATE}.snap_1 SET m = '{mail}' WHERE k0 = '{who}'")
    for cohort in ("v", "w"):
        for who in "bde":
            world.member(who, cohort)
    before = world.other()
    world.do(
        C("a", "identity", "new@x", before="old@x"), C("c", m="old@x"), C("b", "join", "old@x", cohort="v"),
        C("e", "identity", "e2@x", before="other@x", status="rejected"), C("b", m="old@x", status="rejected"),
    )  # fmt: skip
    assert world.doubts("key, op, cohort, since, run") == [
        (key(who), op, cohort, NOON + MINUTE, "verify")
        for who, op, cohort in (
            ("a", "join", "v"), ("a", "join", "w"), ("a", "upsert", None), ("b", "join", "w"), ("b", "upsert", None),
        )
    ]  # fmt: skip
    assert world.other() == before


def test_nobody_stood_where_another_was(world: World) -> None:
    """Nobody is in doubt then; whoever is in doubt already is so by that."""
    world.known("a", "b")
    world.do(C("a", "identity", "new@x", before="a@x"))
    assert world.doubts() == []
    world.con.execute(f"UPDATE {STATE}.snap_1 SET m = 'new@x' WHERE k0 = 'b'")
    world.add(
        "pending", sync=S, key=key("b"), op="upsert", since=NOON + 5 * HOUR, run="r0", touched=[], tried=[], near=[]
    )
    world.do(C("a", "identity", "newer@x", before="new@x"), C("a", m="newer@x"))
    assert world.doubts("key, run") == [(key("b"), "r0")]


def test_the_last_move_says_since_when(world: World) -> None:
    """Of two that were renamed away from one place."""
    world.known("a", "b", "c")
    world.con.execute(f"UPDATE {STATE}.snap_1 SET m = 'old@x'")
    run = world.stage(C("a", "identity", "a2@x", before="old@x"), C("b", "identity", "b2@x", before="old@x"))
    world.con.execute(f"UPDATE {STATE}.acks SET ts = ts + INTERVAL 5 MINUTE WHERE lo = 1")
    close_run(world.store, run, Closing({}))
    assert world.doubts("key, since") == [(key(who), NOON + 6 * MINUTE) for who in "abc"]


def test_the_time_of_a_run(world: World) -> None:
    """Nine hundred seconds, where the sync does not say otherwise, until a lost request cannot arrive any more."""
    doubted(world)
    world.now = NOON + 16 * MINUTE
    run = world.stage(A)
    close_run(world.store, run, Closing({}))
    assert world.doubts() == [(key("b"), "join", "v")]

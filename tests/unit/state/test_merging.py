"""Who is renamed to where a record stands that state knows nothing of: it is that one from now on, and not ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from revetl.types import CONSENT
from tests.unit.state.closed import MINUTE, C, S, World, key
from tests.unit.state.written import NOON


@pytest.fixture
def world() -> Iterator[World]:
    """Return a state that knows two people and their ids, who are members."""
    made = World()
    made.known("a", "b")
    for who in "ab":
        made.member(who, "v")
        made.add("remote", sync=S, key=key(who), remote_id=f"id-{who}", created=True)
    yield made
    made.con.close()


def renamed(new: tuple[str | None, bool | None] | None = ("id-9", False), **more: str) -> C:
    """Return a rename, answered in this way."""
    return C("a", "identity", "Held@x", before="a@x", new=new, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("told", ["id-9", None])
def test_a_stranger_is_met(world: World, told: str | None) -> None:
    """What was delivered is asserted there, memberships too; the record was not made by us, and has its own id."""
    before = world.other()
    world.do(renamed((told, False)), C("a", "join", "Held@x", cohort="v"), C("b", "identity", "b2@x", before="b@x"))
    assert world.doubts("key, op, cohort, since, run, touched, tried") == [
        (key("a"), "join", "v", NOON + MINUTE, "verify", [], [{"m": "Held@x", "i": "held@x"}]),
        (key("a"), "upsert", None, NOON + MINUTE, "verify", [], [{"m": "Held@x", "i": "held@x"}]),
    ]
    assert world.rows("SELECT key, remote_id, created FROM {s}.remote ORDER BY key") == [
        (key("a"), told, False), (key("b"), "id-b", True),
    ]  # fmt: skip
    assert world.other() == before


@pytest.mark.parametrize(
    "changes",
    [
        (renamed(None),),
        (renamed(("id-a", None)),),
        (renamed(("id-a", True)),),
        (renamed(status="rejected"),),
        (renamed(), C("b", "identity", "b2@x", before="held@x", status="rejected")),
        (renamed(), C("b", "leave", "held@x", status="rejected")),
        (renamed(), C("a", "identity", "Held@x", before="a3@x")),
    ],
    ids=["untold", "moved", "made", "refused", "who should move", "who should leave", "two places"],
)
def test_no_stranger_is_met(world: World, changes: tuple[C, ...]) -> None:
    """Where the answer does not say so, somebody of ours was there, or it may be the record itself."""
    world.do(*changes)
    assert world.doubts() == []


def at_one_place(world: World) -> None:
    """Let b stand, as state says, where a is to go."""
    world.con.execute("UPDATE revetl_state.snap_1 SET m = 'HELD@x' WHERE k0 = 'b'")
    world.member("b", "w")


@pytest.mark.parametrize("new", [None, ("id-9", False)])
def test_somebody_of_ours_is_met(world: World, new: tuple[str, bool] | None) -> None:
    """Whatever the answer says, one of two ended: fields and memberships that the run did not write are in doubt."""
    at_one_place(world)
    world.do(renamed(new))
    there = [{"m": "Held@x", "i": "held@x"}]
    assert world.doubts("key, op, cohort, since, run, tried") == [
        (key("a"), "join", "v", NOON + MINUTE, "verify", there),
        (key("a"), "upsert", None, NOON + MINUTE, "verify", there),
    ]  # fmt: skip


def test_what_is_written_after_a_meeting_is_settled(world: World) -> None:
    """Both go with the rename; a membership that waits is in doubt, one that was written is not."""
    at_one_place(world)
    world.member("a", "u")
    world.do(
        renamed(), C("a", m="Held@x"), C("a", "join", "Held@x", cohort="v"),
        C("a", "join", "Held@x", cohort="u", status="waiting"),
    )  # fmt: skip
    assert world.doubts("key, op, cohort") == [(key("a"), "join", "u")]


def test_what_is_taken_along_from_a_common_place_is_in_doubt(world: World) -> None:
    """Memberships of who stays may go with who leaves, and be ended there; an opt-out is nothing that is ended."""
    at_one_place(world)
    world.member("b", CONSENT + "news")
    moved = C("a", "identity", "a2@x", before="held@x")
    world.con.execute("UPDATE revetl_state.snap_1 SET m = 'held@x' WHERE k0 = 'a'")
    world.do(moved, C("a", m="a2@x"), C("a", "join", "a2@x", cohort="v"))
    mine = [row for row in world.doubts("key, op, cohort, tried") if row[0] == key("a")]
    assert mine == [(key("a"), "join", "w", [{"m": "a2@x", "i": "a2@x"}])]


def test_what_was_taken_along_and_ended_is_settled(world: World) -> None:
    """The run ended it itself."""
    at_one_place(world)
    world.con.execute("UPDATE revetl_state.snap_1 SET m = 'held@x' WHERE k0 = 'a'")
    moved = C("a", "identity", "a2@x", before="held@x")
    world.do(moved, C("a", m="a2@x"), *(C("a", op, "a2@x", cohort=c) for op, c in (("join", "v"), ("part", "w"))))
    assert [row for row in world.doubts("key, op, cohort") if row[0] == key("a")] == []


def test_somebody_in_doubt_may_be_met(world: World) -> None:
    """A lost request may have written them there."""
    tried = [{"m": "held@x", "i": "held@x"}]
    world.add(
        "pending", sync=S, key=key("b"), op="upsert", since=NOON, run="r0", touched=[], tried=tried, near=["held@x"]
    )
    world.do(renamed())
    assert world.doubts("key, run") == [(key("b"), "r0")]


def test_who_is_in_doubt_may_meet_themselves(world: World) -> None:
    """An earlier rename may have arrived: that record stays ours, and is asserted by that doubt alone."""
    world.add("pending", sync=S, key=key("a"), op="upsert", since=NOON, run="r0", touched=[], tried=[], near=[])
    world.do(renamed())
    assert world.doubts("key, run") == [(key("a"), "r0")]


def test_a_repeated_rename_may_meet_itself(world: World) -> None:
    """The first try may have arrived."""
    world.do(renamed(code="REPEATED"))
    assert world.doubts("key, run") == [(key("a"), "r1")]

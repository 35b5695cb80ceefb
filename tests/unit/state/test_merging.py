"""Who is renamed to where a record stands that state knows nothing of: it is that one from now on, and not ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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


def test_somebody_of_ours_is_met(world: World) -> None:
    """The next runs know that from the snapshot, or from what is in doubt."""
    world.con.execute("UPDATE revetl_state.snap_1 SET m = 'HELD@x' WHERE k0 = 'b'")
    world.do(renamed())
    assert world.doubts() == []


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

"""What the close of a run keeps of refusals, and which local changes stand beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from revetl.state.schema import STATE
from tests.unit.state.closed import HOUR, MINUTE, C, S, T, World, key
from tests.unit.state.written import NOON


@pytest.fixture
def world() -> Iterator[World]:
    """Return such a world."""
    made = World()
    yield made
    made.con.close()


# --- rejections -------------------------------------------------------------------------------------------------------


def refused(world: World, what: str = "key, op, cohort, code, attempts") -> list[Any]:
    """Return the rejections of the first sync."""
    return world.rows(f"SELECT {what} FROM {{s}}.rejected WHERE sync <> '{T}' ORDER BY ALL")


def test_refusals_are_kept_until_they_are_over(world: World) -> None:
    """Counted from the first, tried again after gaps that double up to a week; what is delivered or local is over."""
    world.add("rejected", sync=T, key=key("a"), op="upsert", cohort=None, code="NO", attempts=1)
    no: dict[str, Any] = {"status": "rejected", "code": "NO", "reason": "why"}
    world.do(
        C("a", m="a@x", **no), C("a", "join", "a@x", cohort="v", **no), C("b", m="b@x", **no), C("c", m="c@x", **no)
    )
    assert refused(world, "key, op, cohort, code, reason, attempts, since, next_at, run") == [
        (key("a"), "join", "v", "NO", "why", 1, NOON + MINUTE, NOON + MINUTE + HOUR, "r1"),
        *((key(k), "upsert", None, "NO", "why", 1, NOON + MINUTE, NOON + MINUTE + HOUR, "r1") for k in "abc"),
    ]
    world.do(
        C("a", m="a@x", **no), C("b", m="b@x"), C("c", m="c@x", local="implied"), C("a", "join", "a@x", cohort="w")
    )
    assert refused(world) == [(key("a"), "join", "v", "NO", 1), (key("a"), "upsert", None, "NO", 2)]
    world.do(C("a", "part", "a@x", cohort="v"), C("a", "join", "a@x", cohort="v", status="unknown"))
    assert len(refused(world)) == 2
    for gap in (4, 8, 16, 32, 64, 128, 168, 168):
        world.do(C("a", m="a@x", **no))
        ((next_at,),) = (
            refused(world, "next_at FILTER_")
            if False
            else world.rows("SELECT next_at FROM {s}.rejected WHERE op = 'upsert' AND attempts > 1")
        )
        assert next_at == world.now - HOUR + MINUTE + gap * HOUR
    assert refused(world, "op, since")[1] == ("upsert", NOON + MINUTE)
    world.do(C("a", m="a@x"), C("a", "join", "a@x", cohort="v"))
    assert refused(world) == []
    assert world.rows("SELECT count(*) FROM {s}.rejected") == [(1,)]


def digest(world: World, *changes: C) -> list[str]:
    """Return the digests of what is refused, in a world that forgets them again."""
    world.do(*changes)
    found = [row[0] for row in world.rows("SELECT digest FROM {s}.rejected ORDER BY key, op")]
    world.con.execute(f"DELETE FROM {STATE}.rejected")
    return found


def test_a_refusal_is_of_what_was_sent(world: World) -> None:
    """Its digest is another where address, a mapped value, what is carried or the mapping is, and only there."""
    no: dict[str, Any] = {"status": "rejected", "code": "NO"}
    plain = digest(world, C("a", m="a@x", values={0: "1"}, **no))
    assert plain == digest(world, C("a", m="a@x", values={0: "1"}, **no), C("b", m="b@x", values={0: "2"}))
    assert plain == digest(world, C("a", m="a@x", values={0: "1", 3: "of a former field", 4: "carried"}, **no))
    others = [
        digest(world, C("a", m="A@x", values={0: "1"}, **no)), digest(world, C("a", m="a@x", values={0: "2"}, **no)),
        digest(world, C("a", m="a@x", values={0: "1", 1: "more"}, **no)),
    ]  # fmt: skip
    moved = C("a", "identity", "a@x", before="z@x", **no)
    assert digest(world, moved, C("a", m="a@x", values={0: "1"}))[0] == plain[0]
    joined = [
        digest(world, C("a", "join", m, cohort="v", values=values, **no))
        for m, values in (("a@x", {}), ("b@x", {}), ("a@x", {4: "x"}))
    ]
    assert joined[0] == digest(world, C("a", "join", "a@x", cohort="v", values={5: "of a former field"}, **no))
    parted = [digest(world, C("a", "part", m, cohort="v", **no)) for m in ("a@x", "b@x")]
    world.con.execute(f"UPDATE {STATE}.syncs SET flow = 'another'")
    others.append(digest(world, C("a", m="a@x", values={0: "1"}, **no)))
    every = [plain, *others, *joined, *parted]
    assert None not in [one[0] for one in every]
    assert len({one[0] for one in every}) == len(every)


def test_refusals_may_say_that_somebody_opted_out(world: World) -> None:
    """By the codes that the destination names for that sync."""
    no = C("a", m="a@x", status="rejected", code="OUT")
    world.do(no, C("b", m="b@x", status="rejected", code="NO"), opted_out={S: frozenset({"OUT"}), T: frozenset({"NO"})})
    assert world.rows("SELECT sync, key, code FROM {s}.opted_out") == [(S, key("a"), "OUT")]


# --- what depends on what ---------------------------------------------------------------------------------------------


def statuses(world: World, *changes: C) -> list[str]:
    """Return the outcomes of a run."""
    world.do(*changes)
    return [row[0] for row in world.rows("SELECT status FROM final ORDER BY seq")]


def handed(who: str, op: str, m: str, cohort: str | None = None) -> C:
    """Return a change that hands an identity over to whoever stands there by now."""
    return C(who, op, m, cohort=cohort, local="handed_over")


@pytest.mark.parametrize("status", ["delivered", "rejected", "unknown", None])
def test_a_local_change_stands_if_the_others_of_its_key_do(world: World, status: str | None) -> None:
    """A record with its name, a leave with its parts; of this key and sync."""
    implied, left = {"local": "implied"}, {"op": "leave", "local": "no_record"}
    moved, parted = (
        {"op": "identity", "before": "z@x", "status": status},
        {"op": "part", "cohort": "v", "status": status},
    )
    cases: dict[str, tuple[Any, Any]] = {  # a local change of somebody, and what else there is: of them, if nobody else
        "named": (implied, moved), "gone": (left, parted), "of another": (implied, {**moved, "who": "z1"}),
        "of another sync": (implied, {**moved, "sync": T}), "a part": (implied, parted),
        "another's part": (left, {**parted, "who": "z2"}), "a join": (left, {**parted, "op": "join"}),
    }  # fmt: skip
    changes = [C(**{"who": who, "m": f"{who}@x", **more}) for who, two in cases.items() for more in two]
    wanted = "local" if status == "delivered" else "waiting"
    assert dict(zip(cases, statuses(world, *changes)[::2], strict=True)) == {
        who: wanted if who in {"named", "gone"} else "local" for who in cases
    }


@pytest.mark.parametrize("status", ["delivered", "rejected", None])
def test_what_is_handed_over_needs_an_heir(world: World, status: str | None) -> None:
    """Who arrives there in this run must have arrived: a record for a leave, a membership for a part."""
    leave, part = {"op": "leave"}, {"op": "part", "cohort": "v"}
    cases: dict[str, tuple[Any, Any]] = {  # what is handed over, and who arrives at the same address, if at no other
        "to a record": (leave, {}), "to one that moves": (leave, {"op": "identity", "before": "h@x"}),
        "to a member": (part, {"op": "join", "cohort": "v"}), "to another's": (part, {"op": "join", "cohort": "w"}),
        "elsewhere": (leave, {"m": "nowhere"}), "in another sync": (leave, {"sync": T}),
            "to who parts": (leave, part),
    }  # fmt: skip
    changes = [
        change
        for who, (handed_over, heir) in cases.items()
        for change in (
            C(**{"who": who, "m": who, "local": "handed_over", **handed_over}),
            C(**{"who": f"heir {who}", "m": who, "status": status, **heir}),
        )
    ]
    wanted = "local" if status == "delivered" else "waiting"
    assert dict(zip(cases, statuses(world, *changes)[::2], strict=True)) == {
        who: wanted if n < 3 else "waiting" for n, who in enumerate(cases)
    }


def test_an_heir_may_stand_there_already(world: World) -> None:
    """As state says, and is not about to move or leave; a member of the cohort for a part."""
    world.known("h", "a")
    world.member("h", "v")
    leave = handed("a", "leave", "H@x")
    assert statuses(world, leave) == ["local"]
    world.known("a")
    assert statuses(world, handed("a", "part", "H@x", "v"), handed("a", "part", "H@x", "w")) == ["local", "waiting"]
    for moving in (
        C("h", "identity", "n@x", before="h@x", status="rejected"),
        C("h", "leave", "h@x", status="rejected"),
    ):
        assert statuses(world, leave, moving)[0] == "waiting"
    assert statuses(world, handed("a", "leave", "nobody@x")) == ["waiting"]


def test_one_heir_that_did_not_arrive_is_enough(world: World) -> None:
    """Where two are to stand at a place and one is refused there, what was handed over waits."""
    refusal = {"status": "rejected"}
    two = C("h", m="x@x"), C("j", m="x@x", **refusal)  # type: ignore[arg-type]
    assert statuses(world, handed("a", "leave", "x@x"), *two)[0] == "waiting"
    joins = C("h", "join", "x@x", cohort="v"), C("j", "join", "x@x", cohort="v", **refusal)  # type: ignore[arg-type]
    assert statuses(world, handed("a", "part", "x@x", "v"), *joins)[0] == "waiting"
    assert statuses(world, handed("a", "leave", "x@x"), C("h", m="x@x"), joins[1])[0] == "local"
    plain = C("a", "leave", "x@x", local="no_record")
    assert statuses(world, plain, C("j", m="x@x", **refusal))[0] == "local"  # type: ignore[arg-type]

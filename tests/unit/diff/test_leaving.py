"""Who leaves: by policy, by ownership, by audience; and what of it is never a leave."""

from __future__ import annotations

import duckdb
import pytest

from revetl.diff import desired
from revetl.types import OnLeave
from tests.unit.engine.harness import Rig, cohort, plan, ref

A, B = "a@example.org", "b@example.org"


def left(policy: OnLeave, scope: str, *, ours: bool = True) -> tuple[Rig, dict[str, str]]:
    """Return what becomes of person ``a`` who left the model, and of the vendor."""
    rig = Rig(plan(on_leave=policy, on_leave_scope=scope))
    if not ours:
        rig.vendor.people[A] = {"email": A, "typed": "by hand"}
    rig.people(("a", A, "x"), ("b", B, "x"))
    rig.run()
    rig.people(("b", B, "x"))
    return rig, rig.run().status


@pytest.mark.parametrize("scope", ["created", "all"])
def test_keep(scope: str) -> None:
    """``keep`` calls nobody and forgets the record."""
    rig, status = left(OnLeave.KEEP, scope)
    assert status == {"a leave": "kept"}
    assert [row[0] for row in rig.snapshot()] == ["b"]
    assert rig.run().changes == []


def test_delete_ours() -> None:
    """What revetl created may be deleted."""
    rig, status = left(OnLeave.DELETE, "created")
    assert status == {"a leave": "delivered"}
    assert set(rig.vendor.people) == {B}


def test_delete_not_ours() -> None:
    """What stood there before revetl wrote to it is left alone, unless the scope is all."""
    rig, status = left(OnLeave.DELETE, "created", ours=False)
    assert status == {"a leave": "not_ours"}
    assert set(rig.vendor.people) == {A, B}
    assert rig.run().changes == []
    rig, status = left(OnLeave.DELETE, "all", ours=False)
    assert status == {"a leave": "delivered"}
    assert set(rig.vendor.people) == {B}


def test_clear_names_delivered_fields() -> None:
    """``clear`` ends exactly the values that revetl delivered, never the identity."""
    rig = Rig(plan(on_leave=OnLeave.CLEAR))
    rig.people(("a", A, "x"), ("b", B, None), ("c", "c@example.org", "x"))
    rig.run()
    rig.people(("c", "c@example.org", "x"))
    done = rig.run()
    assert done.body("a leave") == {"a": None}
    assert done.body("b leave") == {}


def test_return_sends_everything() -> None:
    """Who comes back is sent in full and joins again."""
    rig = Rig(plan(on_leave=OnLeave.DELETE, cohorts=(cohort("gold"),)))
    rig.keys("gold", "a")
    rig.people(("a", A, "x"), ("b", B, "x"))
    rig.run()
    rig.people(("b", B, "x"))
    assert sorted(rig.run().sent) == ["a leave", "a part gold"]
    rig.people(("a", A, "x"), ("b", B, "x"))
    done = rig.run()
    assert done.sent == ["a upsert", "a join gold"]
    assert done.body("a upsert") == {"email": A, "a": "x"}


def test_audience() -> None:
    """Who is no member of every audience is not wanted; to lose one is to leave, memberships included."""
    rig = Rig(plan(audience=(ref("news"), ref("adult")), on_leave=OnLeave.DELETE, cohorts=(cohort("gold"),)))
    rig.people(("a", A, "x"), ("b", B, "x"), ("c", "c@example.org", "x"))
    rig.keys("news", "a", "b")
    rig.keys("adult", "a", "c")
    rig.keys("gold", "a", "b", "c")
    assert rig.run().sent == ["a upsert", "a join gold"]
    rig.keys("adult", "b")
    done = rig.run()
    assert sorted(done.sent) == ["a leave", "a part gold", "b join gold", "b upsert"]
    assert set(rig.vendor.people) == {B}


def test_exclude_wins() -> None:
    """Who is excluded never leaves, whatever the audience says; an exclusion later is a leave."""
    rig = Rig(plan(audience=(ref("news"),), exclude=(ref("staff"),), on_leave=OnLeave.DELETE))
    rig.people(("a", A, "x"), ("b", B, "x"))
    rig.keys("news", "a", "b")
    rig.keys("staff", "b")
    assert rig.run().sent == ["a upsert"]
    rig.keys("staff", "a", "b")
    assert rig.run().sent == ["a leave"]
    assert rig.vendor.people == {}


def test_cohort_refused_leave_waits() -> None:
    """A record is forgotten only once its memberships are ended: a refused part keeps it."""
    rig = Rig(plan(cohorts=(cohort("gold"),)))
    rig.keys("gold", "a")
    rig.people(("a", A, "x"), ("b", B, "x"))
    rig.run()
    rig.people(("b", B, "x"))
    rig.vendor.refuse = {f"part {A}": "NO"}
    assert rig.run().status["a part gold"] == "NO"
    assert rig.members() == [("a", "gold")]
    rig.vendor.refuse = {}
    rig.run(retry=True)
    assert rig.members() == []
    assert rig.vendor.tags[A] == set()
    assert [row[0] for row in rig.snapshot()] == ["b"]


def test_audience_and_exclude_both_hold() -> None:
    """A record is wanted where its key is in every audience and in no excluded model."""
    rig = Rig(plan(audience=(ref("readers"), ref("buyers")), exclude=(ref("staff"), ref("minors"))))
    rig.people(*((key, f"{key}@example.org", "x") for key in "abcde"))
    rig.keys("readers", "a", "b", "c", "d")
    rig.keys("buyers", "a", "b", "c", "e")
    rig.keys("staff", "b")
    rig.keys("minors", "c")
    assert rig.run().sent == ["a upsert"]


def test_memberships_end_before_their_record() -> None:
    """Of one key, the call that takes it out of a cohort leaves before the one that deletes it."""
    rig = Rig(plan(on_leave=OnLeave.DELETE, cohorts=(cohort("gold"),)))
    rig.people(("a", A, "x"), ("b", B, "x"))
    rig.keys("gold", "a")
    rig.run()
    rig.people(("b", B, "x"))
    rig.keys("gold")
    done = rig.run()
    assert done.sent == ["a part gold", "a leave"]


def test_a_key_s_health_counts_rows_nulls_and_repeats() -> None:
    """Rows, rows with a null in the key, and rows beyond the first of each key."""
    values = "(SELECT * FROM (VALUES (1, 'x'), (1, 'x'), (1, 'y'), (2, NULL), (3, 'z')) t(k, l))"
    found = duckdb.execute(desired.key_health(ref("people", "k", "l"), values)).fetchall()
    assert found == [(5, 1, 1)]
    assert duckdb.execute(desired.health(ref("people", "k", "l"), values)).fetchall() == [(5, 1)]

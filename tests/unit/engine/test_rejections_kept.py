"""What was refused: when it goes again, and when it is forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.unit.engine.harness import Rig, cohort, fields, plan

A, B = "a@example.org", "b@example.org"


def refused() -> Rig:
    """Return a rig whose person ``a`` was refused and ``b`` delivered."""
    rig = Rig()
    rig.vendor.refuse = {A: "NO"}
    rig.people(("a", A, "x"), ("b", B, "x"))
    assert rig.run().status == {"a upsert": "NO", "b upsert": "delivered"}
    return rig


def test_gap_grows() -> None:
    """A refused change rests 1 h, then 2 h, 4 h … and never longer than 7 days; then it goes as a retry."""
    rig = refused()
    for hours in (1, 2, 4, 8, 16, 32, 64, 128, 168, 168):
        assert rig.run().calls == []
        at = rig.rows("SELECT next_at FROM revetl_state.rejected")[0]
        assert abs((at - rig.now()) - timedelta(hours=hours)) < timedelta(seconds=10)
        rig.later(hours=hours, seconds=-20)
        assert rig.run().calls == []
        rig.later(seconds=40)
        done = rig.run()
        assert [(did.name, did.cause, did.code) for did in done.changes] == [("a upsert", "retry", "NO")]


def test_a_refusal_of_our_own_rests_by_the_same_clock() -> None:
    """Two people who exchange their addresses are refused before anything is sent, and looked at again in an hour."""
    rig = Rig()
    rig.people(("a", A, "x"), ("b", B, "x"))
    rig.run()
    rig.people(("a", B, "x"), ("b", A, "x"))
    assert "IDENTITY_SWAP" in rig.run().status.values()
    for since, next_at in rig.con.execute("SELECT since, next_at FROM revetl_state.rejected").fetchall():
        assert abs(since - rig.now()) < timedelta(seconds=10)
        assert next_at - since == timedelta(hours=1)


def test_frozen_is_counted() -> None:
    """A plan says how many changes rest."""
    assert refused().look().previews()[0].frozen == 1


def test_retry_now() -> None:
    """``--retry`` sends it at once; once delivered it is forgotten."""
    rig = refused()
    rig.vendor.refuse = {}
    assert rig.run(retry=True).status == {"a upsert": "delivered"}
    assert rig.rows("SELECT count(*) FROM revetl_state.rejected") == [0]
    assert rig.run().changes == []


def test_value_changed() -> None:
    """Another value is tried at once, without waiting for its time."""
    rig = refused()
    rig.vendor.refuse = {}
    rig.people(("a", A, "better"), ("b", B, "x"))
    assert rig.run().status == {"a upsert": "delivered"}


def test_mapping_changed() -> None:
    """Another mapping is tried at once, too."""
    rig = refused()
    rig.vendor.refuse = {}
    rig.plan = replace(rig.plan, fields=fields("email"))
    assert rig.run().sent == ["a upsert"]


def test_back_to_what_was_delivered() -> None:
    """A refused value that the model took back is refused no more."""
    rig = refused()
    rig.vendor.refuse = {B: "NO"}
    rig.people(("b", B, "y"))
    assert rig.run().status["b upsert"] == "NO"
    rig.people(("b", B, "x"))
    assert rig.run().changes == []
    assert rig.rows("SELECT key FROM revetl_state.rejected") == []


def test_refused_is_not_lost() -> None:
    """A refused record that then leaves the model was never there: nothing is called and nothing kept."""
    rig = refused()
    rig.people(("b", B, "x"))
    assert rig.run().calls == []
    assert rig.rows("SELECT key FROM revetl_state.rejected") == []


def test_join_waits_for_its_record() -> None:
    """No membership is asked for of a record that was refused."""
    rig = Rig(plan(cohorts=(cohort("gold"),)))
    rig.vendor.refuse = {f"upsert {A}": "NO"}
    rig.people(("a", A, "x"))
    rig.keys("gold", "a")
    done = rig.run()
    assert done.status == {"a upsert": "NO", "a join gold": "waiting"}
    assert [op for op, _ in done.calls] == ["upsert"]
    assert rig.run().calls == []
    rig.vendor.refuse = {}
    assert rig.run(retry=True).status == {"a upsert": "delivered", "a join gold": "delivered"}


def test_a_refusal_that_is_an_opt_out_is_kept() -> None:
    """Codes that the destination names as such are noted with the key, and no other; once delivered, it is no more."""
    rig = Rig()
    rig.destination = replace(rig.destination, opted_out=frozenset({"FORGOTTEN"}))
    rig.vendor.refuse = {A: "FORGOTTEN", B: "NO"}
    rig.people(("a", A, "x"), ("b", B, "x"))
    rig.run()
    assert rig.rows("SELECT key, code, found_by FROM revetl_state.opted_out") == [('["a"]', "FORGOTTEN", "refused")]
    rig.vendor.refuse = {}
    rig.run(retry=True)
    assert rig.rows("SELECT count(*) FROM revetl_state.opted_out") == [0]

"""Two records that met at one identity are one there: whoever is renamed takes along what the other had."""

from __future__ import annotations

from revetl.types import OnLeave
from tests.unit.engine.harness import Rig, cohort, fields, plan

A, B, C = (f"{name}@example.org" for name in "abc")


def rig() -> Rig:
    """Return a rig of a, who is a member, and b, after its first run."""
    made = Rig(plan(cohorts=(cohort("gold"),), on_leave=OnLeave.DELETE, on_leave_scope="all"))
    made.people(("a", A, "x"), ("b", B, "y"))
    made.keys("gold", "a")
    made.run()
    return made


def met() -> Rig:
    """Return a rig in which b was renamed to where a stood, who leaves, and nothing else came through yet."""
    made = rig()
    made.people(("b", A, "y"))
    made.keys("gold")
    made.vendor.refuse = {f"upsert {A}": "REFUSED", f"part {A}": "REFUSED"}
    made.run()
    assert len(made.snapshot()) == 2
    made.vendor.refuse = {}
    made.later(days=8)
    return made


def test_who_moves_away_leaves_another_behind() -> None:
    """Both go back to where they were: each stands there with what is its own."""
    made = met()
    made.people(("a", A, "x"), ("b", B, "y"))
    made.keys("gold", "a")
    made.run()
    assert made.vendor.people == {A: {"email": A, "a": "x"}, B: {"email": B, "a": "y"}}
    assert {email for email, tags in made.vendor.tags.items() if tags} == {A}
    assert made.run().changes == []


def test_who_moves_on_takes_no_membership_along() -> None:
    """The one goes further and the other leaves: the leaver's membership ends where the record stands by now."""
    made = met()
    made.people(("b", C, "y"))
    made.run()
    assert made.vendor.people == {C: {"email": C, "a": "y"}}
    assert not any(made.vendor.tags.values())
    assert made.run().changes == []


def test_doubts_follow_a_rename() -> None:
    """What a lost request may have left at an identity moves along with the record."""
    made = rig()
    pending = (
        "INSERT INTO revetl_state.pending (sync, key, op, cohort, since, run, touched, tried, near, linked) "
        "VALUES ('sim.person', '[\"z\"]', 'join', 'gold', now(), 'r', [], [], [?], [])"
    )
    made.con.execute(pending, [B])
    made.people(("a", A, "x"), ("b", C, "y"))
    made.run()
    assert made.rows(f"SELECT list_contains(near, '{C}') FROM revetl_state.pending") == [True]


def test_who_cannot_be_renamed_is_parted_from_nothing() -> None:
    """Two exchange their identities, which nobody can send: the membership that ends is not taken from the other."""
    made = Rig(plan(cohorts=(cohort("gold"),)))
    made.people(("a", A, "x"), ("b", B, "y"))
    made.keys("gold", "a", "b")
    made.run()
    made.people(("a", B, "x"), ("b", A, "y"))
    made.keys("gold", "b")
    done = made.run()
    assert done.status["a part gold"] == "waiting"
    assert made.vendor.tags == {A: {"gold"}, B: {"gold"}}
    made.people(("a", C, "x"), ("b", B, "y"))
    made.later(days=8)
    made.run()
    assert made.vendor.tags == {C: set(), B: {"gold"}}


def test_who_hands_over_stays_known_until_its_memberships_have_ended() -> None:
    """The end of a membership is refused and rests: the leaver is not let go of, so that it is tried again."""
    made = rig()
    made.people(("b", A, "y"))
    made.keys("gold")
    made.vendor.refuse = {f"part {A}": "REFUSED"}
    made.run()
    made.vendor.refuse = {}
    made.run()
    made.later(days=8)
    made.run()
    assert not any(made.vendor.tags.values())
    assert made.run().changes == []


def test_who_is_left_behind_and_waits_is_asserted_by_the_next_run() -> None:
    """The record is renamed away, and the run ends before the other one, which stood there too, is written anew."""
    made = met()
    made.people(("a", A, "x"), ("b", B, "y"))
    made.keys("gold", "a")
    made.vendor.refuse = {f"upsert {A}": "REFUSED"}
    made.run()
    assert set(made.vendor.people) == {B}
    made.vendor.refuse = {}
    made.later(days=8)
    made.run()
    assert made.vendor.people == {A: {"email": A, "a": "x"}, B: {"email": B, "a": "y"}}
    assert {email for email, tags in made.vendor.tags.items() if tags} == {A}
    made.later(days=1)
    made.run()
    assert made.run().changes == []


def test_nobody_is_handed_over_to_who_does_not_come_in_this_run() -> None:
    """A rename is refused and rests: who left its place stays known until the other one stands there."""
    made = rig()
    made.people(("b", A, "y"))
    made.keys("gold", "b")
    made.vendor.refuse = {f"identity {A}": "REFUSED"}
    made.run()
    made.vendor.refuse = {}
    made.run()
    assert len(made.snapshot()) == 2
    made.later(days=8)
    made.run()
    assert made.vendor.people == {A: {"email": A, "a": "y"}}
    assert made.members() == [("b", "gold")]
    assert made.run().changes == []


def test_what_any_of_those_who_met_had_is_cleared() -> None:
    """Two stand at one identity: whoever takes it over clears what the one and what the other had been given there."""
    wide = "id VARCHAR, email VARCHAR, a VARCHAR, z VARCHAR"
    made = Rig(plan(fields=fields("email", "a", "z")))
    made.people(("a", A, "x", None), ("b", B, None, "y"), columns=wide)
    made.run()
    made.people(("b", A, None, "y"), columns=wide)
    made.vendor.refuse = {f"upsert {A}": "REFUSED"}
    made.run()
    made.people(("c", A, None, None), columns=wide)
    made.vendor.refuse = {}
    made.later(days=8)
    assert made.run().body("c upsert") == {"email": A, "a": None, "z": None}


def test_who_was_renamed_while_in_doubt_is_found_where_it_went() -> None:
    """A record whose first write is of unknown outcome moves twice: nothing stays behind at either place."""
    made = Rig(plan())
    made.people(("a", A, "x"))
    made.vendor.lose = {f"upsert {A}"}
    made.run()
    made.vendor.lose = set()
    made.people(("a", B, "x"))
    made.vendor.refuse = {f"upsert {B}": "REFUSED"}
    made.run()
    assert set(made.vendor.people) == {B}
    made.vendor.refuse = {}
    made.people(("a", C, "x"))
    made.later(days=8)
    made.run()
    assert made.vendor.people == {C: {"email": C, "a": "x"}}

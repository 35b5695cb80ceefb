"""Identities: renamed, exchanged, handed over, claimed twice."""

from __future__ import annotations

from revetl.types import OnLeave
from tests.unit.engine.harness import Rig, cohort, plan


def mail(name: str) -> str:
    """Return an e-mail address."""
    return f"{name}@example.org"


def started(*rows: tuple[str, str | None, str | None], **more: object) -> Rig:
    """Return a rig whose vendor holds these people."""
    rig = Rig(plan(**more))
    for one in rig.plan.cohorts:
        rig.keys(one.name)
    rig.people(*rows)
    rig.run()
    return rig


def test_rename() -> None:
    """A new match value renames the record where it stands; with nothing else changed nothing else is sent."""
    rig = started(("a", mail("old"), "x"))
    rig.people(("a", mail("new"), "x"))
    done = rig.run()
    assert done.sent == ["a identity"]
    assert [(did.before, did.match) for did in done.changes if did.op == "identity"] == [(mail("old"), mail("new"))]
    assert rig.vendor.people == {mail("new"): {"email": mail("new"), "a": "x"}}
    assert rig.run().changes == []


def test_rename_with_value() -> None:
    """A rename goes before the values of the same key, and only changed values travel."""
    rig = started(("a", mail("old"), "x"))
    rig.people(("a", mail("new"), "y"))
    done = rig.run()
    assert done.sent == ["a identity", "a upsert"]
    assert done.body("a upsert") == {"a": "y"}


def test_case_only() -> None:
    """Another spelling of the same address is no other identity: the field changes, the record is not renamed."""
    rig = started(("a", "Ann@example.org", "x"))
    rig.people(("a", "ann@example.org", "x"))
    done = rig.run()
    assert done.sent == ["a upsert"]
    assert done.body("a upsert") == {"email": "ann@example.org"}


def test_chain() -> None:
    """Who moves out goes before who moves in, through a whole chain."""
    rig = started(("a", mail("1"), "x"), ("b", mail("2"), "y"), ("c", mail("3"), "z"))
    rig.people(("a", mail("2"), "x"), ("b", mail("3"), "y"), ("c", mail("4"), "z"))
    done = rig.run()
    assert [name for name in done.sent if name.endswith("identity")] == ["c identity", "b identity", "a identity"]
    assert {name: person["a"] for name, person in rig.vendor.people.items()} == {
        mail("2"): "x", mail("3"): "y", mail("4"): "z",
    }  # fmt: skip
    assert rig.run().changes == []


def test_chain_waits() -> None:
    """Where the one who must move out is refused, whoever follows waits; later runs finish it."""
    rig = started(("a", mail("1"), "x"), ("b", mail("2"), "y"))
    rig.vendor.refuse = {f"identity {mail('3')}": "NO"}
    rig.people(("a", mail("2"), "x"), ("b", mail("3"), "y"))
    done = rig.run()
    assert done.status["b identity"] == "NO"
    assert {did.status for did in done.changes if did.name.startswith("a ")} == {"waiting"}
    assert set(rig.vendor.people) == {mail("1"), mail("2")}
    assert rig.run().sent == []  # it is not tried again yet, and still in the way
    assert set(rig.vendor.people) == {mail("1"), mail("2")}
    rig.vendor.refuse = {}
    rig.run(retry=True)
    assert {name: person["a"] for name, person in rig.vendor.people.items()} == {mail("2"): "x", mail("3"): "y"}


def test_swap() -> None:
    """Two records that exchange their match values are both refused by name, and nothing of them leaves."""
    rig = started(("a", mail("1"), "x"), ("b", mail("2"), "y"), ("c", mail("3"), "z"))
    rig.people(("a", mail("2"), "x"), ("b", mail("1"), "y"), ("c", mail("3"), "new"))
    done = rig.run()
    assert done.sent == ["c upsert"]
    assert {name: code for name, code in done.status.items() if name.endswith("identity")} == {
        "a identity": "IDENTITY_SWAP", "b identity": "IDENTITY_SWAP",
    }  # fmt: skip
    assert [row[1] for row in rig.snapshot()] == [mail("1"), mail("2"), mail("3")]
    assert rig.run().changes == []  # refused once, not with every run
    rig.people(("a", mail("4"), "x"), ("b", mail("1"), "y"), ("c", mail("3"), "new"))
    assert rig.run().sent == ["a identity", "b identity", "b upsert"]  # in full: another stood there
    assert {name: person["a"] for name, person in rig.vendor.people.items()} == {
        mail("1"): "y", mail("3"): "new", mail("4"): "x",
    }  # fmt: skip


def test_long_chain_waits() -> None:
    """One that stays holds up everyone behind it, not only the next."""
    rig = started(*[(k, mail(str(n)), k) for n, k in enumerate("abc")])
    rig.vendor.refuse = {f"identity {mail('3')}": "NO"}
    rig.people(*[(k, mail(str(n + 1)), k) for n, k in enumerate("abc")])
    before = {name: dict(person) for name, person in rig.vendor.people.items()}
    for _ in range(3):
        rig.run()
        assert rig.vendor.people == before
    rig.vendor.refuse = {}
    rig.later(hours=2)
    rig.run()
    assert {name: person["a"] for name, person in rig.vendor.people.items()} == {
        mail("1"): "a", mail("2"): "b", mail("3"): "c",
    }  # fmt: skip


def test_canary_waits() -> None:
    """A canary never moves a record onto one that the canary leaves where it is."""
    rig = started(("a", mail("1"), "x"), ("b", mail("2"), "y"))
    rig.people(("a", mail("2"), "x"), ("b", mail("3"), "y"))
    assert rig.run(limit=1).calls == []
    assert rig.run().sent == ["b identity", "a identity", "a upsert"]  # in full: another stood there


def test_hand_over() -> None:
    """An identity that a wanted record takes over is never deleted there: the leave is settled without a call."""
    rig = started(("a", mail("1"), "x"), on_leave=OnLeave.DELETE, on_leave_scope="all")
    rig.people(("b", mail("1"), "y"))
    done = rig.run()
    assert done.status == {"a leave": "handed_over", "b upsert": "delivered"}
    assert done.body("b upsert") == {"email": mail("1"), "a": "y"}
    assert [row[0] for row in rig.snapshot()] == ["b"]
    assert rig.run().changes == []


def test_hand_over_clears() -> None:
    """What revetl delivered for the one who left is cleared where the one who follows has nothing."""
    rig = started(("a", mail("1"), "x"))
    rig.people(("b", mail("1"), None))
    done = rig.run()
    assert done.body("b upsert") == {"email": mail("1"), "a": None}
    assert rig.vendor.people == {mail("1"): {"email": mail("1")}}


def test_hand_over_cohorts() -> None:
    """With an identity its memberships are handed over: those still wanted stay, the others are ended."""
    rig = started(("a", mail("1"), "x"), cohorts=(cohort("gold"), cohort("risky")))
    rig.keys("gold", "a")
    rig.keys("risky", "a")
    rig.run()
    rig.people(("b", mail("1"), "x"))
    rig.keys("gold", "b")
    rig.keys("risky")
    done = rig.run()
    assert done.status["a part gold"] == "handed_over"
    assert done.status["a part risky"] == "delivered"
    assert rig.vendor.tags == {mail("1"): {"gold"}}
    assert rig.members() == [("b", "gold")]
    assert rig.run().changes == []


def test_collision() -> None:
    """Two records with one match value are both refused until the model says whose it is."""
    rig = started(("z", mail("9"), "x"))
    rig.people(("z", mail("9"), "x"), ("a", mail("1"), "x"), ("b", " " + mail("1").upper(), "y"))
    done = rig.run()
    assert done.status == {"a upsert": "MATCH_COLLISION", "b upsert": "MATCH_COLLISION"}
    assert done.calls == []
    assert done.found.previews()[0].collisions == 2
    rig.people(("z", mail("9"), "x"), ("a", mail("1"), "x"), ("b", mail("2"), "y"))
    done = rig.run()
    assert sorted(done.sent) == ["a upsert", "b upsert"]
    assert rig.rows("SELECT count(*) FROM revetl_state.rejected") == [0]


def test_collision_with_known() -> None:
    """A newcomer cannot take what a known record still has: nothing is sent for it, nor lost for the other."""
    rig = started(("a", mail("1"), "x"))
    rig.people(("a", mail("1"), "x"), ("b", mail("1"), "y"))
    done = rig.run()
    assert done.calls == []
    assert done.status["b upsert"] == "MATCH_COLLISION"
    assert rig.vendor.people[mail("1")]["a"] == "x"


def test_unmatched_is_not_absent() -> None:
    """A record without a match value is left out and listed; it is no leave, and is sent once it has one."""
    rig = started(("a", mail("1"), "x"), on_leave=OnLeave.DELETE, on_leave_scope="all", cohorts=(cohort("gold"),))
    rig.keys("gold", "a")
    rig.run()
    for nothing in (None, "  "):
        rig.people(("a", nothing, "y"), ("b", nothing, "y"))
        rig.keys("gold")
        done = rig.run()
        assert done.changes == []
        assert done.found.previews()[0].unmatched == 2
        assert rig.rows("SELECT key FROM revetl_state.unmatched ORDER BY key") == ['["a"]', '["b"]']
    assert set(rig.vendor.people) == {mail("1")}
    rig.people(("a", mail("1"), "y"))
    assert rig.run().sent == ["a upsert", "a part gold"]
    assert rig.rows("SELECT count(*) FROM revetl_state.unmatched") == [0]


def test_who_stands_where_another_cannot_move_out_goes_on() -> None:
    """As state says, two stand at one address, where there is one record; that one is refused holds nobody up."""
    rig = Rig(plan())
    rig.people(("a", "a@example.org", "x"), ("b", "b@example.org", "x"), ("c", "c@example.org", "x"))
    rig.run()
    rig.con.execute("UPDATE revetl_state.snap_1 SET m = 'a@example.org', f0 = 'a@example.org' WHERE k0 = 'b'")
    rig.vendor.refuse = {"z@example.org": "NO"}
    for value in "yz":
        rig.people(("a", "z@example.org", "x"), ("b", "a@example.org", value), ("c", "c@example.org", value))
        ran = rig.run()
    assert ran.status == {"b upsert": "delivered", "c upsert": "delivered"}
    assert rig.vendor.people["a@example.org"]["a"] == "z"

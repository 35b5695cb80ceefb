"""Who is forgotten is left out of a run: by key in their entity, by identity, under the keys of the ledger alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from revetl.engine.forgotten import Hasher
from revetl.engine.keyring import Keyring
from revetl.errors import StateError
from revetl.state.purging import purge
from revetl.state.tombstones import Tombstone, write
from revetl.types import OnLeave
from tests.unit.engine.harness import KEY, NAME, Rig, cohort, plan

RING = Keyring((KEY,))
HASHER = Hasher(RING)


def rig(directory: Path, stone: Tombstone) -> Rig:
    """Return a target that nothing was sent from yet, where somebody is forgotten."""
    made = Rig(plan(cohorts=(cohort("gold"),)), directory)
    write(made.store(), [stone])
    made.people(("a", "A@example.org", "x"), ("b", "b@example.org", "x"))
    made.keys("gold", "a", "b")
    return made


def stone(entity: str = "person", ring: str = RING.ids[0], **hashes: tuple[str, ...]) -> Tombstone:
    """Return a tombstone."""
    return Tombstone("t1", Rig().now(), ring, entity, **hashes)


@pytest.mark.parametrize(
    "one",
    [
        stone(keys=HASHER.key("person", '["a"]')),
        stone("customer", keys=HASHER.key("person", '["a"]')),  # one person, keys in two entities
        stone("customer", identities=HASHER.identity("a@EXAMPLE.org ")),
    ],
    ids=["key", "key of another entity's stone", "address"],
)
def test_left_out(one: Tombstone, tmp_path: Path) -> None:
    """Neither the record nor a membership goes, and nothing of it counts as a leave; everybody else goes."""
    made = rig(tmp_path, one)
    ran = made.run()
    assert sorted(ran.sent) == ["b join gold", "b upsert"]
    assert "1 person is forgotten and left out" in ran.found.previews()[0].notes
    assert made.run().changes == []


def test_another_entity_with_the_same_key_goes(tmp_path: Path) -> None:
    """The key of a company is not that of a person."""
    ran = rig(tmp_path, stone("company", keys=HASHER.key("company", '["a"]'))).run()
    assert "a upsert" in ran.sent


def test_without_the_key_nothing_goes(tmp_path: Path) -> None:
    """Under another key of the ledger nobody would be recognised: the sync is refused."""
    made = rig(tmp_path, stone(ring="0" * 12, keys=("x",)))
    error = made.look().errors["sim.person"]
    assert isinstance(error, StateError)
    assert error.code == "RVT-538"


def test_who_comes_to_a_forgotten_address_stays_and_others_wait_for_the_place(tmp_path: Path) -> None:
    """They stand where they stood, nobody is written over them, and all goes once the model has another address."""
    made = rig(tmp_path, stone(identities=HASHER.identity("z@example.org")))
    made.keys("gold")
    made.run()
    stood = dict(made.vendor.people)
    others = (("b", "a@example.org", "x"), ("c", "b@example.org", "x"), ("d", "d@example.org", "x"))
    made.people(("a", "z@example.org", "x"), *others)
    assert made.run().sent == ["d upsert"]
    ran = made.run()
    assert ran.sent == []
    assert ran.status == {"b identity": "waiting", "b upsert": "waiting", "c upsert": "waiting"}
    told = made.rows("SELECT DISTINCT reason FROM final")
    assert [reason.partition(",")[0] for reason in told] == ["somebody who is left out"]
    assert {email: made.vendor.people[email] for email in stood} == stood
    made.people(("a", "y@example.org", "x"), *others)
    assert [name for name in made.run().sent if name.endswith("identity")] == ["a identity", "b identity"]
    assert set(made.vendor.people) == {f"{name}@example.org" for name in "abdy"}
    assert made.run().changes == []


def test_who_leaves_an_address_that_the_model_gives_a_forgotten_person_is_deleted_there(tmp_path: Path) -> None:
    """Nothing is handed over to who never comes: neither the record nor a membership."""
    made = rig(tmp_path, stone(keys=HASHER.key("person", '["c"]')))
    made.plan = replace(made.plan, on_leave=OnLeave.DELETE, on_leave_scope="all")
    made.run()
    made.people(("c", "a@example.org", "x"), ("b", "b@example.org", "x"))
    made.keys("gold", "b", "c")
    assert made.run().status == {"a part gold": "delivered", "a leave": "delivered"}
    assert set(made.vendor.people) == {"b@example.org"}
    assert made.run().changes == []


def test_where_a_lost_request_may_have_brought_somebody_all_is_asserted_anew(tmp_path: Path) -> None:
    """A rename onto another's record may have merged the two: values and memberships of who is purged end there."""
    made = rig(tmp_path, stone(keys=HASHER.key("person", '["b"]')))
    made.people(("a", "a@example.org", None), ("c", "c@example.org", "x"))
    made.keys("gold")
    made.run()
    pending = "INSERT INTO revetl_state.pending (sync, key, op, cohort, since, run, touched, tried, near) VALUES "
    doubt = f"('{NAME}', '[\"b\"]', '%s', %s, TIMESTAMPTZ '2020-01-01 00:00:00+00', 'r', %s, "
    doubt += "[{'m': 'a@example.org', 'i': 'a@example.org'}], ['a@example.org', 'b@example.org'])"
    made.con.execute(f"{pending}{doubt % ('upsert', 'NULL', '[0, 1]')}, {doubt % ('join', repr('gold'), '[]')}")
    made.vendor.people["a@example.org"]["a"], made.vendor.tags["a@example.org"] = "y", {"gold"}
    purge(made.store(), {NAME: ['["b"]']}, [], "forgotten")
    assert made.run().status == {"a upsert": "delivered", "a part gold": "delivered"}
    assert made.vendor.people["a@example.org"] == {"email": "a@example.org"}
    assert made.vendor.tags["a@example.org"] == set()
    assert made.run().changes == []


def test_a_doubt_at_a_forgotten_address_ends(tmp_path: Path) -> None:
    """Who is gone, and may still stand where a forgotten person did, leaves without a call, and the doubt ends."""
    made = rig(tmp_path, stone(identities=HASHER.identity("z@example.org")))
    made.plan = replace(made.plan, on_leave=OnLeave.DELETE, on_leave_scope="all")
    made.run()
    made.people(("b", "b@example.org", "x"), ("c", "c@example.org", "x"))
    made.run()
    made.con.execute(
        "INSERT INTO revetl_state.pending (sync, key, op, since, run, touched, tried, near) VALUES "
        f"('{NAME}', '[\"c\"]', 'upsert', TIMESTAMPTZ '2020-01-01 00:00:00+00', 'r', [], "
        "[{'m': 'z@example.org', 'i': 'z@example.org'}], ['z@example.org'])"
    )
    made.people(("b", "b@example.org", "x"))
    ran = made.run()
    assert [did.name for did in ran.changes if did.body is not None] == ["c leave"]
    assert sorted(did.local or "" for did in ran.changes if did.op == "leave") == ["", "forgotten"]
    assert made.rows("SELECT count(*) FROM revetl_state.pending") == [0]
    assert made.run().changes == []


def test_who_is_gone_leaves_a_forgotten_address_with_their_memberships(tmp_path: Path) -> None:
    """Nobody is called: the place was erased. State has nothing of them any more, and nothing goes later."""
    made = rig(tmp_path, stone())
    made.plan = replace(made.plan, on_leave=OnLeave.DELETE, on_leave_scope="all")
    made.run()
    write(made.store(), [stone(identities=HASHER.identity("b@example.org"))])
    made.people(("a", "A@example.org", "x"))
    made.keys("gold", "a")
    ran = made.run()
    assert [did for did in ran.changes if did.body is not None] == []
    assert sorted((did.name, did.local) for did in ran.changes) == [
        ("b leave", "forgotten"), ("b part gold", "forgotten"),
    ]  # fmt: skip
    assert made.rows("SELECT k0 FROM revetl_state.snap_1") == ["a"]
    assert made.rows("SELECT k0 FROM revetl_state.members_1") == ["a"]
    assert made.run().changes == []

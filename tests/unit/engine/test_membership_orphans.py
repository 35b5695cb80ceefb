"""What memberships carry no more is listed, ended there where that is asked for, and forgotten."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from revetl.engine.leftovers import known
from revetl.engine.retiring import clearable, retire
from revetl.mapping import orphans
from revetl.state.layout import StoredField, add_field, load_sync
from revetl.types import CohortPlan, FieldPlan, SyncPlan
from tests.unit.engine.harness import NAME, OFF, Rig, fields, plan, ref
from tests.unit.engine.shopping import mapped, shop
from tests.unit.engine.shopping import plan as shop_plan
from tests.unit.state.written import MAIL, Sent

A = "a@example.org"


def carrying(*names: str) -> SyncPlan:
    """Return a sync whose cohort ``gold`` has these fields in its memberships."""
    fields = tuple(FieldPlan(name, name, "model.sim.gold") for name in names)
    return plan(cohorts=(CohortPlan("gold", "gold", ref("gold"), OFF, fields=fields),))


def joined(*names: str) -> Rig:
    """Return a rig with one member, whose membership carries level 1."""
    rig = Rig(carrying(*names))
    rig.people(("a", A, "x"))
    rig.model("gold", "id VARCHAR, level VARCHAR", ("a", "1"))
    assert rig.run().status == {"a upsert": "delivered", "a join gold": "delivered"}
    return rig


def test_a_field_that_memberships_carry_no_more_is_an_orphan() -> None:
    """It is listed under its cohort's name, unless it was renamed or its whole cohort is gone."""
    rig = joined("level")
    found = known(rig.store())
    assert orphans(found, [carrying("level")]) == ()
    (orphan,) = orphans(found, [carrying()])
    assert (orphan.sync, orphan.kind, orphan.name) == (NAME, "membership field", "gold.level")
    assert [o.kind for o in orphans(found, [plan()])] == ["cohort"]
    renamed = carrying("rank")
    (cohort,) = renamed.cohorts
    field = replace(cohort.fields[0], was="level")
    (moved,) = orphans(found, [replace(renamed, cohorts=(replace(cohort, fields=(field,)),))])
    assert moved.now == "gold.rank"


def test_it_can_be_cleared_there() -> None:
    """``retire --clear`` sends the membership once more with a null, and nothing else; without it nothing is sent."""
    rig = joined("level")
    rig.plan = carrying()
    assert rig.run().changes == []
    done = rig.run(clear=(f"{NAME}.gold.level",))
    assert [(did.name, did.status, did.body) for did in done.changes] == [("a join gold", "delivered", {"level": None})]
    assert rig.vendor.told[A]["gold"] == {"level": None}


def test_it_is_forgotten(tmp_path: Path) -> None:
    """Its column goes, and the membership stays."""
    workspace, state = shop(tmp_path)
    state.run("r1", Sent('["c1"]'), Sent('["c1"]', op="join", cohort="vip"))
    with state.store() as store:
        carried = StoredField(2, "Status", "status", "model.shop.vip", "VARCHAR", None, False, False, None, "vip")
        add_field(store, 1, carried)
    workspace = mapped(workspace, shop_plan(MAIL))
    assert clearable(workspace, "vip.Status") == (f"{MAIL}.vip.Status",)
    assert [(r.kind, r.name) for r in retire(workspace, f"{MAIL}.vip.Status")] == [("membership field", "vip.Status")]
    with state.store() as store:
        sync = load_sync(store, MAIL)
        assert sync is not None
        assert sync.memberships == ()
        assert store.rows("SELECT cohort FROM revetl_state.members_1") == [("vip",)]


def test_what_stands_there_stays_known_through_other_changes() -> None:
    """A record and a membership that change keep what their orphans hold, so that clearing still reaches it."""
    rig = Rig(replace(carrying("level", "rank"), fields=fields("email", "a", "b")))
    rig.model("people", "id VARCHAR, email VARCHAR, a VARCHAR, b VARCHAR", ("a", A, "x", "old"))
    rig.model("gold", "id VARCHAR, level VARCHAR, rank VARCHAR", ("a", "1", "2"))
    rig.run()
    rig.plan = carrying("level")
    rig.model("people", "id VARCHAR, email VARCHAR, a VARCHAR, b VARCHAR", ("a", A, "y", "old"))
    rig.model("gold", "id VARCHAR, level VARCHAR, rank VARCHAR", ("a", "3", "2"))
    assert sorted(rig.run().sent) == ["a join gold", "a upsert"]
    done = rig.run(clear=(f"{NAME}.b", f"{NAME}.gold.rank"))
    assert done.body("a upsert") == {"b": None}
    assert done.body("a join gold") == {"level": "3", "rank": None}
    assert rig.run(clear=(f"{NAME}.b", f"{NAME}.gold.rank")).changes == []

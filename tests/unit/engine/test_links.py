"""Links from records to those of another sync: as soon as the other has an id, never sooner, ended when they change."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from revetl.config import IncrementalConfig
from revetl.contract import Diagnosis, Fault, Reply
from revetl.engine.linking import targets_first
from revetl.types import Constant, FieldPlan, LinkPlan, OnLeave, OnNull, SyncPlan, Write
from tests.faults.vendor import WHOLE
from tests.unit.engine.harness import OFF, Rig, plan, ref

WIDE = "id VARCHAR, email VARCHAR, a VARCHAR, firm VARCHAR"
A, B = "a@example.org", "b@example.org"
FIRM = "sim.firm"
FATAL = Diagnosis(Fault.FATAL, "no more")


def firms(**more: Any) -> SyncPlan:
    """Return a sync of firms, who are known there by an address."""
    whole: dict[str, Any] = {
        "base": ref("firms"), "key": ("id",), "guards": OFF, "sandbox": True,
        "fields": (FieldPlan("email", "email", "model.sim.firms"),), **more,
    }  # fmt: skip
    return SyncPlan(
        name=FIRM, destination="sim", type="sim", object="firm", entity="firm", match_field="email",
        match_property="email", **whole,
    )  # fmt: skip


def link(name: str = "firm", *, target: str = FIRM, model: str = "firms", **more: Any) -> LinkPlan:
    """Return a link that bears the name of its column."""
    return LinkPlan(name, (name,), "model.sim.people", target, ref(model), **more)


def rig(*links: LinkPlan, **more: Any) -> Rig:
    """Return a rig of people and firms that have run once: nobody is there but a firm, f1."""
    made = Rig(plan(links=links or (link(),), **more))
    made.others = (firms(),)
    made.model("firms", "id VARCHAR, email VARCHAR", ("f1", "one@example.net"))
    made.people(("a", A, "x", None), columns=WIDE)
    return made


def held(made: Rig, email: str, name: str = "firm") -> set[str]:
    """Return the addresses of the firms that a person is linked to there."""
    names = {ident: address for address, ident in (made.vendor.firms | made.vendor.ids).items()}
    return {names[ident] for ident in made.vendor.links.get(email, {}).get(name, set())}


def waiting(made: Rig) -> list[Any]:
    """Return the links that state says are waiting."""
    return made.rows("SELECT key, field, awaits FROM revetl_state.waiting_links ORDER BY ALL")


def test_linked_in_the_run_that_makes_both() -> None:
    """A firm that the run makes is linked in the same run, the firms going first; the next run sends nothing."""
    made = rig()
    made.people(("a", A, "x", "f1"), ("b", B, "x", None), columns=WIDE)
    done = made.run()
    assert [op for op, _ in done.calls] == ["upsert", "upsert", "upsert"]
    assert done.calls[0][1]["email"] == "one@example.net"
    assert held(made, A) == {"one@example.net"}
    assert held(made, B) == set()
    assert made.run().changes == []


def test_linked_when_only_the_firm_is_new() -> None:
    """A link that waited is sent in the run that makes its firm, and carries nothing else."""
    made = rig()
    made.people(("a", A, "x", "f2"), columns=WIDE)
    assert "a upsert" in made.run().sent
    assert waiting(made) == [('["a"]', "firm", '["f2"]')]
    assert made.run().changes == []  # waiting is no work
    made.model("firms", "id VARCHAR, email VARCHAR", ("f1", "one@example.net"), ("f2", "two@example.net"))
    done = made.run()
    assert done.sent == ["f2 upsert", "a upsert"]
    assert done.body("a upsert") == {}
    assert held(made, A) == {"two@example.net"}
    assert waiting(made) == []
    assert made.run().changes == []


def test_a_link_alone_carries_no_record() -> None:
    """Where records go whole only, one of which but a link changed has an empty body; in doubt it goes whole."""
    made = rig(constants=(Constant("source", "dbt", Write.ALWAYS),))
    made.destination = WHOLE
    made.model("firms", "id VARCHAR, email VARCHAR", ("f1", "one@example.net"), ("f2", "two@example.net"))
    made.people(("a", A, "x", "f1"), columns=WIDE)
    assert made.run().body("a upsert") == {"email": A, "a": "x", "source": "dbt"}
    made.vendor.lose = {A}
    made.people(("a", A, "x", "f2"), columns=WIDE)
    done = made.run()
    assert (done.body("a upsert"), done.status) == ({}, {"a upsert": "unknown"})
    made.vendor.lose = set()
    assert made.run().body("a upsert") == {"email": A, "a": "x", "source": "dbt"}
    assert held(made, A) == {"two@example.net"}
    made.later(hours=1)
    made.run()
    made.people(("a", A, "y", "f1"), columns=WIDE)
    assert made.run().body("a upsert") == {"email": A, "a": "y", "source": "dbt"}
    assert held(made, A) == {"one@example.net"}


def test_hope_that_fails() -> None:
    """Where the firm is refused, nothing of a record leaves that had but the link to send, and it goes on waiting."""
    made = rig()
    made.people(("a", A, "x", "f2"), columns=WIDE)
    made.run()
    made.vendor.refuse = {"two@example.net": "NO"}
    made.model("firms", "id VARCHAR, email VARCHAR", ("f1", "one@example.net"), ("f2", "two@example.net"))
    done = made.run()
    assert done.status == {"f2 upsert": "NO", "a upsert": "quiet"}
    assert [row["email"] for _, row in done.calls] == ["two@example.net"]
    assert waiting(made) == [('["a"]', "firm", '["f2"]')]
    made.vendor.refuse = {}
    made.later(days=8)
    assert made.run().sent == ["f2 upsert", "a upsert"]
    assert held(made, A) == {"two@example.net"}


def test_changed_and_ended() -> None:
    """A changed key moves the link, a null ends it, and where nulls are kept it stays."""
    made = rig()
    made.model("firms", "id VARCHAR, email VARCHAR", ("f1", "one@example.net"), ("f2", "two@example.net"))
    made.people(("a", A, "x", "f1"), columns=WIDE)
    made.run()
    made.people(("a", A, "x", "f2"), columns=WIDE)
    assert made.run().sent == ["a upsert"]
    assert held(made, A) == {"two@example.net"}
    made.people(("a", A, "x", None), columns=WIDE)
    (call,) = made.run().calls
    assert call[1]["links"]["firm"] == {"id": None, "ended": [made.vendor.firms["two@example.net"]]}
    assert held(made, A) == set()
    made.people(("a", A, "x", "f2"), columns=WIDE)
    made.run()
    made.plan = replace(made.plan, links=(link(on_null=OnNull.KEEP),))
    made.people(("a", A, "x", None), columns=WIDE)
    assert made.run().calls == []
    assert held(made, A) == {"two@example.net"}


def test_old_link_stands_until_the_new_one_can_be_sent() -> None:
    """Who moves to a firm that is not there yet stays linked to the old one meanwhile, and data goes without it."""
    made = rig()
    made.people(("a", A, "x", "f1"), columns=WIDE)
    made.run()
    made.people(("a", A, "y", "f2"), columns=WIDE)
    (call,) = made.run().calls
    assert (call[1]["fields"], call[1]["links"]) == ({"a": "y"}, {})
    assert held(made, A) == {"one@example.net"}
    made.model("firms", "id VARCHAR, email VARCHAR", ("f1", "one@example.net"), ("f2", "two@example.net"))
    made.run()
    assert held(made, A) == {"two@example.net"}


def test_a_new_id_is_linked_again() -> None:
    """A firm that vanished there and was made again has another id: the link is sent again by itself."""
    made = rig()
    made.people(("a", A, "x", "f1"), columns=WIDE)
    made.run()
    made.vendor.firms.clear()
    made.vendor.links.clear()
    made.others = (firms(fields=(*firms().fields, FieldPlan("name", "id", "model.sim.firms"))),)
    made.run()
    made.run()
    assert held(made, A) == {"one@example.net"}
    assert made.run().changes == []


def test_lost_link_is_ended() -> None:
    """A link that a lost request may have set is ended by the one that follows."""
    made = rig()
    made.model("firms", "id VARCHAR, email VARCHAR", ("f1", "one@example.net"), ("f2", "two@example.net"))
    made.run()
    made.vendor.lose = {A}
    made.people(("a", A, "x", "f1"), columns=WIDE)
    assert made.run().status == {"a upsert": "unknown"}
    made.vendor.lose = set()
    made.people(("a", A, "x", "f2"), columns=WIDE)
    made.run()
    assert held(made, A) == {"two@example.net"}


def test_cleared_with_the_record() -> None:
    """Under ``on_leave: clear`` the link is ended with the fields; the ledger has it."""
    made = rig(on_leave=OnLeave.CLEAR)
    made.people(("a", A, "x", "f1"), ("b", B, "x", None), columns=WIDE)
    made.run()
    made.people(("b", B, "x", None), columns=WIDE)
    made.run()
    told = made.rows('SELECT "values" FROM revetl_state.ledger_rows WHERE key = \'["a"]\' ORDER BY seq')
    ident = made.vendor.firms["one@example.net"]
    assert [json.loads(one).get("firm") for one in told] == [ident, None]
    assert "firm" in json.loads(told[1])


def test_keys_of_two_columns_and_other_types() -> None:
    """A composite key is read position by position, as the types of the other model; half a key is none."""
    made = rig()
    made.others = (firms(key=("n", "region"), base=ref("firms", "n", "region")),)
    firm = LinkPlan("firm", ("no", "region"), "model.sim.people", FIRM, ref("firms", "n", "region"))
    made.plan = replace(made.plan, links=(firm,))
    made.model("firms", "n BIGINT, region VARCHAR, email VARCHAR", (7, "eu", "one@example.net"))
    wide = "id VARCHAR, email VARCHAR, a VARCHAR, no VARCHAR, region VARCHAR"
    made.people(
        ("a", A, "x", "7", "eu"), ("b", B, "x", "7", None), ("c", "c@example.org", "x", "?", "eu"), columns=wide
    )
    made.run()
    assert held(made, A) == {"one@example.net"}
    assert held(made, B) == set()
    assert waiting(made) == [('["c"]', "firm", '["?","eu"]')]


def test_links_among_records_of_one_sync() -> None:
    """Who points to a record of the same sync is linked as soon as an earlier run has made that one."""
    boss = LinkPlan("boss", ("firm",), "model.sim.people", "sim.person", ref("people"))
    made = rig(boss)
    made.people(("a", A, "x", "b"), ("b", B, "x", "a"), columns=WIDE)
    made.run()
    assert (held(made, A, "boss"), held(made, B, "boss")) == (set(), set())
    made.run()
    assert (held(made, A, "boss"), held(made, B, "boss")) == ({B}, {A})
    assert made.run().changes == []


def test_targets_first() -> None:
    """Syncs come after those they link to; those of a cycle keep their order and wait for nobody."""
    back = LinkPlan("person", ("firm",), "model.sim.firms", "sim.person", ref("people"))
    one, two = plan(links=(link(),)), firms(links=(back,))
    assert [p.name for p in targets_first((plan(links=(link(),)), firms()))] == [FIRM, "sim.person"]
    assert sorted(p.name for p in targets_first((one, two))) == [FIRM, "sim.person"]
    made = rig()
    made.others = (two,)
    made.model("firms", "id VARCHAR, email VARCHAR, firm VARCHAR", ("f1", "one@example.net", "a"))
    made.plan = one
    made.people(("a", A, "x", "f1"), columns=WIDE)
    done = made.run()
    assert len(done.sent) == 2


def test_retired_link_is_ended() -> None:
    """A link that is mapped no more stays until it is retired with ``--clear``."""
    made = rig()
    made.people(("a", A, "x", "f1"), columns=WIDE)
    made.run()
    made.plan = replace(made.plan, links=())
    assert made.run().changes == []
    assert made.run(clear=("sim.person.firm",)).sent == ["a upsert"]
    assert held(made, A) == set()


def test_whoever_waits_for_a_lane_that_stops_is_not_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the firms' calls stop the lane, the people behind them are sent again in full by a later run."""
    made = rig()
    made.people(("a", A, "x", "f1"), columns=WIDE)
    made.run()
    wire = replace(made.destination.wire, version=2)
    made.destination = replace(made.destination, wire=wire, diagnose=lambda r: FATAL if r.status == 403 else None)
    monkeypatch.setattr(made.vendor, "answer", lambda _: Reply(403, b"{}"))
    assert made.run().calls == []
    monkeypatch.undo()
    assert made.run().sent == ["f1 upsert", "a upsert"]
    assert made.run().changes == []


def test_plan_shows_what_waits() -> None:
    """A plan counts the links that wait for something that this run does not bring."""
    made = rig()
    made.people(("a", A, "x", "f1"), ("b", B, "x", "f2"), columns=WIDE)
    previews = {preview.sync: preview for preview in made.look().previews()}
    assert previews["sim.person"].links_waiting == 1


FIRMS = ("f1", "f2", "f3")
wishes = st.tuples(st.none() | st.sampled_from(FIRMS), st.sampled_from("xy"))
models = st.dictionaries(st.sampled_from("abc"), wishes, min_size=1)  # an empty model stops its sync
others = st.frozensets(st.sampled_from(FIRMS), min_size=1)
lost = st.frozensets(st.sampled_from([*(f"{p}@example.org" for p in "abc"), *(f"{f}@example.net" for f in FIRMS)]))
Step = tuple[dict[str, tuple[str | None, str]], frozenset[str], frozenset[str]]


@settings(max_examples=8, deadline=None, phases=[Phase.generate])  # to make a failing case smaller takes minutes
@given(steps=st.lists(st.tuples(models, others, lost), min_size=1, max_size=4), whole=st.booleans())
def test_links_follow_the_models(steps: list[Step], whole: bool) -> None:
    """Firms come late, go, come back as others, answers are lost: in the end each record is linked to its firm alone.

    ``whole``: records go whole only, so that one whose link alone changed has an empty body.
    """
    made = rig(on_leave=OnLeave.DELETE, on_leave_scope="all")
    made.others = (firms(on_leave=OnLeave.DELETE, on_leave_scope="all"),)
    made.destination = WHOLE if whole else made.destination
    try:
        for people, there, gone in steps:
            made.model("firms", "id VARCHAR, email VARCHAR", *[(f, f"{f}@example.net") for f in sorted(there)])
            made.people(*[(k, f"{k}@example.org", a, f) for k, (f, a) in people.items()], columns=WIDE)
            made.vendor.lose = set(gone)
            made.run()
        made.vendor.lose = set()
        for _ in range(2):
            made.later(hours=1)
            made.run()
        assert made.run().changes == []
        assert {email: one["a"] for email, one in made.vendor.people.items()} == {
            f"{key}@example.org": a for key, (_, a) in people.items()
        }
        for key, (firm, _) in people.items():
            if firm is None or firm in there:
                assert held(made, f"{key}@example.org") == ({f"{firm}@example.net"} if firm else set())
            assert held(made, f"{key}@example.org") <= {f"{one}@example.net" for one in there}
    finally:
        made.con.close()


def test_an_incremental_read_looks_at_links_whose_record_was_made_anew() -> None:
    """A link that holds an id which no firm has any more is sent again, though no row of the person is newer."""
    made = rig(base=replace(ref("people"), updated_at="u"))
    made.incremental = IncrementalConfig.model_validate({"leaves": "keys", "full_every": "90d"})
    rows = [(key, f"{key}@example.org", "x", firm, made.now()) for key, firm in (("a", "f1"), ("b", None))]
    made.people(*rows, columns=f"{WIDE}, u TIMESTAMPTZ")
    made.run()
    made.later(hours=9)
    made.run()
    made.later(hours=9)
    made.model("firms", "id VARCHAR, email VARCHAR", ("f1", "two@example.net"))
    made.rows(f"UPDATE revetl_state.remote SET remote_id = 'anew' WHERE sync = '{FIRM}'")
    done = made.run()
    assert "a upsert" in done.sent
    assert "b upsert" not in done.sent

"""The resolved mapping as data, and what a change of it means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planfactory import EMAIL, ID, cohort, column, customers, model, properties, resolve, syncs_yml, vip

from revetl.mapping import FlowKind, diff_flows, flow_hash, flows
from revetl.types import (
    CohortPlan,
    Constant,
    FieldPlan,
    Guards,
    Limits,
    Mode,
    ModelRef,
    Node,
    OnLeave,
    OnNull,
    Relation,
    SyncPlan,
    Write,
)

Flow = Mapping[str, Any]


def written(*nodes: Node, sync: str = "", more: str = "") -> Flow:
    """Return the flows of these models."""
    resolved = resolve(*nodes, yml=syncs_yml(sync, more=more))
    assert resolved.errors == ()
    return flows(resolved.syncs)


LINK = column("firm", {"link": "company", "to": {"crm": "EMPLOYER"}})
COMPANY = "      company: {entity: company, object: company, mode: update, match: {domain: domain}}\n"
FIRM = model(
    "firms",
    {"kind": "properties", "entity": "company", "key": "id"},
    ID,
    column("id"),
    column("domain", {"to": {"crm.company": "domain"}}),
    column("title", {"to": {"crm.company": "name"}}),
)
Seen = tuple[FlowKind, str, bool, bool]
Case = tuple[Flow, Flow, list[Seen]]


def changes(before: Flow, after: Flow) -> list[Seen]:
    """Return the differences as (kind, name, leaves, resends)."""
    return [(c.kind, c.name, c.leaves, c.resends) for c in diff_flows(before, after)]


def test_flows_are_json_with_a_version_and_a_hash() -> None:
    """The file is plain JSON: schema version, and each sync's mapping with its hash."""
    found = written(customers(), vip())
    assert json.loads(json.dumps(found)) == found
    assert found["schema_version"] == 1
    sync = found["syncs"]["crm.customer"]
    assert len(sync["hash"]) == 64
    assert sync["fields"]["email_address"]["pii"] == "email"
    assert sync["cohorts"]["vip"]["label"] == "vip"


def test_a_new_property_is_named_with_column_model_tag_and_field() -> None:
    """One line of YAML: the difference says which column of which model newly leaves, and as what."""
    phone = column("tel", {"pii": "phone", "to": {"crm": "PHONE"}})
    before = written(customers(column("tel")))
    yml = syncs_yml("").replace("[email]", "[email, phone]")
    after = flows(resolve(customers(phone), yml=yml).syncs)
    (change,) = diff_flows(before, after)
    assert change.kind is FlowKind.FIELD_ADDED
    assert (change.sync, change.destination, change.name) == ("crm.customer", "crm", "PHONE")
    assert (change.model, change.column, change.pii) == ("customers", "tel", "phone")
    assert change.leaves
    assert change.resends
    (back,) = diff_flows(after, before)
    assert (back.kind, back.leaves, back.resends) == (FlowKind.FIELD_REMOVED, False, False)


X = {"to": {"crm": "X"}}
CASES: dict[str, Case] = {
    "field renamed": (
        written(customers(column("x", X))),
        written(customers(column("x", {"to": {"crm": {"field": "Y", "was": "X"}}}))),
        [(FlowKind.FIELD_RENAMED, "Y", False, True)],
    ),
    "field renamed without was": (
        written(customers(column("x", X))),
        written(customers(column("x", {"to": {"crm": "Y"}}))),
        [(FlowKind.FIELD_ADDED, "Y", True, True), (FlowKind.FIELD_REMOVED, "X", False, False)],
    ),
    "another column behind a field": (
        written(customers(column("x", X), column("y"))),
        written(customers(column("x"), column("y", X))),
        [(FlowKind.FIELD_CHANGED, "X", True, True)],
    ),
    "null policy": (
        written(customers(column("x", X))),
        written(customers(column("x", {"to": {"crm": {"field": "X", "on_null": "keep"}}}))),
        [(FlowKind.FIELD_CHANGED, "X", False, False)],
    ),
    "hashed from now on": (
        written(customers(column("x", X))),
        written(customers(column("x", {"to": {"crm": {"field": "X", "hash": "sha256_plain"}}}))),
        [(FlowKind.FIELD_CHANGED, "X", False, True)],
    ),
    "in clear from now on": (
        written(customers(column("x", {"to": {"crm": {"field": "X", "hash": "sha256_plain"}}}))),
        written(customers(column("x", X))),
        [(FlowKind.FIELD_CHANGED, "X", True, True)],
    ),
    "cohort added": (
        written(customers()),
        written(customers(), vip()),
        [(FlowKind.COHORT_ADDED, "vip", True, False), (FlowKind.RULE_CHANGED, "cohort_style", False, False)],
    ),
    "cohort renamed": (
        written(customers(), vip()),
        written(customers(), vip(name="very_important", label="vip", was="vip")),
        [(FlowKind.COHORT_RENAMED, "very_important", False, False)],
    ),
    "cohort relabelled": (
        written(customers(), vip()),
        written(customers(), vip(label="VIP")),
        [(FlowKind.COHORT_RELABELLED, "vip", False, False)],
    ),
    "audience dropped": (
        written(customers(), vip("crm"), sync="audience: [vip]"),
        written(customers(), vip("crm")),
        [(FlowKind.RULE_CHANGED, "audience", True, False)],
    ),
    "constant added": (
        written(customers()),
        written(customers(), sync="constants: {SRC: {value: dbt, write: always}}"),
        [(FlowKind.CONSTANT_ADDED, "SRC", True, True)],
    ),
    "leave policy": (
        written(customers()),
        written(customers(), sync="on_leave: archive"),
        [(FlowKind.RULE_CHANGED, "on_leave", False, False)],
    ),
    "consent": (
        written(customers(column("ok"))),
        written(customers(column("ok")), sync="consent: {column: ok}"),
        [(FlowKind.RULE_CHANGED, "consent", True, False)],
    ),
    "time zone": (
        written(customers()),
        written(customers(), sync="timezone: UTC"),
        [(FlowKind.RULE_CHANGED, "timezone", False, True)],
    ),
    "link added": (
        written(customers(column("firm")), FIRM, more=COMPANY),
        written(customers(LINK), FIRM, more=COMPANY),
        [(FlowKind.LINK_ADDED, "EMPLOYER", True, True)],
    ),
    "link removed": (
        written(customers(LINK), FIRM, more=COMPANY),
        written(customers(column("firm")), FIRM, more=COMPANY),
        [(FlowKind.LINK_REMOVED, "EMPLOYER", False, False)],
    ),
    "link from another column": (
        written(customers(LINK, column("boss")), FIRM, more=COMPANY),
        written(customers(LINK._replace(name="boss"), column("firm")), FIRM, more=COMPANY),
        [(FlowKind.LINK_CHANGED, "EMPLOYER", True, True)],
    ),
    "membership field added": (
        written(customers(), vip()),
        written(customers(), model("vip", cohort("crm"), ID, column("s", {"to": {"crm": "Status"}}))),
        [(FlowKind.MEMBERSHIP_ADDED, "vip.Status", True, True)],
    ),
    "joined model": (
        written(customers(base=True), model("spend", properties(), ID, column("ltv"))),
        written(customers(base=True), model("spend", properties(), ID, column("ltv", {"to": {"crm": "LTV"}}))),
        [(FlowKind.FIELD_ADDED, "LTV", True, True), (FlowKind.RULE_CHANGED, "joined", True, False)],
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_a_change_means(case: Case) -> None:
    """Each change of the mapping says what it does: newly leaves, is sent again, or only stops."""
    before, after, expected = case
    assert changes(before, after) == expected


def test_a_new_sync_lists_everything_that_leaves() -> None:
    """A sync that was not there names each of its fields and cohorts."""
    after = written(customers(), vip())
    found = changes({"schema_version": 1, "syncs": {}}, after)
    assert [(kind, name) for kind, name, _, _ in found] == [
        (FlowKind.SYNC_ADDED, "crm.customer"),
        (FlowKind.FIELD_ADDED, "email_address"),
        (FlowKind.COHORT_ADDED, "vip"),
    ]
    assert all(leaves for _, _, leaves, _ in found)


def test_a_renamed_sync_is_no_new_sync() -> None:
    """`was` at a sync carries its history: nothing newly leaves."""
    before = written(customers())
    yml = syncs_yml("was: customer").replace("      customer:", "      people:")
    assert changes(before, flows(resolve(customers(), yml=yml).syncs)) == [
        (FlowKind.SYNC_RENAMED, "crm.people", False, False)
    ]


def test_the_hash_is_of_the_mapping_alone() -> None:
    """Guards do not change a flow's hash, any mapped thing does; the order of columns does not."""
    (plan,) = resolve(customers(column("a", {"to": "crm"}), column("b", {"to": "crm"}))).syncs
    assert flow_hash(replace(plan, guards=Guards(max_leave=Limits()))) == flow_hash(plan)
    assert flow_hash(replace(plan, fields=plan.fields[::-1])) == flow_hash(plan)
    assert flow_hash(replace(plan, mode=Mode.UPDATE)) != flow_hash(plan)
    assert flow_hash(replace(plan, fields=plan.fields[:-1])) != flow_hash(plan)


def test_no_setting_of_a_target_is_in_the_flows() -> None:
    """Flows hold no settings of a target, resolved or not."""
    assert "CRM_KEY" not in json.dumps(flows(resolve(model("customers", properties(), ID, EMAIL)).syncs))


names = st.sampled_from(["a", "b", "c", "d"])
maybe = st.none() | names
field_plans = st.builds(
    FieldPlan,
    field=names,
    property=names,
    model=names.map("model.shop.{}".format),
    pii=maybe,
    on_null=st.sampled_from(OnNull),
    write=st.sampled_from(Write),
    was=maybe,
)
refs = st.builds(
    ModelRef,
    model=names,
    unique_id=names.map("model.shop.{}".format),
    relation=st.just(Relation("d", "s", "t")),
    key=st.just(("id",)),
)
cohort_plans = st.builds(CohortPlan, name=names, label=names, ref=refs, was=maybe)
plans = st.builds(
    SyncPlan,
    name=names.map("crm.{}".format),
    destination=st.just("crm"),
    type=st.just("crm"),
    object=names,
    entity=names,
    key=st.just(("id",)),
    base=refs,
    match_field=names,
    match_property=names,
    fields=st.lists(field_plans, max_size=4, unique_by=lambda f: f.field).map(tuple),
    cohorts=st.lists(cohort_plans, max_size=3, unique_by=lambda c: c.name).map(tuple),
    audience=st.lists(refs, max_size=2).map(tuple),
    on_leave=st.sampled_from(OnLeave),
    constants=st.lists(st.builds(Constant, field=names, value=names), max_size=2, unique_by=lambda c: c.field).map(
        tuple
    ),
    was=st.none() | names.map("crm.{}".format),
)
mappings = st.lists(plans, max_size=3, unique_by=lambda plan: plan.name).map(flows)


@given(mappings)
def test_no_change_is_no_difference(mapping: Flow) -> None:
    """A mapping compared with itself differs in nothing, also after a trip through JSON."""
    assert diff_flows(mapping, mapping) == ()
    assert diff_flows(mapping, json.loads(json.dumps(mapping))) == ()


@given(mappings, mappings)
def test_every_field_that_newly_leaves_is_named(before: Flow, after: Flow) -> None:
    """Whatever else changes, no (sync, field) appears after that was not there before without a change naming it."""
    found = diff_flows(before, after)
    said = {(c.sync, c.name) for c in found}
    for name, sync in after["syncs"].items():
        if name in before["syncs"]:
            new = sync["fields"].keys() - before["syncs"][name]["fields"].keys()
            assert {(name, field) for field in new} <= said
        else:
            assert (name, name) in said
    gone = before["syncs"].keys() - after["syncs"].keys()
    assert gone <= {c.name for c in found} | {c.before for c in found}

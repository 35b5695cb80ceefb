"""What stands behind a mapping, compared: SQL of models and parents, types, dropped columns, wire versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from planfactory import (
    EMAIL,
    ID,
    REGISTRY,
    cohort,
    column,
    customers,
    model,
    project,
    properties,
    resolve,
    syncs_yml,
    vip,
)

from revetl.mapping import FlowChange, FlowKind, diff_flows
from revetl.mapping.flows import whole
from revetl.types import EMPTY, Column, Node

Flow = Mapping[str, Any]
TIER = column("tier", {"to": {"crm": "TIER"}})
STAGED = model("stg_orders", None, code="select 1")
RAW = model("raw_orders", None, resource_type="seed", checksum="a", code="")


def told(*nodes: Node, sync: str = "", types: Any = EMPTY, registry: Any = REGISTRY) -> Flow:
    """Return the flows of these models with what stands behind them, as another run reads them."""
    syncs = resolve(*nodes, yml=syncs_yml(sync)).syncs
    found: Flow = json.loads(json.dumps(whole(project(*nodes), syncs, registry, types)))
    return found


def shop(*, code: str = "select 1", staged: str = "select 1", seed: str = "a") -> tuple[Node, ...]:
    """Return customers, a cohort over a staging model over a seed, and a model that nothing reads."""
    return (
        customers(TIER),
        replace(vip(), code=code, parents=("model.shop.stg_orders",)),
        replace(STAGED, code=staged, parents=("model.shop.raw_orders",)),
        replace(RAW, checksum=seed),
    )


def changes(before: Flow, after: Flow) -> list[tuple[FlowKind, str, tuple[str, ...]]]:
    """Return the differences as (kind, name, because)."""
    return [(c.kind, c.name, c.because) for c in diff_flows(before, after)]


@pytest.mark.parametrize(
    ("more", "because"),
    [
        ({"code": "select 2"}, ("vip",)),
        ({"staged": "select 2"}, ("stg_orders",)),
        ({"seed": "b"}, ("raw_orders",)),
        ({"code": "select 2", "seed": "b"}, ("raw_orders", "vip")),
    ],
)
def test_a_cohort_is_defined_by_all_the_sql_above_it(more: Any, because: tuple[str, ...]) -> None:
    """Its own SQL, a parent's or a seed's rows: the cohort is named, with the models that are written otherwise."""
    assert changes(told(*shop()), told(*shop(**more))) == [(FlowKind.COHORT_REDEFINED, "vip", because)]


def test_sql_that_no_sync_reads_changes_nothing() -> None:
    """Another model's SQL is nobody's business here, and neither are descriptions."""
    other = model("other", None, code="select 1")
    described = replace(customers(TIER), description="people")
    assert changes(told(*shop(), other), told(described, *shop()[1:], replace(other, code="select 2"))) == []


def test_a_base_model_and_an_audience_are_told_apart_from_cohorts() -> None:
    """New SQL of who exists may change values, new SQL of an audience may change who leaves."""
    before = [replace(node, code="select 1") for node in (customers(), vip())]
    after = [replace(node, code="select 2") for node in (customers(), vip())]
    found = changes(told(*before, sync="audience: [vip]"), told(*after, sync="audience: [vip]"))
    assert found == [
        (FlowKind.COHORT_REDEFINED, "vip", ("vip",)),
        (FlowKind.LIMIT_REDEFINED, "vip", ("vip",)),
        (FlowKind.MODEL_REDEFINED, "customers", ("customers",)),
    ]


def test_flows_of_an_older_version_say_nothing_of_models() -> None:
    """A base whose flows hold no models is compared as far as it goes."""
    before = dict(told(*shop()))
    del before["models"]
    for sync in before["syncs"].values():
        del sync["wire"]
    assert changes(before, told(*shop(code="select 2"))) == []


def test_a_declared_type_that_changes_retypes_the_field() -> None:
    """By the manifest: both types, the column, and where to look."""
    before, after = (told(customers(TIER._replace(data_type=kind))) for kind in ("varchar", "INT"))
    (change,) = diff_flows(before, after)
    assert (change.kind, change.name, change.column) == (FlowKind.FIELD_RETYPED, "TIER", "tier")
    assert (change.before, change.after, change.evidence) == ("varchar", "INT", "manifest")
    assert change.file == "models/customers.yml"
    assert diff_flows(before, told(customers(TIER._replace(data_type="VARCHAR")))) == ()
    assert diff_flows(before, told(customers(TIER))) == ()


def test_the_catalogs_types_are_better_evidence() -> None:
    """Two catalogs are compared; a catalog is not held against what YAML declares."""
    old = {"model.shop.customers": {"customer_id": "INT", "email": "TEXT", "TIER": "TEXT"}}
    new = {"model.shop.customers": {**old["model.shop.customers"], "TIER": "INT"}}
    (change,) = diff_flows(told(customers(TIER), types=old), told(customers(TIER), types=new))
    assert (change.kind, change.before, change.after, change.evidence) == (
        FlowKind.FIELD_RETYPED, "TEXT", "INT", "catalog",
    )  # fmt: skip
    assert diff_flows(told(customers(TIER._replace(data_type="date"))), told(customers(TIER), types=new)) == ()


def _removed(after: Flow, before: Flow) -> FlowChange:
    (change,) = diff_flows(before, after)
    assert change.kind is FlowKind.FIELD_REMOVED
    return change


def test_a_dropped_column_is_told_from_one_that_only_stops() -> None:
    """Where the column itself is gone, the change says so, and that the destination keeps what it has."""
    before = told(customers(TIER))
    (why,) = _removed(told(customers()), before).because
    assert why == "column tier is gone from customers; what stands at crm stays"
    assert _removed(told(customers(column("tier"))), before).because == ()
    gone = model("people", properties(), ID, EMAIL)
    assert FlowKind.FIELD_REMOVED in {kind for kind, _, because in changes(before, told(gone)) if because}


def test_not_to_be_described_is_not_to_be_gone() -> None:
    """A column that a catalog listed, and YAML no longer describes, may be there all the same."""
    types = {"model.shop.customers": {"customer_id": "INT", "email": "TEXT", "tier": "TEXT"}}
    assert _removed(told(customers()), told(customers(TIER), types=types)).because == ()
    fewer = {"model.shop.customers": {"customer_id": "INT", "email": "TEXT"}}
    change = _removed(told(customers(), types=fewer), told(customers(TIER), types=types))
    assert (bool(change.because), change.evidence) == (True, "catalog")


@pytest.mark.parametrize(
    ("sync", "rule"), [("timezone: UTC", "timezone"), ("match: {external_id: email}", "match"), ("object: x", "object")]
)
def test_what_is_sent_again_says_why(sync: str, rule: str) -> None:
    """A rule by which rows go again although their data are the same has a reason in words."""
    if rule == "object":
        before = told(customers())
        after = json.loads(json.dumps(before).replace('"contact"', '"lead"'))
    else:
        before, after = told(customers()), told(customers(), sync=sync)
    found = {change.name: change for change in diff_flows(before, after) if change.kind is FlowKind.RULE_CHANGED}
    assert found[rule].resends
    assert len(found[rule].because) == 1


def test_another_way_to_write_values_sends_everything_again() -> None:
    """A new version of the destination's wire format is a reason, and not one of the mapping's hash."""
    crm = REGISTRY["crm"]
    newer = {**REGISTRY, "crm": replace(crm, wire=replace(crm.wire, version=crm.wire.version + 1))}
    before, after = told(customers()), told(customers(), registry=newer)
    (change,) = diff_flows(before, after)
    assert (change.name, change.resends, change.because) == ("wire", True, ("this version writes values otherwise",))
    assert before["syncs"]["crm.customer"]["hash"] == after["syncs"]["crm.customer"]["hash"]


def test_fields_of_memberships_are_retyped_too() -> None:
    """A cohort's own columns are looked at like all others."""
    status = Column("s", data_type="text", meta={"revetl": {"to": {"crm": "Status"}}})
    before, after = (
        told(customers(), model("vip", cohort("crm"), ID, status._replace(data_type=kind))) for kind in ("text", "int")
    )
    (change,) = diff_flows(before, after)
    assert (change.kind, change.name) == (FlowKind.MEMBERSHIP_RETYPED, "vip.Status")

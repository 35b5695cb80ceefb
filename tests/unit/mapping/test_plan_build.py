"""What meta and revetl.yml say together becomes a SyncPlan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from planfactory import (
    CRM,
    EMAIL,
    ID,
    YML,
    column,
    config,
    customers,
    model,
    project,
    properties,
    resolve,
    syncs_yml,
    vip,
)

from revetl.mapping import build
from revetl.mapping.flows import flows
from revetl.types import (
    Constant,
    FieldPlan,
    Guards,
    Hash,
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


def one(*nodes: Node, yml: str = YML) -> SyncPlan:
    """Return the only sync, which must be free of errors."""
    resolved = resolve(*nodes, yml=yml)
    assert resolved.errors == ()
    (sync,) = resolved.syncs
    return sync


def test_hash() -> None:
    """A hash goes with its field, the identity's too, and is in the flows only where there is one."""
    address = column("email", {"pii": "email", "to": {"crm": {"field": "email_address", "hash": "sha256"}}})
    sync = one(model("customers", properties(), ID, address, column("x", {"to": {"crm": "X"}})))
    assert [(field.field, field.hash) for field in sync.fields] == [("email_address", Hash.SHA256), ("X", None)]
    told = flows([sync])["syncs"]["crm.customer"]["fields"]
    assert told["email_address"]["hash"] == "sha256"
    assert "hash" not in told["X"]


def test_drop() -> None:
    """``on_leave: drop`` is a clearing of personal fields alone, and is called by its own name."""
    yml = "version: 1\ndestinations: {file: {targets: {prod: sandbox}, syncs: {c: {entity: customer, on_leave: drop}}}}"
    files = replace(CRM, objects={"contact": replace(CRM.objects["contact"], on_leave=frozenset(OnLeave))})
    node = model("customers", properties(), ID, column("email", {"to": {"file": "email_address"}}))
    (sync,) = build(project(node), config(yml), "prod", {"file": files}).syncs
    assert (sync.on_leave, sync.drops, sync.leaving) == (OnLeave.CLEAR, True, "drop")
    assert flows([sync])["syncs"]["file.c"]["on_leave"] == "drop"


def test_smallest_sync() -> None:
    """A base model and one mapped column make a sync: identity, defaults of the object, nothing else."""
    sync = one(customers())
    base = ModelRef("customers", "model.shop.customers", Relation("db", "main", "customers"), ("customer_id",))
    assert sync == SyncPlan(
        name="crm.customer",
        destination="crm",
        type="crm",
        object="contact",
        entity="customer",
        key=("customer_id",),
        base=base,
        match_field="email_address",
        match_property="email",
        fields=(FieldPlan("email_address", "email", "model.shop.customers", "email"),),
    )


def test_unmapped_columns_never_leave() -> None:
    """A column without `to`, tagged or not, is in no field."""
    sync = one(customers(column("ltv"), column("phone", {"pii": "phone"})))
    assert [field.property for field in sync.fields] == ["email"]


def test_field_options() -> None:
    """Every option of a field reaches the plan; a list and a null name mean the column's own name."""
    band = column("band", {"to": {"crm": {"field": "BAND", "on_null": "keep", "write": "create", "was": "OLD"}}})
    sync = one(
        customers(band, column("a", {"to": ["crm"]}), column("b", {"to": {"crm": None}}), column("c", {"to": "crm"}))
    )
    assert sync.fields[1:] == (
        FieldPlan("BAND", "band", "model.shop.customers", None, OnNull.KEEP, Write.CREATE, "OLD"),
        *(FieldPlan(name, name, "model.shop.customers") for name in "abc"),
    )


def test_everything_of_a_sync() -> None:
    """Every key of a sync reaches the plan."""
    yml = syncs_yml(
        "object: contact, match: {external_id: customer_id}, audience: [vip], exclude: staff, mode: update, "
        "on_leave: archive, on_leave_scope: all, cohorts: list, create_cohorts: false, constants: {SRC: dbt}, "
        "guards: {max_leave: 5%, on_trip: stop}, timezone: Europe/Berlin, was: people, settings: {x: 1}",
        more="require_tests: all\n",
    )
    who = column("customer_id", {"to": {"crm": "external_id"}})
    sync = one(model("customers", properties(), who, EMAIL), vip(), vip("crm", name="staff", label="Staff"), yml=yml)
    guards = Guards(max_leave=Limits(0.05, None), on_trip="stop")
    assert (sync.match_field, sync.match_property) == ("external_id", "customer_id")
    assert [ref.model for ref in sync.audience] == ["vip"]
    assert [ref.model for ref in sync.exclude] == ["staff"]
    assert (sync.mode, sync.on_leave, sync.on_leave_scope) == (Mode.UPDATE, OnLeave.ARCHIVE, "all")
    assert (sync.cohort_style, sync.create_cohorts) == ("list", False)
    assert sync.constants == (Constant("SRC", "dbt", Write.CREATE),)
    assert sync.guards == guards
    assert {c.name: (c.label, c.guards) for c in sync.cohorts} == {"vip": ("vip", guards), "staff": ("Staff", guards)}
    assert (sync.timezone, sync.was, sync.settings, sync.require_tests) == (
        "Europe/Berlin",
        "crm.people",
        {"x": 1},
        "all",
    )
    assert sync.sandbox is True


def test_cohort_guards_go_over_the_syncs() -> None:
    """A cohort's own guard replaces only what it says; dbt's YAML reads `off` as false."""
    sync = one(customers(), vip(guards={"max_leave": False}), yml=syncs_yml("guards: {max_change: 7}"))
    assert sync.cohorts[0].guards == Guards(max_leave=Limits(), max_change=Limits(rows=7))


def test_several_models_of_one_entity() -> None:
    """The base says who exists; a model joins only where it feeds a field; keys line up by name."""
    spend = model(
        "spend", properties(key={"customer_id": "cust"}), column("cust"), column("ltv", {"to": {"crm": "LTV"}})
    )
    idle = model("idle", properties(), ID, column("nothing"))
    sync = one(spend, idle, customers(base=True))
    assert sync.base.model == "customers"
    assert [(ref.model, ref.key) for ref in sync.joined] == [("spend", ("cust",))]
    assert [field.field for field in sync.fields] == ["email_address", "LTV"]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (["region", "id"], ("region", "id")),
        (["id", "region"], ("region", "id")),
        (["r", "i"], ("r", "i")),
        ({"id": "i", "region": "r"}, ("r", "i")),
    ],
)
def test_composite_keys_line_up(key: Any, expected: Any) -> None:
    """A cohort's key columns stand in the entity's order, whichever way they are written."""
    base = model("customers", properties(key=["region", "id"]), column("region"), column("id"), EMAIL)
    names = key.values() if isinstance(key, dict) else key
    member = model("vip", {"kind": "cohort", "entity": "customer", "key": key, "to": "crm"}, *map(column, names))
    assert one(base, member).cohorts[0].ref.key == expected


def test_key_of_the_base_may_be_renamed() -> None:
    """`key: {customer_id: id}` names the entity's key beside the base model's column."""
    sync = one(model("customers", properties(key={"customer_id": "id"}), column("id"), EMAIL))
    assert (sync.key, sync.base.key) == (("customer_id",), ("id",))


def test_match_property_may_be_mapped_elsewhere() -> None:
    """`match` feeds the identity field with its property although the property goes into another field too."""
    ext = column("ref", {"to": {"crm": "REF"}})
    sync = one(customers(ext), yml=syncs_yml("match: {external_id: ref}"))
    assert (sync.match_field, sync.match_property) == ("external_id", "ref")
    assert {field.field: field.property for field in sync.fields} == {
        "external_id": "ref",
        "email_address": "email",
        "REF": "ref",
    }


TWO = """
version: 1
destinations:
  crm:
    targets: {prod: sandbox}
    syncs: {a: {entity: customer, allow_pii: true}, b: {entity: customer, allow_pii: [email]}}
  other: {type: crm, targets: {prod: sandbox}, syncs: {c: {entity: customer, allow_pii: email}}}
groups: {all: [crm, other]}
"""


def test_most_specific_name_wins() -> None:
    """A sync's name beats its destination's, which beats a group's."""
    mail = column("email", {"to": {"all": "email_address"}, "pii": "email"})
    x = column("x", {"to": {"all": "GROUP", "crm": "DEST", "crm.a": "SYNC"}})
    resolved = resolve(model("customers", properties(), ID, mail, x), yml=TWO)
    assert resolved.errors == ()
    assert {sync.name: sync.fields[1].field for sync in resolved.syncs} == {
        "crm.a": "SYNC",
        "crm.b": "DEST",
        "other.c": "GROUP",
    }


def test_model_level_columns() -> None:
    """`columns:` at the model, as `+meta` in dbt_project.yml sets it, maps columns that have no YAML of their own."""
    meta = properties(columns={"email": {"pii": "email", "to": {"crm": "email_address"}}})
    sync = one(model("customers", meta, ID, column("email")))
    assert sync.match_property == "email"


def test_one_model_two_entities() -> None:
    """A list of items serves two entities; a column goes where its name says."""
    yml = """
version: 1
destinations:
  crm:
    targets: {prod: sandbox}
    syncs:
      customer: {entity: customer, allow_pii: [email]}
      company: {entity: company, object: company, mode: update}
"""
    meta = [properties(), {"kind": "properties", "entity": "company", "key": "company_id"}]
    columns = [
        column("email", {"pii": "email", "to": {"crm.customer": "email_address"}}),
        column("company_id"),
        column("domain", {"to": {"crm.company": "domain"}}),
        column("company", {"to": {"crm.company": "name", "crm.customer": "COMPANY"}}),
    ]
    resolved = resolve(model("people", meta, ID, *columns), yml=yml)
    assert {s.name: (s.key, [f.field for f in s.fields]) for s in resolved.syncs} == {
        "crm.company": (("company_id",), ["domain", "name"]),
        "crm.customer": (("customer_id",), ["email_address", "COMPANY"]),
    }


def test_destination_without_syncs_gets_one_per_entity() -> None:
    """Where revetl.yml lists no syncs, each entity that names the destination gets one of its own name."""
    yml = "{version: 1, destinations: {crm: {targets: {prod: sandbox}}}}"
    mail = column("email", {"to": {"crm": "email_address"}})
    other = model("things", {"kind": "properties", "entity": "thing", "key": "id"}, column("id"))
    resolved = resolve(model("customers", properties(), ID, mail), other, yml=yml)
    assert [(sync.name, sync.object, sync.match_field) for sync in resolved.syncs] == [
        ("crm.customer", "contact", "email_address")
    ]


def test_target_that_is_not_named_goes_nowhere() -> None:
    """A destination that does not name the target has no sync, never a default, and is listed as skipped."""
    resolved = resolve(customers(), target="dev")
    assert (resolved.syncs, resolved.skipped, resolved.errors) == ((), ("crm",), ())
    assert [(p.code, p.remedy) for p in resolved.problems] == [("RVT-125", "choose one of: prod")]


def test_seeds_snapshots_and_sources_may_carry_meta() -> None:
    """A snapshot is read by its current rows; a source is taken, with a warning."""
    for kind, valid_to in (("seed", None), ("snapshot", "dbt_valid_to"), ("source", None)):
        resolved = resolve(model("customers", properties(), ID, EMAIL, resource_type=kind))
        assert resolved.syncs[0].base.valid_to == valid_to
        assert [p.code for p in resolved.problems] == (["RVT-340"] if kind == "source" else [])


def test_renamed_snapshot_column() -> None:
    """In dbt a snapshot may call its dbt_valid_to something else."""
    more = {"resource_type": "snapshot", "config": {"snapshot_meta_column_names": {"dbt_valid_to": "until"}}}
    assert one(model("customers", properties(), ID, EMAIL, **more)).base.valid_to == "until"


def test_one_bad_sync_never_stops_the_others() -> None:
    """An error in one sync leaves the other as it is."""
    resolved = resolve(customers(column("x", {"to": {"crm.b": "email_address"}})), yml=TWO)
    assert resolved.broken == {"crm.b", "other.c"}
    assert [sync.name for sync in resolved.syncs] == ["crm.a"]


def test_broken_config_sync_and_fatal() -> None:
    """A broken sync of revetl.yml stays out alone; an error at the top keeps everything back."""
    bad = TWO.replace("b: {entity", "b: {mode: upsrt, entity")
    mail = column("email", {"to": {"all": "email_address"}, "pii": "email"})
    node = model("customers", properties(), ID, mail)
    assert {s.name for s in resolve(node, yml=bad).syncs} == {"crm.a", "other.c"}
    fatal = resolve(node, yml=TWO + "nonsense: 1\n")
    assert (fatal.syncs, fatal.fatal) == ((), True)


def test_all_errors_at_once_in_order() -> None:
    """Problems come together, ordered by file, model and column, each once."""
    nodes = [
        customers(column("z", {"to": {"crmm": "Z"}}), column("b", {"pii": "phone", "to": {"crm": "B"}})),
        vip(key=["a", "b"]),
        model("aaa", {"kind": "cohort"}),
    ]
    found = [(p.file, p.column, p.code) for p in resolve(*nodes).errors]
    assert found == [
        ("models/aaa.yml", None, "RVT-300"),
        ("models/aaa.yml", None, "RVT-300"),
        ("models/customers.yml", "b", "RVT-307"),
        ("models/customers.yml", "z", "RVT-302"),
        ("models/vip.yml", None, "RVT-311"),
    ]


def test_build_is_a_function_of_its_arguments() -> None:
    """Two builds of the same project are equal, whatever the order of nodes."""
    nodes = [customers(), vip(), vip(name="other")]
    registry = {"crm": CRM}
    first = build(project(*nodes), config(), "prod", registry)
    second = build(project(*reversed(nodes)), config(), "prod", registry)
    assert first.problems == second.problems
    assert {c.name for c in first.syncs[0].cohorts} == {c.name for c in second.syncs[0].cohorts}

"""--select and --exclude over syncs: by name, destination and entity, and by the dbt nodes that they read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revetl.errors import UsageError
from revetl.mapping.select import select_syncs
from revetl.types import ModelRef, Node, Project, Relation, SyncPlan


def model(name: str, folder: str, *parents: str, **more: Any) -> Node:
    """Return a model of the package shop in ``folder``, built from ``parents``."""
    relation = Relation("db", "main", name)
    file = f"models/{folder}/{name}.sql"
    ids = tuple(f"model.shop.{parent}" for parent in parents)
    fqn = ("shop", folder, name)
    return Node(
        f"model.shop.{name}", name, "model", "shop", file, None, relation, "table", fqn=fqn, parents=ids, **more
    )


STG = model("stg_users", "staging")
USERS = model("users", "marts", "stg_users", tags=("crm", "nightly"))
PRO = model("pro_users", "marts", "users", tags=("hourly",), meta={"revetl": [{"kind": "cohort"}]})
ORDERS = model("orders", "marts", "stg_users")
PLANS = model("plans", "marts")
EXPOSURE = {"name": "board", "package_name": "shop", "depends_on": {"nodes": ["model.shop.pro_users"]}}


def project() -> Project:
    """Return a project of five models and an exposure."""
    nodes = {node.unique_id: node for node in (STG, USERS, PRO, ORDERS, PLANS)}
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return Project("shop", "1.12.0", "duckdb", at, "i", nodes, {}, {}, {"exposure.shop.board": EXPOSURE})


def sync(name: str, entity: str, base: Node, *joined: Node) -> SyncPlan:
    """Return a sync that reads ``base`` and ``joined``."""
    refs = [ModelRef(n.name, n.unique_id, Relation("db", "main", n.name), ("id",)) for n in (base, *joined)]
    return SyncPlan(
        name=name,
        destination=name.partition(".")[0],
        type="webhook",
        object="record",
        entity=entity,
        key=("id",),
        base=refs[0],
        joined=tuple(refs[1:]),
        match_field="id",
        match_property="id",
    )


SYNCS = (
    sync("mailchimp.customer", "customer", USERS, PRO),
    sync("hubspot.contacts", "customer", USERS),
    sync("hubspot.companies", "company", ORDERS),
    sync("marts.all", "plan", PLANS),
)


def pick_syncs(*select: str, exclude: Sequence[str] = (), **more: Any) -> list[str]:
    """Return the names of the syncs selected."""
    return [s.name for s in select_syncs(project(), SYNCS, select, exclude, **more)]


ALL_SYNCS = [s.name for s in SYNCS]


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("", ALL_SYNCS),
        ("*", ALL_SYNCS),
        ("mailchimp.customer", ["mailchimp.customer"]),
        ("mailchimp", ["mailchimp.customer"]),
        ("hubspot", ["hubspot.contacts", "hubspot.companies"]),
        ("hubspot.*", ["hubspot.contacts", "hubspot.companies"]),
        ("*.co*", ["hubspot.contacts", "hubspot.companies"]),
        ("sync:hubspot.companies", ["hubspot.companies"]),
        ("destination:hub*", ["hubspot.contacts", "hubspot.companies"]),
        ("entity:customer", ["mailchimp.customer", "hubspot.contacts"]),
        ("users", ["mailchimp.customer", "hubspot.contacts"]),
        ("pro_users", ["mailchimp.customer"]),
        ("tag:hourly", ["mailchimp.customer"]),
        ("stg_users+1", ["mailchimp.customer", "hubspot.contacts", "hubspot.companies"]),
        ("+exposure:board", ["mailchimp.customer", "hubspot.contacts"]),
        ("orders mailchimp", ["mailchimp.customer", "hubspot.companies"]),
        ("destination:hubspot,entity:customer", ["hubspot.contacts"]),
        ("hubspot,tag:crm", ["hubspot.contacts"]),
        ("tag:crm,tag:nightly", ["mailchimp.customer", "hubspot.contacts"]),
        ("config.meta.revetl.kind:cohort", ["mailchimp.customer"]),
        # a sync's name goes before a folder's of the same name; fqn: means the folder
        ("marts", ["marts.all"]),
        ("fqn:marts", ALL_SYNCS),
    ],
)
def test_select_syncs(select: str, expected: list[str]) -> None:
    """A sync is meant when it is named, or when a model that it reads is meant."""
    assert pick_syncs(select) == expected


def test_nodes_are_intersected_before_their_syncs() -> None:
    """Two tags on two models of one sync are not two tags on one model."""
    with pytest.raises(UsageError, match=r"RVT-110.*leaves no sync"):
        pick_syncs("tag:crm,tag:hourly")


def test_exclude_syncs() -> None:
    """Exclude leaves out every sync that reads what is excluded, even if it reads other things too."""
    assert pick_syncs(exclude=["pro_users"]) == ["hubspot.contacts", "hubspot.companies", "marts.all"]
    assert pick_syncs("users", exclude=["mailchimp"]) == ["hubspot.contacts"]
    assert pick_syncs("users", exclude=["users"]) == []
    assert pick_syncs(exclude=["stg_users"]) == ALL_SYNCS  # no slip: it is there, though no sync reads it


def test_no_sync_reads_it() -> None:
    """A model that no sync reads is refused with the way to what is built from it; a state may leave nothing."""
    with pytest.raises(UsageError, match="RVT-110") as caught:
        pick_syncs("stg_users")
    assert "+" in caught.value.hint
    assert pick_syncs("state:modified", before=project()) == []
    assert pick_syncs("state:modified,mailchimp", before=project()) == []


@pytest.mark.parametrize(
    ("value", "meant"),
    [("mailchmp.customer", "mailchimp.customer"), ("sync:hubspt", "hubspot"), ("entity:custmer", "customer")],
)
@pytest.mark.parametrize("where", ["select", "exclude"])
def test_did_you_mean_a_sync(value: str, meant: str, where: str) -> None:
    """A misspelt sync, destination or entity is refused, and guessed."""
    with pytest.raises(UsageError) as caught:
        pick_syncs(value) if where == "select" else pick_syncs(exclude=[value])
    assert caught.value.code == "RVT-110"
    assert f"did you mean {meant}" in caught.value.hint


@pytest.mark.parametrize("value", ["+mailchimp.customer", "hubspot+", "@destination:hubspot"])
def test_a_sync_has_no_graph(value: str) -> None:
    """A + on a sync is refused: its models are shared, and other syncs would run too."""
    with pytest.raises(UsageError, match="RVT-112"):
        pick_syncs(value)


def test_unknown_method_names_those_of_syncs() -> None:
    """Among syncs their methods are known, and offered."""
    with pytest.raises(UsageError, match=r"RVT-111.*destination:") as caught:
        pick_syncs("destinations:hubspot")
    assert caught.value.exit_code == 2


def test_no_syncs_at_all() -> None:
    """A project without syncs selects none, and names nothing."""
    assert select_syncs(project(), (), ()) == ()
    with pytest.raises(UsageError):
        select_syncs(project(), (), ["mailchimp"])


@given(st.lists(st.text(st.sampled_from("hubspot.*+@,: usertag"), max_size=12), max_size=3), st.booleans())
def test_any_text_selects_or_is_refused(values: list[str], exclude: bool) -> None:
    """Whatever is typed selects known syncs or is refused by code; nothing else."""
    try:
        found = pick_syncs(exclude=values) if exclude else pick_syncs(*values)
    except UsageError as error:
        assert error.code[:6] == "RVT-11"
    else:
        assert set(found) <= set(ALL_SYNCS)

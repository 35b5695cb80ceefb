"""--select and --exclude over a small project: dbt's grammar and methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revetl.errors import CATALOG, UsageError
from revetl.mapping.select import select_nodes
from revetl.types import BuildResult, Check, Column, Node, Project, Relation

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def node(unique_id: str, folder: str = "", **changes: Any) -> Node:
    """Return a node; its fqn and files follow from its id and folder (under models/)."""
    kind, package, *rest = unique_id.split(".")
    folders = folder.split("/") if folder else []
    name = ".".join(rest) if kind == "source" else rest[0]
    made = Node(
        unique_id=unique_id,
        name=name,
        resource_type=kind,
        package=package,
        file="/".join(["models", *folders, f"{name}.sql"]),
        patch_file="/".join(["models", *folders, "schema.yml"]),
        relation=Relation("db", "main", name),
        materialized="table",
        fqn=(package, *folders, *rest),
        code="select 1",
    )
    return replace(made, **changes)


STG = node("model.shop.stg_users", "staging", parents=("source.shop.raw.users",), config={"materialized": "view"})
USERS = node(
    "model.shop.users",
    "marts",
    parents=("model.shop.stg_users",),
    tags=("crm", "nightly"),
    group="growth",
    access="public",
    config={"materialized": "table", "lookback": 3, "severity": "warn", "flag": True, "tags": ["crm"]},
    meta={"revetl": {"kind": "properties"}},
    columns={"email": Column("email", meta={"pii": True})},
)
PRO = node(
    "model.shop.pro_users",
    "marts/cohorts",
    parents=("model.shop.users",),
    tags=("hourly",),
    meta={"revetl": [{"kind": "cohort", "entity": "user"}, {"kind": "cohort", "entity": "company"}]},
)
ORDERS = node("model.shop.orders", "marts", parents=("source.shop.raw.orders", "model.shop.stg_users"))
V2 = node("model.shop.plans.v2", "marts", version="2", access="private")
PKG = node("model.dbt_utils.calendar", "util")
SEED = node("seed.shop.countries", file="seeds/countries.csv", patch_file=None)
SOURCES = node("source.shop.raw.users", parents=()), node("source.shop.raw.orders"), node("source.crm.crm.users")
ALL = (STG, USERS, PRO, ORDERS, V2, PKG, SEED, *SOURCES)
EXPOSURES = {
    "exposure.shop.board": {
        "name": "board",
        "package_name": "shop",
        "fqn": ["shop", "board"],
        "tags": ["looker"],
        "depends_on": {"nodes": ["model.shop.pro_users"]},
    }
}


def project(*nodes: Node, **changes: Any) -> Project:
    """Return a project of ``nodes``, by default all of them."""
    made = Project(
        name="shop",
        dbt_version="1.12.0",
        adapter="duckdb",
        generated_at=NOW,
        invocation_id="i",
        nodes={n.unique_id: n for n in nodes or ALL},
        disabled={},
        checks={
            "test.shop.email": Check("test.shop.email", "email", "model.shop.users", "email", ("model.shop.users",)),
            "test.shop.one": Check("test.shop.one", "one", None, None, ("model.shop.orders", "model.shop.plans.v2")),
        },
        exposures=EXPOSURES,
    )
    return replace(made, **changes)


def pick(*select: str, exclude: Sequence[str] = (), **more: Any) -> set[str]:
    """Return the last names of what is selected, sources with theirs."""
    found = select_nodes(project(), select, exclude, **more)
    return {".".join(key.split(".")[2:]) for key in found}


def refusal(*select: str, exclude: Sequence[str] = (), **more: Any) -> UsageError:
    """Return how a selection of nodes is refused."""
    with pytest.raises(UsageError) as caught:
        select_nodes(project(), select, exclude, **more)
    assert caught.value.code in CATALOG
    assert caught.value.hint
    return caught.value


EVERYTHING = {"stg_users", "users", "pro_users", "orders", "plans.v2", "calendar", "countries", "board"} | {
    "raw.users",
    "raw.orders",
    "crm.users",
}


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        # names and fqn
        ("users", {"users"}),
        ("fqn:users", {"users"}),
        ("shop.marts.users", {"users"}),
        ("marts.users", {"users"}),
        ("marts", {"users", "pro_users", "orders", "plans.v2"}),
        ("marts.*", {"users", "pro_users", "orders", "plans.v2"}),
        ("marts.cohorts", {"pro_users"}),
        ("*users", {"users", "stg_users", "pro_users"}),
        ("shop.*.users", {"users"}),
        ("*stg_?sers", {"stg_users"}),
        ("plans", {"plans.v2"}),
        ("plans.v2", {"plans.v2"}),
        ("plans_v2", {"plans.v2"}),
        ("dbt_utils", {"calendar"}),
        ("*", EVERYTHING - {"raw.users", "raw.orders", "crm.users"}),
        # methods
        ("tag:crm", {"users"}),
        ("tag:*ly", {"users", "pro_users"}),
        ("tag:looker", {"board"}),
        ("package:dbt_utils", {"calendar"}),
        ("package:this", EVERYTHING - {"calendar", "crm.users"}),
        ("resource_type:seed", {"countries"}),
        ("resource_type:exposure", {"board"}),
        ("group:growth", {"users"}),
        ("access:private", {"plans.v2"}),
        ("access:public", {"users"}),
        ("source:raw", {"raw.users", "raw.orders"}),
        ("source:raw.users", {"raw.users"}),
        ("source:*.users", {"raw.users", "crm.users"}),
        ("source:crm.crm.users", {"crm.users"}),
        ("exposure:board", {"board"}),
        ("exposure:shop.*", {"board"}),
        # paths and files
        ("path:models/staging", {"stg_users"}),
        ("models/marts", {"users", "pro_users", "orders", "plans.v2"}),
        ("models/marts/", {"users", "pro_users", "orders", "plans.v2"}),
        ("./models/marts/users.sql", {"users"}),
        ("models/*/users.sql", {"users"}),
        ("models/**/pro_users.sql", {"pro_users"}),
        ("models/marts/cohorts/schema.yml", {"pro_users"}),
        ("models\\marts\\users.sql", {"users"}),
        ("path:seeds", {"countries"}),
        ("users.sql", {"users"}),
        ("file:countries", {"countries"}),
        ("file:pro_*.sql", {"pro_users"}),
        # config
        ("config.materialized:view", {"stg_users"}),
        ("config.meta.revetl.kind:properties", {"users"}),
        ("config.meta.revetl.kind:cohort", {"pro_users"}),
        ("config.meta.revetl.entity:company", {"pro_users"}),
        ("config.lookback:3", {"users"}),
        ("config.flag:TRUE", {"users"}),
        ("config.tags:crm", {"users"}),
        # graph operators
        ("+users", {"users", "stg_users", "raw.users"}),
        ("1+users", {"users", "stg_users"}),
        ("0+users", {"users"}),
        ("2+pro_users", {"pro_users", "users", "stg_users"}),
        ("users+", {"users", "pro_users", "board"}),
        ("users+1", {"users", "pro_users"}),
        ("1+users+1", {"stg_users", "users", "pro_users"}),
        ("@users", {"users", "pro_users", "board", "stg_users", "raw.users"}),
        ("@orders", {"orders", "raw.orders", "stg_users", "raw.users"}),
        ("+exposure:board", {"board", "pro_users", "users", "stg_users", "raw.users"}),
        ("source:raw.orders+", {"raw.orders", "orders"}),
        ("1+tag:hourly", {"pro_users", "users"}),
        # unions and intersections
        ("users orders", {"users", "orders"}),
        ("  users   orders ", {"users", "orders"}),
        ("tag:crm,tag:nightly", {"users"}),
        ("marts,tag:hourly", {"pro_users"}),
        ("+pro_users,+orders", {"stg_users", "raw.users"}),
        ("tag:crm,tag:hourly", set()),
        ("tag:crm,tag:hourly orders", {"orders"}),
        ("", EVERYTHING),
    ],
)
def test_select(select: str, expected: set[str]) -> None:
    """A selection finds what dbt would find, sources and exposures included."""
    assert pick(select) == expected


def test_several_values_are_a_union() -> None:
    """Several --select are one union, as several words in one."""
    assert pick("users", "orders countries") == {"users", "orders", "countries"}
    assert pick() == EVERYTHING


def test_exclude() -> None:
    """What is excluded is taken from what is selected, or from everything."""
    assert pick("marts", exclude=["tag:hourly orders"]) == {"users", "plans.v2"}
    assert pick(exclude=["+users"]) == EVERYTHING - {"users", "stg_users", "raw.users"}
    assert pick("users", exclude=["marts"]) == set()


@pytest.mark.parametrize("value", ["pro_user", "tag:nightlyy", "models/mart", "source:rwa", "nothing_at_all", "file:x"])
@pytest.mark.parametrize("where", ["select", "exclude"])
def test_nothing_found_is_an_error(value: str, where: str) -> None:
    """A name that finds nothing is a slip, in --exclude above all: what was to stay would leave."""
    error = refusal("users", value) if where == "select" else refusal("users", exclude=[value])
    assert error.code == "RVT-110"
    assert repr(value) in error.what


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("pro_user", "pro_users"),
        ("tag:nightlyy", "nightly"),
        ("source:rwa", "raw"),
        ("raw.users", "source:raw.users"),
        ("group:growht", "growth"),
        ("exposure:bord", "board"),
        ("access:pubic", "public"),
    ],
)
def test_did_you_mean(value: str, meant: str) -> None:
    """The refusal guesses what was meant, as it has to be written."""
    assert f"did you mean {meant}" in refusal(value).hint


def test_unknown_method() -> None:
    """An unknown method is refused with the nearest known one; methods of syncs are unknown among nodes."""
    error = refusal("tags:crm")
    assert (error.code, error.hint) == ("RVT-111", "did you mean tag:?")
    assert "path" in refusal("quux:x").hint
    assert refusal("destination:mailchimp").code == "RVT-111"


@pytest.mark.parametrize(
    "value",
    [
        "@users+",
        "+",
        "@",
        "users,",
        ",users",
        "tag:",
        "my-tag:x",
        "++users",
        "config:x",
        "resource_type:modle",
        "state:modifed",
        "source:a.b.c.d",
    ],
)
def test_not_to_be_read(value: str) -> None:
    """What does not fit the grammar, or a method's closed list, is refused as such."""
    assert refusal(value, before=project()).code == "RVT-112"


@pytest.mark.parametrize("value", ["state:modified", "state:new", "result:error"])
def test_needs_something_to_compare_with(value: str) -> None:
    """state: and result: say what is missing."""
    error = refusal(value)
    assert error.code == "RVT-113"
    assert "--state" in error.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "select 2"},
        {"meta": {"revetl": {"kind": "cohort"}}},
        {"columns": {"email": Column("email", meta={"pii": False})}},
        {"columns": {"email": Column("email", meta={"pii": True}, data_type="text")}},
        {"config": {**USERS.config, "materialized": "view"}},
        {"description": "New."},
        {"tags": ("crm",)},
        {"access": "private"},
        {"group": None},
        {"contract": True},
        {"parents": ()},
    ],
)
def test_state_modified(changes: dict[str, Any]) -> None:
    """A change of code, config, meta or columns is seen, column meta above all, which dbt does not see."""
    before = project(*(replace(n, **changes) if n is USERS else n for n in ALL))
    assert pick("state:modified", before=before) == {"users"}
    assert pick("state:modified+1", before=before) == {"users", "pro_users"}
    assert pick("state:unmodified", before=before) == EVERYTHING - {"users"}


@pytest.mark.parametrize(
    "changes",
    [
        {"config": {**USERS.config, "schema": "dev", "database": "x", "alias": "u"}},
        {"config": {**USERS.config, "new_in_this_version": None, "list": [], "object": {}}},
        {"relation": Relation("dev", "dev", "users")},
        {"checksum": "other"},
    ],
)
def test_state_not_modified(changes: dict[str, Any]) -> None:
    """Where another target puts a model, and what another dbt version spells out, is no modification."""
    before = project(*(replace(n, **changes) if n is USERS else n for n in ALL))
    assert pick("state:modified", before=before) == set()


def test_state_parts() -> None:
    """modified.body, .configs and .meta look at their part alone; new is modified too, old is not new."""
    before = project(*(replace(n, meta={}) if n is USERS else n for n in ALL if n is not PRO))
    assert pick("state:new", before=before) == {"pro_users"}
    assert pick("state:old", before=before) == EVERYTHING - {"pro_users"}
    assert pick("state:modified", before=before) == {"users", "pro_users"}
    assert pick("state:modified.body", before=before) == {"pro_users"}
    assert pick("state:modified.meta", before=before) == {"users", "pro_users"}
    assert pick("state:modified.configs", before=before) == {"users", "pro_users"}


def test_state_of_a_seed() -> None:
    """A seed has no code: its checksum is its body."""
    before = project(*(replace(n, code="", checksum="a") if n is SEED else n for n in ALL))
    now = project(*(replace(n, code="", checksum="b") if n is SEED else n for n in ALL))
    assert select_nodes(now, ["state:modified.body"], before=before) == {"seed.shop.countries"}


def test_state_of_an_exposure() -> None:
    """An exposure is modified where its meta is."""
    before = project(exposures={key: {**raw, "meta": {"x": 1}} for key, raw in EXPOSURES.items()})
    assert pick("state:modified", before=before) == {"board"}


def test_result() -> None:
    """A result finds the nodes that have it and those whose tests have it, attached or singular."""
    results = {
        key: BuildResult(key, status, NOW, "build")
        for key, status in {
            "model.shop.stg_users": "error",
            "model.shop.users": "success",
            "test.shop.email": "fail",
            "test.shop.one": "warn",
            "model.gone": "error",
        }.items()
    }
    assert pick("result:error", results=results) == {"stg_users"}
    assert pick("result:fail", results=results) == {"users"}
    assert pick("result:warn", results=results) == {"orders", "plans.v2"}
    assert pick("result:skipped", results=results) == set()
    assert pick("result:error+1", results=results) == {"stg_users", "users", "orders"}


_WORDS = st.text(st.sampled_from("users.*+@,:/[]? 12\\tagfqnstate"), max_size=12)


@given(st.lists(_WORDS, max_size=3), st.lists(_WORDS, max_size=2))
def test_any_text_selects_or_is_refused(select: list[str], exclude: list[str]) -> None:
    """Whatever is typed selects known nodes or is refused by code; nothing else."""
    try:
        assert select_nodes(project(), select, exclude) <= {*project().nodes, *project().exposures}
    except UsageError as error:
        code = error.code
        assert code in {"RVT-110", "RVT-111", "RVT-112", "RVT-113"}


@given(st.sampled_from(["users", "tag:crm", "+users", "orders+", "source:raw"]), st.sampled_from(["marts", "@orders"]))
def test_algebra(one: str, two: str) -> None:
    """A space is a union, a comma an intersection, --exclude a difference."""
    first, second = pick(one), pick(two)
    assert pick(f"{one} {two}") == first | second
    assert pick(f"{one},{two}") == first & second
    assert pick(one, exclude=[two]) == first - second

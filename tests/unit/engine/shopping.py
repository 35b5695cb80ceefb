"""A loaded project whose models lie in a DuckDB file and whose state lies beside it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from revetl.config import load_config
from revetl.destinations import registry
from revetl.engine.workspace import Options, Workspace
from revetl.mapping.build import Resolved
from revetl.types import CohortPlan, FieldPlan, ModelRef, Project, Relation, SyncPlan
from revetl.warehouse.dbt_project import DbtProject
from revetl.warehouse.profiles import Profile
from tests.unit.state.written import HUB, MAIL, Written

YML = "version: 1\ndestinations: {mailchimp: {type: mailchimp, targets: {dev: sandbox}}}\n"
BUILT = datetime(2026, 11, 20, 11, 30, tzinfo=UTC)


def ref(name: str) -> ModelRef:
    """Return one model of the shop."""
    return ModelRef(name, f"model.shop.{name}", Relation("shop", "main", name), ("customer_id",))


def plan(name: str, **more: Any) -> SyncPlan:
    """Return a sync of customers: e-mail address and band, the cohort ``vip``."""
    base = ref("customers")
    whole: dict[str, Any] = {
        "object": "member",
        "fields": (
            FieldPlan("email_address", "email", base.unique_id, pii="email"),
            FieldPlan("LTV_BAND", "band", base.unique_id),
        ),
        "cohorts": (CohortPlan("vip", "Very Important", ref("vip")),),
        **more,
    }
    kind = name.partition(".")[0]
    return SyncPlan(
        name=name, destination=kind, type=kind, entity="customer", key=("customer_id",), base=base,
        match_field="email_address", match_property="email", **whole,
    )  # fmt: skip


def shop(root: Path, *syncs: SyncPlan, models: bool = True) -> tuple[Workspace, Written]:
    """Return the workspace of ``syncs`` (by default Mailchimp alone) and its state, which knows these syncs."""
    project = Project("shop", "1.10", "duckdb", BUILT, "dbt-now", {}, {}, {})
    plans = syncs or (plan(MAIL),)
    profile = Profile("shop", "dev", "duckdb", {"type": "duckdb", "path": str(root / "shop.duckdb")}, root / "p.yml")
    workspace = Workspace(
        Options(project_dir=root), DbtProject("shop", "shop"), "dev", project, load_config(YML, path="revetl.yml"),
        Resolved(plans), registry(), {}, profile if models else None,
    )  # fmt: skip
    return workspace, Written(workspace.state_dir).make(*sorted({MAIL, *(p.name for p in plans)} & {MAIL, HUB}))


def build(root: Path, *rows: tuple[str, str | None, str | None], **others: list[str]) -> None:
    """Let dbt have built customers (id, e-mail, band) and models of keys alone."""
    with duckdb.connect(str(root / "shop.duckdb")) as con:
        con.execute("CREATE OR REPLACE TABLE customers (customer_id VARCHAR, email VARCHAR, band VARCHAR)")
        for row in rows:
            con.execute("INSERT INTO customers VALUES (?, ?, ?)", list(row))
        for name, keys in {"vip": [], **others}.items():
            con.execute(f"CREATE OR REPLACE TABLE {name} (customer_id VARCHAR)")
            for key in keys:
                con.execute(f"INSERT INTO {name} VALUES (?)", [key])


def mapped(workspace: Workspace, *syncs: SyncPlan) -> Workspace:
    """Return the workspace with other syncs."""
    return replace(workspace, resolved=Resolved(syncs))

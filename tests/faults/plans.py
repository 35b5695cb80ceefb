"""What is synced in the fault tests: the models, the plan over them, and a project that has nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from revetl.config import Config, IncrementalConfig
from revetl.contract import Destination
from revetl.engine.workspace import Options, Workspace
from revetl.mapping.build import Resolved
from revetl.types import (
    CohortPlan,
    ConsentPlan,
    FieldPlan,
    Guards,
    Limits,
    ModelRef,
    OnLeave,
    Project,
    Relation,
    SyncPlan,
)  # fmt: skip
from revetl.warehouse.dbt_project import DbtProject
from revetl.warehouse.source import Table, Tables
from tests.faults.vendor import SIM

OFF = Guards(max_leave=Limits(), max_change=Limits(), max_null=Limits(), min_rows=0, unusual=Limits())
MOMENT = "TIMESTAMP WITH TIME ZONE"
# nothing is read twice to be on the safe side
INCREMENTAL = IncrementalConfig.model_validate({"full_every": "999d", "look_back": "0s", "clock_skew": "0s"})
# ``secret`` is mapped nowhere
MODELS: Mapping[str, Mapping[str, str]] = {
    "people": {"id": "VARCHAR", "email": "VARCHAR", "a": "VARCHAR", "b": "INTEGER", "ok": "BOOLEAN", "u": MOMENT,
               "secret": "VARCHAR"},
    "gold": {"id": "VARCHAR", "level": "VARCHAR", "u": MOMENT},
    "risky": {"id": "VARCHAR"},
}  # fmt: skip


def ref(name: str, *key: str) -> ModelRef:
    """Return a model of the world."""
    return ModelRef(name, f"model.sim.{name}", Relation("memory", "main", name), key or ("id",))


PEOPLE, GOLD = replace(ref("people"), updated_at="u"), replace(ref("gold"), updated_at="u")
PLAN = SyncPlan(
    name="sim.person",
    destination="sim",
    type="sim",
    object="person",
    entity="person",
    key=("id",),
    base=PEOPLE,
    match_field="email",
    match_property="email",
    fields=(
        FieldPlan("email", "email", PEOPLE.unique_id),
        FieldPlan("a", "a", PEOPLE.unique_id),
        FieldPlan("b", "b", PEOPLE.unique_id),
    ),
    cohorts=(
        CohortPlan("gold", "gold", GOLD, OFF, fields=(FieldPlan("level", "level", GOLD.unique_id),)),
        CohortPlan("risky", "risky", ref("risky"), OFF),
    ),
    consent=ConsentPlan("ok", PEOPLE.unique_id, "unsubscribe", "pending"),
    on_leave=OnLeave.DELETE,
    on_leave_scope="all",
    cohort_style="tag",
    guards=OFF,
    sandbox=True,
)
# the same with ``a`` marked as personal
PERSONAL = replace(PLAN, fields=(PLAN.fields[0], replace(PLAN.fields[1], pii="name"), PLAN.fields[2]))


class MemorySource:
    """The models, as tables of the same connection."""

    def attach(self, con: Any) -> None:
        """Nothing to attach."""

    def release(self, con: Any) -> None:
        """Nothing to release."""

    def tables(self, con: Any, relations: Any, needs: Any = None, only: Any = None) -> Tables:
        """Return every relation asked for."""
        return Tables({r: Table(r, f"memory.main.{r.identifier}", MODELS[r.identifier]) for r in relations})


def workspace(
    incremental: IncrementalConfig | None = None, destination: Destination = SIM, plan: SyncPlan = PLAN
) -> Workspace:
    """Return a project that has the one sync."""
    project = Project("sim", "1.12.0", "duckdb", datetime(2026, 1, 1, tzinfo=UTC), "i", {}, {}, {})
    config, known = Config("revetl.yml", incremental=incremental), {"sim": destination}
    return Workspace(Options(), DbtProject("sim", None), "dev", project, config, Resolved((plan,)), known, {})

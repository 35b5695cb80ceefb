"""A finished run as lineage and telemetry: what ``telemetry:`` of revetl.yml switches on."""

from __future__ import annotations

from collections.abc import Iterator

from revetl.engine.networking import network
from revetl.engine.workspace import Workspace
from revetl.send.telemetry import Flow, Place, Ran, openlineage, opentelemetry
from revetl.types import Problem, RunResult, Severity, SyncPlan, SyncResult

OPENLINEAGE = ("OPENLINEAGE_URL", "OPENLINEAGE_API_KEY")  # https://openlineage.io/docs/client/python
OTLP = "OTEL_EXPORTER_OTLP_ENDPOINT"  # https://opentelemetry.io/docs/specs/otel/protocol/exporter/


def report(workspace: Workspace, result: RunResult) -> tuple[Problem, ...]:
    """Tell the services that are switched on; return a warning for each that did not take it. A rehearsal tells none.

    ``telemetry: {openlineage: true, opentelemetry: true}``; where they are, their own environment variables say.
    """
    wanted, env = workspace.config.telemetry, workspace.options.env
    if workspace.options.sandbox or not (wanted.openlineage or wanted.opentelemetry):
        return ()
    ran, way = _ran(workspace, result), network(workspace)
    faults: dict[str, str | None] = {}
    if wanted.openlineage:
        url = env.get(OPENLINEAGE[0])
        faults["OpenLineage"] = (
            openlineage(ran, url, env.get(OPENLINEAGE[1]), way) if url else f"{OPENLINEAGE[0]} is not set"
        )
    if wanted.opentelemetry:
        endpoint = env.get(OTLP)
        faults["OpenTelemetry"] = opentelemetry(ran, endpoint, way) if endpoint else f"{OTLP} is not set"
    return tuple(
        Problem(
            "RVT-623", f"{name} was not told of the run: {fault}", "the sync itself is done", severity=Severity.WARNING
        )
        for name, fault in faults.items()
        if fault
    )


def _ran(workspace: Workspace, result: RunResult) -> Ran:
    plans = {plan.name: plan for plan in workspace.resolved.syncs}
    flows = tuple(_flow(workspace, plans[one.sync], one) for one in result.syncs if one.sync in plans)
    return Ran(
        workspace.project.name, workspace.target, result.run, result.started_at, result.finished_at, result.exit_code,
        flows,
    )  # fmt: skip


def _flow(workspace: Workspace, plan: SyncPlan, one: SyncResult) -> Flow:
    places = {ref.unique_id: (_namespace(workspace), str(ref.relation)) for ref in plan.models}
    return Flow(
        sync=plan.name,
        inputs=tuple(places.values()),
        output=(f"{plan.type}://{plan.destination}", plan.object),
        columns=dict(_columns(plan, places)),
        counts={
            "delivered": one.delivered, "rejected": one.rejected, "unknown": one.unknown, "waiting": one.waiting,
            "calls": one.calls,
        },
        lag=one.lag.p95 if one.lag else None,
        error=one.error,
    )  # fmt: skip


def _columns(plan: SyncPlan, places: dict[str, Place]) -> Iterator[tuple[str, tuple[Place, str]]]:
    for field in plan.fields:
        if field.model in places:
            yield field.field, (places[field.model], field.property)


def _namespace(workspace: Workspace) -> str:
    """Return the warehouse as OpenLineage names it: https://openlineage.io/docs/spec/naming."""
    profile = workspace.profile
    if profile is None:
        return workspace.project.adapter
    known = profile.fields
    if profile.type == "snowflake":
        return f"snowflake://{known.get('account')}"
    if profile.type == "postgres":
        return f"postgres://{known.get('host')}:{known.get('port', 5432)}"
    return f"{profile.type}://{known.get('path', '')}"

"""The gate in front of a sync: what dbt's last builds and tests say about its models, and how old the manifest is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from revetl.config.guards import parse_span
from revetl.types import BuildResult, Check, Held, Project, SyncPlan

FAILED = frozenset({"error", "fail", "runtime error", "skipped", "partial success"})
SLACK = timedelta(hours=1)  # tasks of one schedule each make their own manifest
GOOD = frozenset({"success", "pass", "warn", "no-op", "reused"})


def upstream(project: Project, plan: SyncPlan) -> frozenset[str]:
    """Return the sync's models and everything they are made from."""
    found: set[str] = set()
    todo = [ref.unique_id for ref in plan.models]
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            known = project.nodes.get(node)
            todo += known.parents if known else ()
    return frozenset(found)


def guarding(project: Project, models: frozenset[str]) -> Iterator[Check]:
    """Yield the tests that guard any of these models: attached ones by their model, singular ones by what they read."""
    for check in project.checks.values():
        owner = (check.attached_node,) if check.attached_node else check.parents
        if models & set(owner):
            yield check


def gate(
    plan: SyncPlan,
    project: Project,
    results: Mapping[str, BuildResult],
    now: datetime,
    last: datetime | None = None,
) -> tuple[Held | None, tuple[str, ...]]:
    """Return the verdict that stops the sync (None: it may go) and notes for people.

    ``last``: when the manifest of the sync's last run was made. An older one is left over from before.
    """
    age = _age(plan, project, now)
    if age:
        return _stop(plan, "max_age", age), ()
    if last is not None and project.generated_at < last - SLACK:
        made = f"the manifest was made at {project.generated_at:%Y-%m-%d %H:%M}, that of the last run at"
        return _stop(plan, "older_manifest", f"{made} {last:%Y-%m-%d %H:%M}: it is an old one"), ()
    models = upstream(project, plan)
    for uid in sorted(models):
        result = results.get(uid)
        if result is None:
            continue
        if result.partial:
            return _stop(plan, "partial_build", f"{_short(uid)} was built with {result.partial}"), ()
        if result.status not in GOOD and plan.require_tests != "off":
            cause = _cause(project, results, models) if result.status == "skipped" else ""
            return _stop(plan, "tests", f"{_short(uid)}: {result.status} in dbt {result.which}{cause}"), ()
    if plan.require_tests == "off":
        return None, ()
    return _tests(plan, project, results, models)


def _cause(project: Project, results: Mapping[str, BuildResult], models: frozenset[str]) -> str:
    """Return in words what failed before a model that dbt skipped: a model that it is made of, or a test of one."""
    nodes = [(_short(uid), uid) for uid in sorted(models)]
    tests = [(f"test {check.name}", check.unique_id) for check in guarding(project, models)]
    failed = (told for told, uid in (*nodes, *tests) if uid in results and results[uid].status in FAILED - {"skipped"})
    return next((f", because {told} failed" for told in failed), "")


def _tests(
    plan: SyncPlan, project: Project, results: Mapping[str, BuildResult], models: frozenset[str]
) -> tuple[Held | None, tuple[str, ...]]:
    not_run = []
    for check in guarding(project, models):
        result = results.get(check.unique_id)
        if result is None or result.status == "skipped":
            not_run.append(check.name)
        elif result.status not in GOOD:
            count = f" ({result.failures} rows)" if result.failures else ""
            return _stop(plan, "tests", f"test {check.name}: {result.status}{count}"), ()
    if not_run and plan.require_tests == "all":
        return _stop(plan, "tests", f"{len(not_run)} tests did not run, such as {not_run[0]}"), ()
    return None, (f"{len(not_run)} tests of its models did not run in the last builds",) if not_run else ()


def _age(plan: SyncPlan, project: Project, now: datetime) -> str | None:
    if plan.guards.max_age is None:
        return None
    age = (now - project.generated_at).total_seconds()
    if age <= parse_span(plan.guards.max_age):
        return None
    return f"the manifest is {age / 3600:.1f} h old, more than {plan.guards.max_age}"


def _stop(plan: SyncPlan, guard: str, reason: str) -> Held:
    release = f'dbt build, or: revetl approve {plan.name} --guard {guard} --for 24h --reason "…"'
    return Held(plan.name, guard, reason, stops=True, release=release)


def _short(unique_id: str) -> str:
    return unique_id.split(".", 2)[-1]

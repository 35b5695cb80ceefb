"""``docs``: the page's content, from the manifest, the resolved mapping and, where there is one, the target's state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from revetl.contract import Destination
from revetl.docs.book import Book, CohortEntry, FieldEntry, Goes, Kept, Size, SyncEntry, Term, Use
from revetl.docs.page import page
from revetl.engine.glimpse import glimpse
from revetl.engine.session import Clock, utc_now
from revetl.engine.statuses import SyncStatus, status
from revetl.engine.workspace import Workspace
from revetl.errors import RevetlError
from revetl.mapping.complaints import file_of, model_name
from revetl.state.history import Sizes, cohort_sizes
from revetl.types import CONSENT, FieldPlan, Lag, LinkPlan, Node, OnNull, SyncPlan, Write


def document(workspace: Workspace, clock: Clock = utc_now) -> str:
    """Return the page as HTML."""
    return page(book(workspace, clock))


def book(workspace: Workspace, clock: Clock = utc_now) -> Book:
    """Return what the page tells of a target; without state, or where it cannot be read, numbers are left out."""
    sizes, known, notice = _state(workspace)
    syncs = workspace.syncs if workspace.resolved.syncs else ()
    return Book(
        project=workspace.project.name,
        target=workspace.target,
        made=clock().astimezone(UTC).strftime("%Y-%m-%d %H:%M"),
        terms=tuple(_terms(workspace, syncs)),
        cohorts=tuple(_cohorts(workspace, syncs, sizes)),
        syncs=tuple(_sync(workspace, plan, known.get(plan.name)) for plan in syncs),
        kept=tuple(_kept(workspace, syncs)),
        unread=_unread(workspace, syncs),
        notice=notice,
    )


def _state(workspace: Workspace) -> tuple[Sizes, Mapping[str, SyncStatus], str]:
    try:
        with glimpse(workspace) as seen:
            sizes = cohort_sizes(seen.view)
        found = status(workspace, runs=1)
    except RevetlError as error:
        return {}, {}, error.what
    return sizes, {one.sync: one for one in found.syncs}, found.notice


def _owner(node: Node) -> str:
    said = node.meta.get("owner")
    return said if isinstance(said, str) else node.group or ""


def _how(part: FieldPlan | LinkPlan) -> str:
    """Return what is done to a value beside being sent."""
    if isinstance(part, LinkPlan):
        return f"link to the record of {part.target}"
    said = [
        f"hashed, {part.hash}" if part.hash else "",
        {Write.CREATE: "with a new record only", Write.IF_EMPTY: "only where nothing stands"}.get(part.write, ""),
        "a null keeps what stands there" if part.on_null is OnNull.KEEP else "",
    ]
    return ", ".join(word for word in said if word)


def _parts(plan: SyncPlan) -> Iterator[tuple[FieldPlan | LinkPlan, str]]:
    """Yield everything that a column lands in, and how it is called: membership fields with their cohort."""
    yield from ((part, part.field) for part in plan.mapped)
    for cohort in plan.cohorts:
        yield from ((part, f"{cohort.label}: {part.field}") for part in cohort.fields)


def _terms(workspace: Workspace, syncs: Sequence[SyncPlan]) -> Iterator[Term]:
    goes: dict[tuple[str, str], list[tuple[Goes, str | None]]] = {}
    for plan in syncs:
        for part, field in _parts(plan):
            for column in part.property.split(", "):
                goes.setdefault((part.model, column), []).append((Goes(plan.name, field, _how(part)), part.pii))
    for (unique_id, column), places in sorted(goes.items(), key=lambda item: (item[0][1].casefold(), item[0][0])):
        node = workspace.project.nodes[unique_id]
        described = node.columns.get(column)
        kinds = [pii for _, pii in places if pii]
        yield Term(
            column, model_name(node), described.description if described else "", _owner(node),
            kinds[0] if kinds else None, tuple(place for place, _ in places),
        )  # fmt: skip


def _cohorts(workspace: Workspace, syncs: Sequence[SyncPlan], sizes: Sizes) -> Iterator[CohortEntry]:
    uses: dict[str, list[Use]] = {}
    limits: dict[str, list[str]] = {}
    for plan in syncs:
        for cohort in plan.cohorts:
            found = sizes.get((plan.name, cohort.name), ())
            uses.setdefault(cohort.ref.unique_id, []).append(Use(plan.name, cohort.label, _over_time(found)))
        for refs, word in ((plan.audience, "members alone go to"), (plan.exclude, "members never go to")):
            for ref in refs:
                limits.setdefault(ref.unique_id, []).append(f"{word} {plan.name}")
    for unique_id in sorted({*uses, *limits}, key=lambda key: workspace.project.nodes[key].name):
        node = workspace.project.nodes[unique_id]
        yield CohortEntry(
            model_name(node), node.description, _owner(node), file_of(node) or "", tuple(uses.get(unique_id, ())),
            tuple(limits.get(unique_id, ())),
        )  # fmt: skip


def _over_time(sizes: Sequence[tuple[datetime, int]]) -> tuple[Size, ...]:
    return tuple(Size(at.astimezone(UTC).strftime("%Y-%m-%d %H:%M"), members) for at, members in sizes)


def _sync(workspace: Workspace, plan: SyncPlan, known: SyncStatus | None) -> SyncEntry:
    destination = workspace.registry[plan.type]
    names = {ref.unique_id: ref.model for ref in plan.models}
    backlog = known.backlog if known else None
    return SyncEntry(
        name=plan.name,
        title=destination.title,
        object=plan.object,
        entity=plan.entity,
        match=plan.match_field,
        facts=tuple(_facts(plan)),
        fields=tuple(
            FieldEntry(field, names[part.model], part.property, part.pii, _how(part)) for part, field in _parts(plan)
        ),
        cohorts=tuple(cohort.name for cohort in plan.cohorts),
        limits=_limits(destination),
        last=known.last_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if known and known.last_at else "",
        lag=_lag(known.lag) if known and known.lag else "",
        records=backlog.records if backlog else None,
        rejected=backlog.rejected if backlog else None,
    )


def _lag(lag: Lag) -> str:
    half, most = (f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s" for seconds in (lag.p50, lag.p95))
    return f"{half} for half of its changes, {most} for 95 of 100"


def _facts(plan: SyncPlan) -> Iterator[tuple[str, str]]:
    yield "mode", str(plan.mode)
    yield "whoever leaves", {"keep": "is kept there", "drop": "loses what is personal"}.get(plan.leaving, plan.leaving)
    if plan.audience:
        yield "only", ", ".join(ref.model for ref in plan.audience)
    if plan.exclude:
        yield "never", ", ".join(ref.model for ref in plan.exclude)
    if plan.consent is not None:
        yield "consent", f"{plan.consent.column}: no means {plan.consent.cohort.removeprefix(CONSENT)}"
    if plan.cohorts:
        yield "cohorts", ", ".join(f"{cohort.name} as “{cohort.label}”" for cohort in plan.cohorts)


def _limits(destination: Destination) -> tuple[str, ...]:
    """Return the limits of a usual account: an account's own need its credentials."""
    if not destination.rehearsal:
        return ()
    found = destination.limits(destination.settings.model_validate(dict(destination.rehearsal)))
    return tuple(
        f"{limit.name}: {limit.allowance:,}" + ("" if limit.kind == "concurrency" else f" in {limit.seconds:,.0f} s")
        for limit in found
    )


def _kept(workspace: Workspace, syncs: Sequence[SyncPlan]) -> Iterator[Kept]:
    """Yield the columns that stay: of models that are read, those that no sync sends."""
    leaves = {(part.model, name) for plan in syncs for part, _ in _parts(plan) for name in part.property.split(", ")}
    read = {ref.unique_id for plan in syncs for ref in plan.models}
    for unique_id in sorted(read, key=lambda key: workspace.project.nodes[key].name):
        node = workspace.project.nodes[unique_id]
        stays = [(c.name, c.description) for c in node.columns.values() if (unique_id, c.name) not in leaves]
        if stays:
            yield Kept(model_name(node), tuple(stays))


def _unread(workspace: Workspace, syncs: Sequence[SyncPlan]) -> tuple[str, ...]:
    read = {ref.unique_id for plan in syncs for ref in plan.models}
    project = workspace.project
    return tuple(
        sorted(
            model_name(node)
            for key, node in project.nodes.items()
            if key not in read and node.package == project.name and node.resource_type == "model"
        )
    )

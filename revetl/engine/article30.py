"""``flows``: what goes to whom, as the draft of a record of processing (Article 30 of the GDPR)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from revetl.engine.glimpse import glimpse
from revetl.engine.workspace import Workspace
from revetl.mapping.build import Resolved
from revetl.state.backlog import Backlog, backlog, last_results
from revetl.types import FieldPlan, SyncPlan

PURPOSE = "(to be written: why this is sent, and on which legal basis)"


@dataclass(frozen=True, slots=True)
class Item:
    """One column that leaves: under which name, what it is in dbt's words, and whether it is personal."""

    field: str
    column: str
    model: str
    description: str
    pii: str | None


@dataclass(frozen=True)
class Entry:
    """One sync: who gets what of whom. What only people know is left for them to write."""

    sync: str
    recipient: str
    account: str | None
    subjects: str  # the entity
    purpose: str
    items: tuple[Item, ...]
    cohorts: Mapping[str, str]  # what they are called there → their description
    audience: tuple[str, ...]
    excluded: tuple[str, ...]
    on_leave: str
    erasure: str  # what the destination does when somebody is to be erased
    records: int | None
    last_run: datetime | None


@dataclass(frozen=True)
class Record:
    """The draft; ``keep`` is how many days the record of what left is kept, None: until somebody prunes it."""

    target: str
    entries: tuple[Entry, ...]
    values: str
    keep_days: float | None
    notes: tuple[str, ...] = ()


def record_of(workspace: Workspace) -> Record:
    """Return the draft for the syncs of the target; state adds accounts, numbers and times where it can be read."""
    with glimpse(workspace) as seen:
        known = {one.sync: one for one in backlog(seen.view)}
        ended = (
            {sync: run.closed_at for sync, (run, _) in last_results(seen.view).items()} if seen.view.readable else {}
        )
        notes = (seen.view.notice,) if seen.view.notice else ()
    resolved: Resolved = workspace.resolved
    entries = tuple(
        _entry(workspace, plan, known.get(plan.name), ended.get(plan.name))
        for plan in sorted(resolved.syncs, key=lambda plan: plan.name)
    )
    ledger = workspace.config.ledger
    keep = None if ledger.keep is None else ledger.keep / 86_400
    return Record(workspace.target, entries, ledger.values, keep, notes)


def _entry(workspace: Workspace, plan: SyncPlan, known: Backlog | None, last: datetime | None) -> Entry:
    destination = workspace.registry[plan.type]
    said = {cohort.label: _described(workspace, cohort.ref.unique_id) for cohort in plan.cohorts}
    return Entry(
        sync=plan.name,
        recipient=destination.title,
        account=known.account if known else None,
        subjects=plan.entity,
        purpose=PURPOSE,
        items=tuple(_items(workspace, plan)),
        cohorts=said,
        audience=tuple(ref.model for ref in plan.audience),
        excluded=tuple(ref.model for ref in plan.exclude),
        on_leave=str(plan.on_leave),
        erasure=destination.erase.what if destination.erase else "cannot be asked for: by hand",
        records=known.records if known else None,
        last_run=last,
    )


def _described(workspace: Workspace, unique_id: str) -> str:
    node = workspace.project.nodes.get(unique_id)
    return node.description if node is not None else ""


def _items(workspace: Workspace, plan: SyncPlan) -> Iterator[Item]:
    for field in plan.fields:
        node = workspace.project.nodes.get(field.model)
        column = node.columns.get(field.property) if node is not None else None
        yield Item(
            field.field, field.property, _name(workspace, field), column.description if column else "", field.pii
        )


def _name(workspace: Workspace, field: FieldPlan) -> str:
    node = workspace.project.nodes.get(field.model)
    return node.name if node is not None else field.model


def markdown(record: Record) -> Iterator[str]:
    """Yield the draft as lines of Markdown; text of the project is escaped for a table's cell."""
    yield f"# Record of what leaves (target {record.target}): a draft"
    yield ""
    kept = "until it is pruned" if record.keep_days is None else f"{record.keep_days:g} days"
    yield f"The record of what left keeps personal values {_HOW[record.values]}, {kept}."
    for entry in record.entries:
        yield from ("", f"## {entry.recipient}: {_cell(entry.subjects)} ({entry.sync})", "")
        yield f"- Account: {_cell(entry.account or 'not known before the first run')}"
        yield f"- Purpose: {entry.purpose}"
        yield f"- Whose data: {_cell(entry.subjects)}; {_whom(entry)}"
        count = "not known" if entry.records is None else f"{entry.records:,}"
        last = entry.last_run.isoformat(timespec="seconds") if entry.last_run else "never"
        yield f"- Records there: {count}; last run: {last}"
        yield f"- Who leaves the model: {entry.on_leave}. Erasure: {_cell(entry.erasure)}"
        yield from ("", "| field there | column | personal | what it is |", "|---|---|---|---|")
        for item in entry.items:
            cells = (item.field, f"{item.model}.{item.column}", item.pii or "", item.description)
            yield f"| {' | '.join(_cell(cell) for cell in cells)} |"
        for label, description in entry.cohorts.items():
            yield f"| {_cell(label)} | membership | | {_cell(description)} |"


_HOW = {"hash": "as keyed hashes", "clear": "in clear", "encrypted": "encrypted"}


def _whom(entry: Entry) -> str:
    only = f"members of {', '.join(entry.audience)} only" if entry.audience else "all that the model has"
    return f"{only}, never {', '.join(entry.excluded)}" if entry.excluded else only


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())

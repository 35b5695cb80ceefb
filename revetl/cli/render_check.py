"""``check``, ``ls`` and ``debug`` on a screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from revetl.cli.render import hint, indented, problem, row, table, tally, title
from revetl.cli.words import clean, many, span, spark
from revetl.types import OnNull, Write

if TYPE_CHECKING:
    from revetl.cli.listing import CohortRow, PropertyRow, SyncRow
    from revetl.engine.checking import Checked
    from revetl.engine.debugging import DebugFinding
    from revetl.engine.estimating import Estimate
    from revetl.mapping.flowdiff import FlowChange


def checked(found: Checked) -> Iterator[RenderableType]:
    """Yield the findings, what a change of the mapping means, and the sum."""
    for complaint in found.problems:
        yield from problem(complaint)
    if found.compared is not None:
        yield title(f"Data flows against {found.compared}")
        yield changes(found.changes) if found.changes else Text("nothing leaves that did not before")
        yield from (Text(f"≈ {clean(estimated(estimate))}") for estimate in found.estimates)
    if found.skipped:
        names = ", ".join(clean(name) for name in found.skipped)
        yield Text(f"not in target {clean(found.target)}: {names}", style="dim")
    fields = sum(len(sync.fields) for sync in found.syncs)
    sizes = f"{many(len(found.syncs), 'sync')} with {many(fields, 'field')} for target {clean(found.target)}"
    yield Text.assemble((tally(found.problems), "bold"), f" · {sizes} · evidence: manifest and revetl.yml")


def changes(found: Sequence[FlowChange]) -> Table:
    """Return the data-flow diff, what newly leaves first marked with a plus."""
    made = table("", "sync", "what", "before → after", "effect")
    for change in found:
        kind = str(change.kind)
        sign = "+" if kind.endswith("_added") else "-" if kind.endswith("_removed") else "~"
        style = "green" if sign == "+" else "red" if sign == "-" else "yellow"
        row(made, sign, change.sync, what(change), turn(change), effect(change), style=style)
    return made


def what(change: FlowChange) -> str:
    """Return what a change is about."""
    kind = str(change.kind).partition("_")[0]
    return f"{kind} {change.name}" if change.name != change.sync else kind


def turn(change: FlowChange) -> str:
    """Return what was and what is, or where a new thing comes from."""
    source = f"← {change.model}.{change.column}" if change.model and change.column else ""
    if change.before is None and change.after is None:
        return source or (f"← {change.model}" if change.model else "")
    return f"{change.before or '(none)'} → {change.after or '(none)'}"


def effect(change: FlowChange) -> str:
    """Return what a change does, in words: what a pull request's readers are told."""
    kind = str(change.kind)
    redefined = f"written otherwise: {', '.join(change.because)}" if kind.endswith("_redefined") else ""
    said = [
        "newly leaves" if change.leaves else "",
        "sent again for all rows" if change.resends else "",
        f"personal: {change.pii}" if change.pii else "",
        "stops; what is there stays" if kind.endswith("_removed") else "",
        "a guard holds the sync until the type is as it was or is accepted" if kind.endswith("_retyped") else "",
        f"{_REDEFINED[kind]} ({redefined})" if redefined else "; ".join(change.because),
        f"evidence: {change.evidence}" if change.evidence != "manifest" else "",
    ]
    return ", ".join(part for part in said if part)


_REDEFINED = {
    "cohort_redefined": "others may belong to it",
    "limit_redefined": "others may leave",
    "model_redefined": "its values may change",
}


def estimated(estimate: Estimate) -> str:
    """Return a sync's estimate in words."""
    time = "" if estimate.hours is None else f", {span(estimate.hours * 3_600)} by the usual limits"
    what = f"{many(estimate.people, 'record')} sent again"
    if estimate.cohort is not None:
        what = f"at most {many(estimate.people, 'member')} join {estimate.cohort}"
    return f"{estimate.sync}: {what} in {many(estimate.calls, 'call')}{time} (by the last run's size)"


def syncs(found: Sequence[SyncRow]) -> Table:
    """Return the syncs."""
    made = table("sync", "to", "entity", "models", "fields", "cohorts", right=("fields", "cohorts"), title="Syncs")
    for sync in found:
        to = f"{sync.type} {sync.object}{' (sandbox)' if sync.sandbox else ''}"
        row(made, sync.sync, to, sync.entity, ", ".join(sync.models), sync.fields, sync.cohorts)
    return made


def properties(found: Sequence[PropertyRow]) -> Table:
    """Return where each property lands."""
    made = table("property", "sync", "field", "personal", "rules", title="Properties")
    for found_row in found:
        said = {"null": (found_row.on_null, OnNull.CLEAR), "write": (found_row.write, Write.ALWAYS)}
        rules = ", ".join(f"{name}: {value}" for name, (value, usual) in said.items() if value != usual)
        row(made, f"{found_row.model}.{found_row.column}", found_row.sync, found_row.field, found_row.pii or "", rules)
    return made


def cohorts(found: Sequence[CohortRow]) -> Table:
    """Return the cohorts and what they are used for."""
    columns = ("cohort", "label", "entity", "key", "lands in", "limits", "members")
    made = table(*columns, title="Cohorts")
    for cohort in found:
        limits = [
            *(f"{name} (audience)" for name in cohort.audience_of),
            *(f"{n} (excluded)" for n in cohort.excluded_from),
        ]
        row(
            made,
            cohort.cohort,
            cohort.label,
            cohort.entity,
            ", ".join(cohort.key),
            ", ".join(cohort.syncs),
            ", ".join(limits),
            f"{cohort.sizes[-1]:,} {spark(cohort.sizes, 8)}".rstrip() if cohort.sizes else "",
        )
    return made


def findings(found: Sequence[DebugFinding]) -> Iterator[RenderableType]:
    """Yield a line a thing tried."""
    words = {True: ("OK  ", "green"), False: ("FAIL", "bold red"), None: ("--  ", "dim")}
    for finding in found:
        code = f" [{finding.code}]" if finding.code else ""
        yield Text.assemble(words[finding.ok], f"  {clean(finding.name)}{code}: {clean(finding.detail)}")
        if finding.remedy and finding.ok is False:
            yield from indented(hint(finding.remedy), by=6)

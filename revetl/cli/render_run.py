"""``plan`` and ``sync`` on a screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from revetl.cli.render import CAUSES, OPS, RUN_ID, failure, held, indented, note, problem, row, table, tally, title
from revetl.cli.words import clean, many, span
from revetl.engine.workspace import Plan
from revetl.types import CONSENT, RunResult, Sample, SyncPreview, SyncResult

_VALUE = 60  # characters of a value that a sample shows
_SAMPLES = 2  # of each operation, cause and cohort


def plan(found: Plan) -> Iterator[RenderableType]:
    """Yield what a run would do: a table, then each sync that has anything to say."""
    for complaint in found.problems:
        yield from problem(complaint)
    if found.previews:
        yield previews(found)
    for preview in found.previews:
        yield from details(preview)
    yield from _stand_ins([sync.name for sync in found.syncs if sync.sandbox], "would go to local stand-ins")
    calls = sum(preview.calls for preview in found.previews)
    words = f"would send {many(found.changes, 'change')} in about {many(calls, 'call')}"
    words = ", ".join([words if found.changes else "nothing to send", *_hindered(found)])
    yield Text.assemble((words, "bold"), f" · {tally(found.problems)}")


def _hindered(found: Plan) -> Iterator[str]:
    """Yield how many syncs would not go, or not as a whole."""
    failing = sum(preview.error is not None for preview in found.previews)
    holding = sum(bool(preview.held) for preview in found.previews)
    if failing:
        yield f"{many(failing, 'sync')} cannot run"
    if holding:
        yield f"a guard holds something of {many(holding, 'sync')}"


def previews(found: Plan) -> Table:
    """Return one row a sync."""
    columns = ("sync", "rows", "known", "changes", "calls", "time", "held")
    made = table(*columns, right=columns[1:6], title=f"Plan for target {clean(found.target)}")
    for preview in found.previews:
        time = span(preview.seconds) if preview.seconds else ""
        guards = "cannot run" if preview.error else ", ".join(verdict.guard for verdict in preview.held)
        row(made, preview.sync, preview.rows, preview.known, preview.changes, preview.calls, time, guards)
    return made


def details(preview: SyncPreview) -> Iterator[RenderableType]:
    """Yield what a sync would do by operation and cause, samples, what is held and what else is to be known."""
    parts: list[RenderableType] = failure(preview.error)
    if preview.first:
        parts.append(Text("first sync: everything that is not there yet travels"))
    if preview.remote:
        parts.append(Text("read back: " + ", ".join(f"{n:,} {clean(word)}" for word, n in preview.remote.items())))
    parts += [_count(count.rows, count.op, count.cause, count.cohort) for count in preview.counts]
    parts += _samples(preview.samples)
    for verdict in preview.held:
        parts += held(verdict)
    parts += [note(text) for text in (*_left_out(preview), *preview.notes)]
    if parts:
        yield title(preview.sync)
        yield from indented(*parts)


def _count(rows: int, op: str, cause: str, cohort: str | None) -> Text:
    about, word = f"  {clean(cohort)}" if cohort else "", OPS.get(op, op)
    if cohort and cohort.startswith(CONSENT):
        about, word = f"  {clean(cohort.removeprefix(CONSENT))}", "withdrawal"
    return Text(f"{rows:>10,}  {word}{about}  · {CAUSES.get(cause, cause)}")


def _samples(samples: Iterable[Sample]) -> Iterator[RenderableType]:
    """Yield the first few of each kind; the document has all of them."""
    shown: Counter[tuple[str, str, str | None]] = Counter()
    for sample in samples:
        kind = (sample.op, sample.cause, sample.cohort)
        shown[kind] += 1
        if shown[kind] <= _SAMPLES:
            yield from _sample(sample)


def _sample(sample: Sample) -> Iterator[RenderableType]:
    about = f" {clean(sample.cohort)}" if sample.cohort else ""
    yield Text(f"{clean(sample.key, 60)}  {OPS.get(sample.op, sample.op)}{about}", style="dim")
    for field, (before, after) in sample.fields.items():
        if before == after:
            yield Text(f"  ~ {clean(field)}: {clean(after, _VALUE)}", style="yellow")
            continue
        if before is not None:
            yield Text(f"  - {clean(field)}: {clean(before, _VALUE)}", style="red")
        yield Text(f"  + {clean(field)}: {'(empty)' if after is None else clean(after, _VALUE)}", style="green")


def _left_out(preview: SyncPreview) -> Iterator[str]:
    if preview.unmatched:
        yield f"{many(preview.unmatched, 'row')} without a match value: left out (revetl status lists them)"
    if preview.collisions:
        yield f"{many(preview.collisions, 'row')} rejected: two entities share one match value"
    if preview.frozen:
        yield f"{many(preview.frozen, 'row')} rejected earlier and not due yet (revetl errors)"
    if preview.links_waiting:
        yield f"{many(preview.links_waiting, 'link')} waiting: the other record is not there yet"


def result(found: RunResult) -> Iterator[RenderableType]:
    """Yield what a run did: problems, a table, what each sync has to say, the end."""
    for complaint in found.problems:
        yield from problem(complaint)
    yield results(found)
    for sync in found.syncs:
        yield from remarks(sync)
    yield from _stand_ins([sync.sync for sync in found.syncs if sync.sandbox], "went to local stand-ins")
    seconds = (found.finished_at - found.started_at).total_seconds()
    sent = sum(sync.delivered for sync in found.syncs)
    state = f"stopped by {found.interrupted}" if found.interrupted else f"exit {found.exit_code}"
    words = f"{many(sent, 'change')} delivered in {span(seconds)}"
    yield Text.assemble((words, "bold"), f" · {state} · run {clean(found.run[:RUN_ID])}")


def _stand_ins(syncs: Sequence[str], words: str) -> Iterator[Text]:
    """Yield that these syncs reach no account: nobody should believe that their people have their data now."""
    if syncs:
        yield note(f"{', '.join(syncs)} {words}, not to an account")


RESULT_COLUMNS = ("sync", "rows", "delivered", "rejected", "waiting", "unknown", "calls", "state")


def results(found: RunResult) -> Table:
    """Return one row a sync."""
    made = table(*RESULT_COLUMNS, right=RESULT_COLUMNS[1:7], title=f"Sync for target {clean(found.target)}")
    for cells in result_rows(found):
        row(made, *cells)
    return made


def result_rows(found: RunResult) -> Iterator[tuple[str | int, ...]]:
    """Yield the cells of each sync, as the table and the step summary show them."""
    for s in found.syncs:
        yield (s.sync, s.rows, s.delivered, s.rejected, s.waiting, s.unknown, s.calls, _state(s))


def _state(sync: SyncResult) -> str:
    if sync.error:
        return "failed"
    if sync.held:
        return "held"
    if sync.waiting or sync.unknown:
        return "waiting"
    return "done"


def remarks(sync: SyncResult) -> Iterator[RenderableType]:
    """Yield what a person must read about a sync."""
    parts: list[RenderableType] = failure(sync.error)
    for verdict in sync.held:
        parts += held(verdict)
    if sync.rejected:
        parts.append(
            Text(f"{many(sync.rejected, 'row')} rejected, {sync.newly_rejected:,} of them newly: revetl errors")
        )
    if sync.unmatched:
        parts.append(note(f"{many(sync.unmatched, 'row')} without a match value: left out (revetl status lists them)"))
    parts += [note(text) for text in sync.notes]
    if parts:
        yield title(sync.sync)
        yield from indented(*parts)

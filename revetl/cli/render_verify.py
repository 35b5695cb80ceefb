"""What ``verify`` found, as a table and a few samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from revetl.cli.render import row, table
from revetl.cli.words import clean, many
from revetl.engine.verifying import SAMPLES, Drift, Verified

_NUMBERS = ("records", "same", "drifted", "missing", "unsent", "in doubt", "opt-outs")


def verified(found: Sequence[Verified]) -> Iterator[RenderableType]:
    """Yield a row per sync, then each drift with samples, then what to do."""
    made = table("sync", "proof", *_NUMBERS, right=_NUMBERS, title="Read back")
    for one in found:
        if one.note is None and one.error is None:
            row(
                made, one.sync, one.proof, one.rows, one.same, one.drifted, one.missing, one.unsent, one.in_doubt,
                len(one.opted_out),
            )  # fmt: skip
    if made.row_count:
        yield made
    for one in found:
        yield from _told(one)
    if any(one.repaired for one in found):
        yield Text("revetl sync sends what drifted again, in full")
    elif any(one.drift for one in found):
        yield Text("revetl verify --repair lets the next sync send it again")


def _told(one: Verified) -> Iterator[RenderableType]:
    name = clean(one.sync)
    if one.error or one.note:
        yield Text(f"{name}: {clean(one.error or one.note or '')}", style="red" if one.error else "dim")
    for drift in one.fields:
        yield from _drift(f"{name}: {clean(drift.name)} is not as acknowledged", drift)
    for drift in one.cohorts:
        yield from _drift(f"{name}: cohort {clean(drift.name)} has lost members", drift)
    if one.gone:
        yield Text(f"{name}: {many(one.missing, 'record')} not there any more, such as {clean(', '.join(one.gone))}")
    if one.opted_out:
        named = f"{clean(', '.join(one.opted_out[:SAMPLES]))}{' …' if len(one.opted_out) > SAMPLES else ''}"
        yield Text(f"{name}: opted out there: {named} (all are in opt_outs.parquet, beside the state)", style="dim")
    if one.extra:
        yield Text(f"{name}: {many(one.extra, 'membership')} there that revetl did not make, left alone", style="dim")


def _drift(what: str, drift: Drift) -> Iterator[RenderableType]:
    yield Text(f"{what}: {many(drift.rows, 'record')}", style="yellow")
    for sample in drift.samples:
        yield Text(f"  {clean(sample.key)}: {clean(str(sample.ours))} → {clean(str(sample.theirs))}")

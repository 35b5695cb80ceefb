"""Results → rich, no decisions: the pieces that several commands show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from revetl.cli.words import clean, many
from revetl.types import Held, Problem, Severity

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
OPS = {"identity": "rename", "upsert": "create or update", "join": "join", "part": "part", "leave": "leave"}
RUN_ID = 18  # characters of a run's id that tell it from others, for `revetl log --run`: the time and some chance
CAUSES = {"data": "data", "mapping": "mapping (backfill, sent last)", "retry": "retry"}


def table(*columns: str, right: Iterable[str] = (), title: str = "") -> Table:
    """Return an empty table; the columns named in ``right`` hold numbers."""
    numbers = set(right)
    made = Table(
        box=SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold",
        pad_edge=False, padding=(0, 1, 0, 0), show_edge=False,
    )  # fmt: skip
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return made


def row(made: Table, *cells: object, style: str = "") -> None:
    """Add a row; text from outside is made safe, numbers get separators."""
    made.add_row(*(Text(number(value) if isinstance(value, int) else clean(value)) for value in cells), style=style)


def number(value: int) -> str:
    """Return a number with separators, nothing for zero: what is there stands out."""
    return f"{value:,}" if value else "·"


def title(text: str) -> Text:
    """Return a heading."""
    return Text(clean(text), style="bold")


def indented(*things: RenderableType, by: int = 2) -> list[RenderableType]:
    """Return things moved to the right; what people copy stays one line."""
    return [
        unbroken(" " * by, thing) if is_unbroken(thing) else Padding(thing, (0, 0, 0, by), expand=False)
        for thing in things
    ]


def unbroken(*parts: Any) -> Text:
    """Return a line that is never broken: a command in it can be copied, however narrow the terminal is."""
    return Text.assemble(*parts, no_wrap=True, overflow="ignore")


def is_unbroken(thing: RenderableType) -> bool:
    """Return whether a thing is such a line."""
    return isinstance(thing, Text) and bool(thing.no_wrap)


def note(text: str) -> Text:
    """Return a remark."""
    return Text.assemble(("note: ", "cyan"), clean(text))


def failure(error: str | None) -> list[RenderableType]:
    """Return why a sync cannot run, part by part: what happened, what was kept, what to type next."""
    return [Text(clean(part), style="red") for part in error.split(" · ")] if error else []


def hint(text: str) -> Text:
    """Return what to type next."""
    parts = ("hint: ", "bold"), clean(text)
    return unbroken(*parts) if text.startswith(("revetl ", "dbt ", "pip ", "export ")) else Text.assemble(*parts)


def problem(found: Problem) -> list[RenderableType]:
    """Return a finding: where, what, what to write instead."""
    place = ".".join(part for part in (found.model, found.column) if part)
    where = " ".join(part for part in (found.file or "", place, f"({found.sync})" if found.sync else "") if part)
    head = Text.assemble((f"{found.severity}[{found.code}]", STYLES[found.severity]), " ", clean(where))
    body: list[RenderableType] = [Text(clean(found.message))]
    if found.remedy:
        body.append(hint(found.remedy))
    if found.evidence != "manifest":
        body.append(Text(f"evidence: {clean(found.evidence)}", style="dim"))
    return [head, *indented(*body)]


def held(verdict: Held) -> list[RenderableType]:
    """Return what a guard held, why, and what releases it."""
    about = f"{verdict.guard} of {verdict.cohort}" if verdict.cohort else verdict.guard
    whole = (
        "the whole sync is" if verdict.stops else f"{many(verdict.found, 'change')} are" if verdict.found else "it is"
    )
    head = Text.assemble(("held", "bold magenta"), f" by {clean(about)}: {whole} held: {clean(verdict.reason)}")
    body: list[RenderableType] = []
    if verdict.sample:
        body.append(Text("such as " + ", ".join(clean(key, 60) for key in verdict.sample[:5]), style="dim"))
    if verdict.release:
        body.append(unbroken(("release: ", "bold"), clean(verdict.release)))
    if verdict.hash and verdict.hash not in verdict.release:
        body.append(unbroken(f"or this once: revetl sync --approve {clean(verdict.hash)}"))
    return [head, *indented(*body)]


def tally(problems: Sequence[Problem]) -> str:
    """Return how many problems there are of each kind, in words."""
    counts = {severity: sum(p.severity is severity for p in problems) for severity in Severity}
    parts = [many(count, str(severity)) for severity, count in counts.items() if count]
    return ", ".join(parts) or "no problems"

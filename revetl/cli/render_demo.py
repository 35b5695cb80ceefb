"""The demo's scenes on a screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.rule import Rule
from rich.text import Text

from revetl.cli import render_check, render_run, render_why
from revetl.cli.render import indented, row, table
from revetl.cli.words import clean, many, span
from revetl.engine.arrivals import Place, Standing
from revetl.engine.checking import Checked
from revetl.engine.demo import Proof, Scene, Turn
from revetl.engine.shop import Build
from revetl.engine.why import Answer
from revetl.engine.workspace import Plan
from revetl.types import RunResult


def opening(root: Path) -> Iterator[RenderableType]:
    """Yield what is going to happen."""
    yield Text.assemble(("revetl demo", "bold"), f" in {clean(root)}")
    yield Text(
        "A dbt project becomes a data sync app. Nothing leaves this machine: local stand-ins play the other tools."
    )


def scene(found: Scene, number: int) -> Iterator[RenderableType]:
    """Yield one scene: title, words, commands, what they showed, what is proven."""
    yield Text("")
    yield Rule(Text(f" {number}. {clean(found.title)} ", style="bold"), align="left", style="cyan")
    yield from (Text(clean(line)) if line[:1] != " " else Text(line, style="green") for line in found.words.split("\n"))
    yield from (Text(f"$ {clean(command)}", style="bold cyan") for command in found.commands)
    for result in found.results:
        yield from indented(*shown(result))
    yield from (proof(one) for one in found.proofs)


def proof(found: Proof) -> Text:
    """Return one thing that the story says, and whether it holds."""
    mark, style = ("ok ", "green") if found.holds else ("NO ", "bold red")
    return Text.assemble((mark, style), clean(found.text))


def shown(result: object) -> Iterator[RenderableType]:
    """Yield whatever a scene has to show."""
    writer: Callable[[Any], Iterator[RenderableType]] = WRITERS.get(type(result), _text)
    yield from writer(result)


def _text(found: object) -> Iterator[RenderableType]:
    yield Text(f"· {clean(found)}")


def _build(found: Build) -> Iterator[RenderableType]:
    if found.counts:
        yield Text(", ".join(f"{number} {status}" for status, number in sorted(found.counts.items())), style="dim")


def _place(found: Place) -> Iterator[RenderableType]:
    made = table(found.name, "", right=("",))
    for name, number in found.counts.items():
        row(made, name, number)
    for name, number in sorted(found.groups.items()):
        row(made, f"{'tag' if found.name == 'Mailchimp' else 'list'} {name}", number)
    yield made


def _person(found: Standing) -> Iterator[RenderableType]:
    yield Text.assemble((f"one of them in {found.place}: ", "bold"), _line(found))


def _line(found: Standing | None) -> str:
    if found is None:
        return "(not there)"
    fields = ", ".join(f"{clean(name)}={clean(value, 30)}" for name, value in found.fields.items())
    groups = f" [{', '.join(clean(name) for name in found.groups)}]" if found.groups else ""
    return f"{clean(found.status)}: {fields}{groups}"


def _turn(found: Turn) -> Iterator[RenderableType]:
    before, after = _parts(found.before), _parts(found.after)
    yield Text(clean(found.what), style="bold")
    if before == after:
        yield Text(f"    stays, under its new name: {_line(found.after)}")
    for name in dict.fromkeys((*before, *after)):
        was, now = before.get(name), after.get(name)
        if was != now:
            yield Text.assemble(
                f"    {clean(name)}: ", (clean(was or "(none)"), "red"), " → ", (clean(now or "(none)"), "green")
            )


def _parts(found: Standing | None) -> Mapping[str, str]:
    if found is None:
        return {}
    groups = {"tags": ", ".join(found.groups)} if found.groups else {}
    return {"status": found.status, **found.fields, **groups}


WRITERS: Mapping[type, Callable[[Any], Iterator[RenderableType]]] = {
    Build: _build,
    Place: _place,
    Standing: _person,
    Turn: _turn,
    Answer: render_why.answer,
    Plan: render_run.plan,
    RunResult: render_run.result,
    Checked: render_check.checked,
}


def ending(directory: Path, told: Sequence[Scene], seconds: float) -> Iterator[RenderableType]:
    """Yield how it went, and how to go on with an account of one's own."""
    number = sum(len(one.proofs) for one in told)
    yield Text("")
    yield Rule(Text(" Your own account ", style="bold"), align="left", style="cyan")
    yield Text.assemble((f"All {many(number, 'statement')} held, in {span(seconds)}.", "bold green"))
    yield Text(
        f"The shop, its state and the stand-ins' accounts stay in {clean(directory)}. To point it at accounts of yours:"
    )
    steps = (
        f"cd {directory}",
        "export MAILCHIMP_API_KEY=… MAILCHIMP_LIST_ID=… HUBSPOT_ACCESS_TOKEN=…   # revetl.yml names them under prod",
        "dbt build --profiles-dir . --target prod",
        "revetl debug --target prod                      # connection, credentials, account, fields",
        "revetl plan --target prod                       # what would leave; nothing is sent",
        "revetl sync --target prod -s mailchimp.customer --first mailchimp.customer --limit 10",
        "                                                # a canary; then the same without --limit",
    )
    yield from indented(*(Text(step, style="cyan") for step in steps))
    yield Text("In a dbt project of your own: revetl init")

"""``revetl sync``: the main job."""

from __future__ import annotations

from typing import Any

import click

from revetl.cli import completing
from revetl.cli.canary import canary, read_span
from revetl.cli.common import Call, common
from revetl.types import RunResult


@click.command("sync")
@common
@canary
@click.option(
    "--first",
    multiple=True,
    metavar="SYNC",
    shell_complete=completing.syncs,
    help="Let this sync send for the first time.",
)
@click.option("--create-fields", is_flag=True, help="Make mapped fields that a destination lacks.")
@click.option("--strict", is_flag=True, help="Known rejections fail too (exit 1).")
@click.option("--deadline", callback=read_span, metavar="TIME", help="Send nothing after this long, such as 20m.")
def command(call: Call, **given: Any) -> int:
    """Send what changed since each destination last acknowledged it.

    SIGINT and SIGTERM end the run in order within seconds (exit 130, 143); a second one ends it at once, and loses
    nothing either. target/revetl_results.json holds the results.
    """
    return perform(call, **given)


def perform(call: Call, **given: Any) -> int:
    """Do a run and show what became of it; ``given`` are options of the engine. Return the exit code."""
    from revetl import run
    from revetl.cli import github, render_run
    from revetl.cli.progress import watching
    from revetl.cli.signals import stopping

    with stopping(call.screen.line) as stop, watching(call.screen) as watch:
        result = run.sync(call.options(**given), on_event=watch, stop=stop)
    code = result.exit_code
    call.screen.show(*render_run.result(result))
    title = f"revetl sync: target {result.target}, exit {code}"
    github.summarise(title, render_run.RESULT_COLUMNS, render_run.result_rows(result))
    github.annotate(result.problems, call.project_dir)
    parts = {name: getattr(result, name) for name in RunResult.__slots__ if name != "exit_code"}
    call.screen.document("sync", **parts, exit_code=code)
    return code

"""``revetl plan``: what a sync would send."""

from __future__ import annotations

from typing import Any

import click

from revetl.cli.canary import canary
from revetl.cli.common import Call, common


@click.command("plan")
@common
@canary
def command(call: Call, **given: Any) -> int:
    """Show what a sync would send, by sync, operation and cause, with samples, calls and time; send nothing.

    Exit 2 where a sync cannot run, 3 where a guard would hold something.
    """
    from revetl import run
    from revetl.cli import render_run
    from revetl.cli.progress import watching

    with watching(call.screen) as watch:
        found = run.plan(call.options(**given), on_event=watch)
    call.screen.show(*render_run.plan(found))
    call.screen.document(
        "plan", target=found.target, syncs=found.previews, problems=found.problems, exit_code=found.exit_code,
        changes=found.changes,
    )  # fmt: skip
    return found.exit_code

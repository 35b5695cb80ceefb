"""``revetl status``: how a target stands."""

from __future__ import annotations

from dataclasses import fields

import click

from revetl.cli.common import Call, common
from revetl.cli.opening import opened, sandbox_option


@click.command("status")
@common
@sandbox_option
@click.option("--runs", type=click.IntRange(min=1), default=5, show_default=True, help="How many runs to show.")
def command(call: Call, sandbox: bool, runs: int) -> int:  # noqa: FBT001 - click gives it by name
    """Show last runs, backlog, what is held, rejected and orphaned; also while a run is at work."""
    from revetl.cli import render_state
    from revetl.engine.statuses import status

    found = status(opened(call, sandbox=sandbox), runs)
    call.screen.show(*render_state.status(found))
    parts = {field.name: getattr(found, field.name) for field in fields(found)}
    call.screen.document("status", **parts, clean=found.clean, exit_code=0)
    return 0

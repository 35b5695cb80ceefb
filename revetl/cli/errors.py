"""``revetl errors``: rejected rows with reason and remedy."""

from __future__ import annotations

import click

from revetl.cli.common import Call, common
from revetl.cli.opening import opened, sandbox_option


@click.command("errors")
@common
@sandbox_option
@click.option("--retry", is_flag=True, help="Sync now, rejected rows included; nothing runs where none is rejected.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many rows to show.")
def command(call: Call, sandbox: bool, retry: bool, limit: int) -> int:  # noqa: FBT001 - click gives them by name
    """List what destinations (or revetl) refused by name, why, and what to do about it."""
    from revetl.cli import render_state
    from revetl.engine.rejections import rejections

    found = rejections(opened(call, sandbox=sandbox), limit)
    if retry and found.total:
        from revetl.cli.sync import perform

        return perform(call, retry=True, sandbox=sandbox)
    call.screen.show(*render_state.rejections(found))
    call.screen.document("errors", rejected=found.listed, total=found.total, notice=found.notice, exit_code=0)
    return 0

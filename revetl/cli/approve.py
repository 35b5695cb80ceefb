"""``revetl approve``: let through what a guard holds."""

from __future__ import annotations

import click

from revetl.cli import completing
from revetl.cli.common import Call, common
from revetl.cli.opening import opened, sandbox_option


@click.command("approve")
@click.argument("sync", shell_complete=completing.syncs)
@common
@sandbox_option
@click.option("--guard", required=True, help="Which guard, as `status` names it: max_leave, types, …")
@click.option("--cohort", help="The cohort whose parts are held.")
@click.option("--up-to", type=click.IntRange(min=1), metavar="ROWS", help="How many rows may go.")
@click.option("--for", "span", default="24h", show_default=True, metavar="TIME", help="How long it holds; 30d at most.")
@click.option("--reason", required=True, help="Why; it is kept with your name.")
def command(
    call: Call,
    sync: str,
    sandbox: bool,  # noqa: FBT001 - click gives it by name
    guard: str,
    cohort: str | None,
    up_to: int | None,
    span: str,
    reason: str,
) -> int:
    """Let through what GUARD holds of SYNC; the run that stays within the bound uses the approval up."""
    from revetl.engine.approving import approve
    from revetl.engine.times import moment

    workspace = opened(call, sandbox=sandbox)
    made = approve(workspace, sync, guard, reason=reason, up_to=up_to, span=span, cohort=cohort)
    bound = f" of up to {up_to:,} rows" if up_to else ""
    call.screen.say(f"approved {guard}{bound} of {sync} until {moment(made.until)}, by {made.who} (approval {made.id})")
    call.screen.say(f"next: revetl sync -s {sync}")
    call.screen.document("approve", approval=made, exit_code=0)
    return 0

"""``revetl rekey``: carry what is known of an entity over to another key."""

from __future__ import annotations

import click

from revetl.cli.asking import agreed, yes_option
from revetl.cli.common import Call, common
from revetl.cli.opening import opened, sandbox_option


@click.command("rekey")
@click.argument("entity")
@common
@sandbox_option
@click.option(
    "--from", "columns", multiple=True, metavar="COLUMN", help="Where the model has the old key; else where the new is."
)
@click.option("--leave-behind", is_flag=True, help="Forget keys that are not in the model; their records stay there.")
@click.option("--dry-run", is_flag=True, help="Only say what would be carried over.")
@yes_option
def command(
    call: Call, entity: str, *, sandbox: bool, columns: tuple[str, ...], leave_behind: bool, dry_run: bool, yes: bool
) -> int:
    """Give what is known of ENTITY the key that its model has now; nothing is sent, and nothing ends.

    For a key of another type or another column. The model must have both, so that each old key tells its new one.
    """
    from revetl.cli.words import many
    from revetl.engine.rekeying import rekey

    workspace = opened(call, sandbox=sandbox)
    found = rekey(workspace, entity, columns, leave_behind=leave_behind)
    for one in found:
        left = f", {many(one.left, 'key')} left behind" if one.left else ""
        types = f"{', '.join(one.before)} → {', '.join(one.now)}"
        call.screen.say(f"{one.sync} ({types}): {many(one.moved, 'key')} change, {one.same:,} stay{left}")
    done = not dry_run and agreed(call, "Carry this over?", yes=yes, kept="nothing was changed")
    if done:
        found = rekey(workspace, entity, columns, leave_behind=leave_behind, keep=True)
        call.screen.say(f"carried over; next: revetl plan -s {found[0].sync}")
    call.screen.document("rekey", entity=entity, syncs=found, done=done, exit_code=0)
    return 0

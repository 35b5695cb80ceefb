"""``revetl recover``: trust a state again that was lost or restored."""

from __future__ import annotations

import click

from revetl.cli.common import Call, common
from revetl.cli.opening import opened, sandbox_option


@click.command("recover")
@common
@sandbox_option
def command(call: Call, sandbox: bool) -> int:  # noqa: FBT001 - click gives it by name
    """Accept the state as it is and send everything in it again, under all guards; nothing is deleted."""
    from revetl.engine.recovering import recover

    found = recover(opened(call, sandbox=sandbox))
    if not found.needed:
        call.screen.say("state and head agreed: nothing was lost", level="warn")
    elif found.lost:
        call.screen.say(f"the state was {found.lost:,} numbers behind its head")
    for one in found.syncs:
        call.screen.say(f"{one.sync}: {one.records:,} records and {one.members:,} memberships are sent again")
    if found.readopted:
        told = "ledger files that the state did not know, or not as they are, are in its chain now"
        call.screen.say(f"{told}: {len(found.readopted)}")
    call.screen.say("next: revetl plan")
    call.screen.document("recover", recovery=found, exit_code=0)
    return 0

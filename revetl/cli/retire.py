"""``revetl retire``: settle what is no longer mapped."""

from __future__ import annotations

from dataclasses import replace

import click

from revetl.cli.common import Call, common
from revetl.cli.opening import opened, sandbox_option
from revetl.errors import UsageError


@click.command("retire")
@click.argument("name")
@common
@sandbox_option
@click.option("--keep", is_flag=True, help="Leave what stands at the destination, and forget it.")
@click.option("--clear", is_flag=True, help="End it at the destination first.")
def command(call: Call, name: str, sandbox: bool, keep: bool, clear: bool) -> int:  # noqa: FBT001 - by name
    """Settle what configuration names no more: NAME is a sync, SYNC.FIELD, SYNC.COHORT or SYNC.COHORT.FIELD, as
    `status` lists it.

    The ledger keeps what left.
    """
    from revetl import run
    from revetl.cli import render_run
    from revetl.engine.retiring import clearable, retire

    if keep == clear:
        raise UsageError("RVT-100", "say what becomes of what stands there", hint=f"revetl retire {name} --keep")
    workspace = opened(call, sandbox=sandbox)
    if clear:
        names = clearable(workspace, name)
        syncs = tuple({".".join(full.split(".")[:2]) for full in names})
        result = run.sync(replace(workspace.options, select=syncs, exclude=(), clear=names))
        if result.exit_code:
            call.screen.show(*render_run.result(result))
            call.screen.say("not everything could be cleared: nothing is forgotten", level="warn")
            return result.exit_code
    done = retire(workspace, name)
    what = "it was cleared there" if clear else "what stands there stays"
    for one in done:
        called = one.sync if one.kind == "sync" else f"{one.name} of {one.sync}"
        call.screen.say(f"forgot the {one.kind} {called}; {what} ({one.rows:,} rows)")
    call.screen.document("retire", retired=done, exit_code=0)
    return 0

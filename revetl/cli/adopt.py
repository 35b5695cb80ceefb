"""``revetl adopt``: take what stands at a destination as sent."""

from __future__ import annotations

from typing import Any

import click

from revetl.cli import completing
from revetl.cli.common import Call, common


@click.command("adopt")
@common
@click.argument("syncs", nargs=-1, required=True, shell_complete=completing.syncs)
@click.option("--dry-run", is_flag=True, help="Compare only; keep nothing.")
@click.option("--sandbox", is_flag=True, help="Rehearse against the local stand-ins.")
def command(call: Call, syncs: tuple[str, ...], **given: Any) -> int:
    """Read SYNCS back and make what is there their snapshot, so that the next run sends only what differs.

    Nothing is sent. Exit 1 where a sync could not be adopted.
    """
    from revetl.cli import render_adopt
    from revetl.cli.progress import watching
    from revetl.engine.adopting import adopt

    keep = not given.pop("dry_run")
    with watching(call.screen) as watch:
        found = adopt(call.options(**given), syncs, on_progress=watch, keep=keep)
    code = 1 if any(one.error for one in found) else 0
    call.screen.show(*render_adopt.adopted(found, keep=keep))
    call.screen.document("adopt", syncs=found, kept=keep, exit_code=code)
    return code

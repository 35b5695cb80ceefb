"""``revetl verify``: destinations read back, beside what they acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from revetl.cli import completing
from revetl.cli.canary import read_keys
from revetl.cli.common import Call, common


@click.command("verify")
@common
@click.argument("syncs", nargs=-1, shell_complete=completing.syncs)
@click.option("--sample", type=click.IntRange(min=1), help="Only so many records of each sync, at random.")
@click.option("--keys", callback=read_keys, metavar="FILE|-|K1,K2", help="Only these keys.")
@click.option("--repair", is_flag=True, help="Let the next sync send what drifted again, in full.")
@click.option("--sandbox", is_flag=True, help="Verify rehearsals against the local stand-ins.")
def command(call: Call, syncs: tuple[str, ...], sample: int | None, keys: Sequence[str], **given: Any) -> int:
    """Read SYNCS (default: all) back and report what is not there as it was acknowledged; send nothing.

    Exit 1 where something drifted or could not be read.
    """
    from revetl.cli import render_verify
    from revetl.cli.progress import watching
    from revetl.engine.verifying import Wish, verify

    wish = Wish(sample, keys, repair=given.pop("repair"))
    with watching(call.screen) as watch:
        found = verify(call.options(**given), syncs, wish, on_progress=watch)
    code = 1 if any(one.drift or one.error for one in found) else 0
    call.screen.show(*render_verify.verified(found))
    call.screen.document("verify", syncs=found, drift=sum(one.drift for one in found), exit_code=code)
    return code

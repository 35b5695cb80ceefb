"""``revetl rotate``: another key for what the record hides."""

from __future__ import annotations

import click

from revetl.cli.asking import agreed, yes_option
from revetl.cli.common import Call, common
from revetl.cli.opening import opened, sandbox_option


@click.command("rotate")
@common
@sandbox_option
@click.option("--drop", metavar="ID", help="Destroy this old key: what it hides is never found again.")
@click.option("--lost", is_flag=True, help="Go on although the earlier key is lost.")
@yes_option
def command(call: Call, *, sandbox: bool, drop: str | None, lost: bool, yes: bool) -> int:
    """Make a new key for the values that the ledger hides; old ones are kept, so that `why` and `log` still find them.

    A key in the environment is changed there: `ledger: {key: …, old_keys: […]}`.
    """
    from revetl.engine.rotating import rotate

    workspace = opened(call, sandbox=sandbox)
    if drop or lost:
        what = f"what key {drop} hides" if drop else "what the lost key hides"
        if not agreed(call, f"Never find {what} again?", yes=yes, kept="nothing was changed"):
            return 0
    found = rotate(workspace, lost=lost, drop=drop)
    call.screen.say(f"key {found.current} hides values from now on; kept to find older ones: "
                    f"{', '.join(found.old) or 'none'}")  # fmt: skip
    call.screen.document("rotate", keys=found, exit_code=0)
    return 0

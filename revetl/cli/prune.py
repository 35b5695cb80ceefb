"""``revetl prune``: the record of what left, kept no longer than it is to be kept."""

from __future__ import annotations

from datetime import timedelta

import click

from revetl.cli.asking import agreed, yes_option
from revetl.cli.common import Call, common
from revetl.cli.opening import opened, sandbox_option


@click.command("prune")
@common
@sandbox_option
@click.option("--older-than", metavar="SPAN", help="Such as 400d.  [default: `ledger: {keep: …}` of revetl.yml]")
@yes_option
def command(call: Call, *, sandbox: bool, older_than: str | None, yes: bool) -> int:
    """Take out of the ledger what is older than it is to be kept; the chain records that it was.

    State keeps what stands at the destinations: nothing is sent again. `why` no longer tells what was taken out.
    """
    from revetl.cli.words import many
    from revetl.engine.pruning import prune
    from revetl.engine.times import moment

    workspace = opened(call, sandbox=sandbox)
    span = None if older_than is None else _span(older_than)
    found = prune(workspace, span, do=False)
    what = f"{many(found.rows, 'row')} of {many(found.files, 'file')} from before {moment(found.before)}"
    if not found.rows:
        call.screen.say(f"nothing in the ledger is from before {moment(found.before)}")
    elif agreed(call, f"Take out {what}?", yes=yes, kept="nothing was taken out"):
        found = prune(workspace, span)
        call.screen.say(f"taken out: {what}; {many(found.gone, 'file')} had nothing else and are gone")
    call.screen.document("prune", pruned=found, exit_code=0)
    return 0


def _span(text: str) -> timedelta:
    """Return a span of time.

    Raises:
        UsageError: RVT-862.
    """
    from pydantic_core import PydanticCustomError

    from revetl.config.guards import parse_span
    from revetl.errors import UsageError

    try:
        return timedelta(seconds=parse_span(text))
    except (PydanticCustomError, OverflowError):
        raise UsageError("RVT-862", f"'{text[:20]}' is no span of time", hint="such as 400d") from None

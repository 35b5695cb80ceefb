"""``revetl publish``: the record of what left, as tables that analysts can query."""

from __future__ import annotations

import click

from revetl.cli.common import Call, common
from revetl.cli.opening import sandbox_option


@click.command("publish")
@common
@sandbox_option
@click.option("--schema", default="revetl", show_default=True, help="Where in the warehouse; it is made.")
def command(call: Call, *, sandbox: bool, schema: str) -> int:
    """Bring tables of the warehouse (DuckDB, Postgres) in line with the record: flows, flow_fields, runs, syncs.

    They hold what the record holds: personal values as HMACs, unless it keeps them in clear. What `prune` or `forget`
    took out of the record leaves the tables with the next `publish`.
    """
    from revetl.cli.words import many
    from revetl.engine.publishing import publish
    from revetl.engine.workspace import load

    found = publish(load(call.options(sandbox=sandbox)), schema)
    call.screen.say(
        f"{found.schema}: {many(found.added, 'run')} added, {found.replaced:,} replaced, {found.removed:,} taken out "
        f"({many(found.rows, 'flow')})"
    )
    call.screen.document("publish", published=found, exit_code=0)
    return 0

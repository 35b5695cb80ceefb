"""``revetl ls``: syncs, properties and cohorts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from revetl.cli.common import Call, common

RESOURCES = ("syncs", "properties", "cohorts")


@click.command("ls")
@common
@click.option("--resource", type=click.Choice(RESOURCES), multiple=True, help="What to list.  [default: all]")
def command(call: Call, resource: tuple[str, ...]) -> int:
    """List syncs, the properties they carry and the cohorts they know."""
    from revetl.cli import listing, render_check
    from revetl.engine.sizes import sizes_of
    from revetl.engine.workspace import load

    workspace = load(call.options(), profile=False)
    plans = workspace.syncs if workspace.resolved.syncs else ()
    wanted = resource or RESOURCES
    made: dict[str, Callable[[], Sequence[Any]]] = {
        "syncs": lambda: listing.sync_rows(plans),
        "properties": lambda: listing.property_rows(plans),
        "cohorts": lambda: listing.cohort_rows(plans, sizes_of(workspace)),
    }
    rows = {name: made[name]() for name in RESOURCES if name in wanted}
    for name, found in rows.items():
        if not found:
            call.screen.show(f"no {name}")
            continue
        call.screen.show(getattr(render_check, name)(found))
    errors = len(workspace.resolved.errors)
    if errors:
        call.screen.say(f"{errors} errors leave something out: revetl check", level="warn")
    call.screen.document("ls", target=workspace.target, **rows, exit_code=0)
    return 0

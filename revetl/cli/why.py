"""``revetl why``: what a destination believed about somebody, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from revetl.cli import completing
from revetl.cli.common import Call, common
from revetl.cli.opening import opened, sandbox_option, when

if TYPE_CHECKING:
    from revetl.engine.why import Origin, SyncAnswer


@click.command("why")
@click.argument("key")
@common
@sandbox_option
@click.option("--to", metavar="SYNC", shell_complete=completing.syncs, help="Only this sync or destination.")
@click.option("--at", metavar="TIME", help='Then, not now: "2026-11-20 12:00", "yesterday 12:00" or 36h.')
@click.option("--field", help="Why this field (or the column behind it) is as it is.")
@click.option("--cohort", help="Why somebody is in this cohort, or is not.")
@click.option("--timeline", is_flag=True, help="Every flow of all destinations, in the order of their times.")
def command(call: Call, key: str, **given: Any) -> int:
    """Tell what each destination believed about KEY, each flow that made it so, or why nothing was sent.

    KEY is a key of the model, a composite one as a JSON array ('[4,"eu"]'), or an e-mail address.
    """
    from revetl.cli import render_why
    from revetl.engine.why import why

    workspace = opened(call, models=True, sandbox=given.pop("sandbox"))
    found = why(workspace, key, to=given["to"], at=when(given["at"]), field=given["field"], cohort=given["cohort"])
    call.screen.show(*render_why.answer(found, timeline=given["timeline"]))
    syncs = [document(one) for one in found.syncs]
    call.screen.document("why", asked=found.asked, at=found.at, syncs=syncs, notes=found.notes, exit_code=0)
    return 0


def document(found: SyncAnswer) -> dict[str, Any]:
    """Return one sync's answer as plain data."""
    return {
        "sync": found.sync, "destination": found.destination, "key": found.key, "there": found.belief.there,
        "since": found.belief.since, "left": found.belief.left, "fields": found.belief.fields,
        "cohorts": found.belief.cohorts, "memberships": found.belief.memberships, "reason": found.reason,
        "steps": found.steps, "introduced": {
            "fields": _origins(found, "field"), "cohorts": _origins(found, "cohort"),
        },
    }  # fmt: skip


def _origins(found: SyncAnswer, kind: str) -> dict[str, Origin]:
    return {name: origin for (what, name), origin in found.introduced.items() if what == kind}

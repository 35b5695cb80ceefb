"""``revetl log``: the record of all that left, searched, exported, verified."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from revetl.cli import completing
from revetl.cli.common import Call, common
from revetl.cli.opening import opened, sandbox_option, when

if TYPE_CHECKING:
    from revetl.engine.workspace import Workspace
    from revetl.state.flowlog import Filters

OUTCOMES = ("delivered", "rejected", "unknown", "waiting", "local", "open")
OPS = ("identity", "upsert", "join", "part", "leave", "erase")
FORMS = ("parquet", "csv", "json")


@click.command("log")
@click.argument("key", required=False)
@common
@sandbox_option
@click.option(
    "--to", multiple=True, metavar="SYNC", shell_complete=completing.syncs, help="Only this sync or destination."
)
@click.option("--since", metavar="TIME", help='Such as "2026-11-20 12:00", "yesterday 12:00" or 36h.')
@click.option("--until", metavar="TIME", help="Up to and including this moment.")
@click.option("--field", help="Only what carried this field of the destination.")
@click.option("--cohort", help="Only joins and parts of this cohort.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Only with this outcome.")
@click.option("--op", type=click.Choice(OPS), help="Only this operation.")
@click.option("--run", help="Only of this run; the beginning of its id will do.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many rows to show.")
@click.option("--export", type=click.Path(dir_okay=False, path_type=Path), help="Write all that pass to this file.")
@click.option("--format", "form", type=click.Choice(FORMS), help="Of the export.  [default: by the file's name]")
@click.option("--verify", is_flag=True, help="Check that every file is as it was written.")
def command(call: Call, key: str | None, **given: Any) -> int:
    """Search the record of all that left: what, to whom, when, why, with which outcome.

    KEY is a key of the model or an e-mail address (personal values are kept as HMACs, and found by them).
    """
    workspace = opened(call, sandbox=given["sandbox"])
    if given["verify"]:
        return _verify(call, workspace)
    filters = _filters(given)
    if given["export"]:
        return _export(call, workspace, filters, key, given["export"], given["form"])
    from revetl.cli import render_state
    from revetl.engine.records import records

    found = records(workspace, filters, key)
    call.screen.show(*render_state.flows(found))
    call.screen.document("log", flows=found.flows, notice=found.notice, exit_code=0)
    return 0


def _filters(given: dict[str, Any]) -> Filters:
    from revetl.state.flowlog import Filters

    same = ("field", "cohort", "outcome", "op", "run")
    return Filters(
        syncs=given["to"], since=when(given["since"]), until=when(given["until"]),
        limit=None if given["export"] else given["limit"], **{name: given[name] for name in same},
    )  # fmt: skip


def _export(call: Call, workspace: Workspace, filters: Filters, key: str | None, path: Path, form: str | None) -> int:
    from revetl.engine.records import export_records

    rows = export_records(workspace, filters, path, form or path.suffix.lstrip(".").lower(), key)
    call.screen.say(f"{rows:,} rows written to {path}")
    call.screen.document("log", exported=rows, path=path, exit_code=0)
    return 0


def _verify(call: Call, workspace: Workspace) -> int:
    from revetl.cli import render_state
    from revetl.engine.records import verify_records

    found = verify_records(workspace)
    code = 2 if found.faults else 0
    call.screen.show(*render_state.verified(found))
    call.screen.document("log", links=found.links, faults=found.faults, notice=found.notice, exit_code=code)
    return code

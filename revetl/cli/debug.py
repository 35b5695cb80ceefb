"""``revetl debug``: each thing a sync needs, tried by itself."""

from __future__ import annotations

import click

from revetl.cli.common import Call, common


@click.command("debug")
@common
def command(call: Call) -> int:
    """Test project, profile, warehouse, settings, credentials, accounts and fields; write nothing.

    Exit 2 where anything fails.
    """
    from revetl.cli import render_check
    from revetl.engine.debugging import debug, failed

    findings = debug(call.options())
    faults = list(failed(findings))
    code = 2 if faults else 0
    call.screen.show(*render_check.findings(findings))
    call.screen.show("everything works" if not faults else f"{len(faults)} of {len(findings)} things fail")
    call.screen.document("debug", findings=findings, exit_code=code)
    return code

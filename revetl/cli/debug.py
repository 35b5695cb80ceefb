"""``revetl debug``: each thing a sync needs, tried by itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from revetl.cli.common import Call, common
from revetl.errors import UsageError

if TYPE_CHECKING:
    from revetl.engine.debugging import DebugFinding


@click.command("debug")
@common
@click.option("--create-fields", is_flag=True, help="Make mapped fields that a destination lacks, once you agreed.")
@click.option("--yes", is_flag=True, help="Agree beforehand.")
def command(call: Call, *, create_fields: bool, yes: bool) -> int:
    """Test project, profile, warehouse, settings, credentials, accounts, fields and their values.

    Nothing is written, but fields with --create-fields. Exit 2 where anything fails.
    """
    from revetl.cli import render_check
    from revetl.engine.debugging import debug, failed
    from revetl.engine.fieldmaking import create_fields as make

    findings = debug(call.options())
    lacking = [finding for finding in findings if finding.creatable]
    call.screen.show(*render_check.findings(findings))
    if create_fields and lacking and (yes or _agreed(call, lacking)):
        made = make(call.options(), lacking)
        call.screen.show(*render_check.findings(made))
        again = debug(call.options())
        findings = (*made, *again)
        call.screen.show(*render_check.findings([finding for finding in again if finding.sync]))
    faults = list(failed(findings))
    code = 2 if faults else 0
    call.screen.show("everything works" if not faults else f"{len(faults)} of {len(findings)} things fail")
    call.screen.document("debug", findings=findings, exit_code=code)
    return code


def _agreed(call: Call, lacking: Sequence[DebugFinding]) -> bool:
    """Show what would be made, and ask.

    Raises:
        UsageError: RVT-804, nobody can be asked.
    """
    for finding in lacking:
        listed = ", ".join(f"{field.name} ({field.type})" for field in finding.creatable)
        call.screen.say(f"would be made for {finding.sync}: {listed}", level="warn")
    if not sys.stdin.isatty():
        raise UsageError(
            "RVT-804", "--create-fields asks before it makes fields", kept="none was made", hint="add --yes"
        )
    return click.confirm("Make them?", err=True)

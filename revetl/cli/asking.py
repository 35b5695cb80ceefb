"""Asking before something that cannot be taken back."""

from __future__ import annotations

import sys

import click

from revetl.cli.common import Call
from revetl.errors import UsageError

yes_option = click.option("--yes", is_flag=True, help="Agree beforehand.")


def agreed(call: Call, question: str, *, yes: bool, kept: str) -> bool:
    """Return whether a person agrees; ``kept`` says what is as it was where nobody did.

    Raises:
        UsageError: RVT-804, nobody can be asked.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("RVT-804", f"this asks first: {question}", kept=kept, hint="add --yes")
    if click.confirm(question, err=True):
        return True
    call.screen.say(kept, level="warn")
    return False

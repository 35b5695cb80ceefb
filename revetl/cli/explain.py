"""``revetl explain``: what an error code means."""

from __future__ import annotations

from difflib import get_close_matches

import click

from revetl.cli import completing
from revetl.cli.common import Call, voiced
from revetl.errors import CATALOG, UsageError

GROUPS = {
    "1": "usage and configuration",
    "2": "dbt's artefacts",
    "3": "meta and mapping",
    "4": "warehouse",
    "5": "state and ledger",
    "6": "sending and destinations",
    "7": "guards",
    "8": "commands",
}


@click.command("explain")
@click.argument("code", required=False, shell_complete=completing.codes)
@voiced
def command(call: Call, code: str | None) -> int:
    """Say what an error code means and what mends it; without CODE, list them all."""
    from revetl.cli.explained import TEXTS

    codes = [wanted(code)] if code else sorted(CATALOG)
    for found in codes:
        call.screen.show(f"{found}  {CATALOG[found]} ({GROUPS.get(found[4], 'other')})")
    if code:
        call.screen.show(
            TEXTS.get(codes[0], "The message itself says what happened, what was kept, and what to type next.")
        )
    told = [{"code": found, "title": CATALOG[found], "text": TEXTS.get(found)} for found in codes]
    call.screen.document("explain", codes=told, exit_code=0)
    return 0


def wanted(text: str) -> str:
    """Return the code that ``text`` means: ``RVT-302``, ``rvt302`` or ``302``.

    Raises:
        UsageError: RVT-805, there is no such code.
    """
    digits = "".join(character for character in text if character in "0123456789")
    code = f"RVT-{digits}"
    if code in CATALOG:
        return code
    near = get_close_matches(code, CATALOG, n=1)
    hint = f"did you mean {near[0]} ({CATALOG[near[0]]})?" if near and digits else "revetl explain lists all codes"
    raise UsageError("RVT-805", f"there is no code {text[:40]}", hint=hint)

"""``revetl flows``: what goes to whom, as the draft of a record of processing."""

from __future__ import annotations

import click

from revetl.cli.common import Call, common
from revetl.cli.opening import opened, sandbox_option


@click.command("flows")
@common
@sandbox_option
def command(call: Call, *, sandbox: bool) -> int:
    """Draft a record of processing (Article 30 of the GDPR) in Markdown: recipients, columns, whose, since when.

    Purposes and legal bases are left for people to write. No value of a row is in it.
    """
    from rich.text import Text

    from revetl.cli.words import clean
    from revetl.engine.article30 import markdown, record_of

    found = record_of(opened(call, sandbox=sandbox))
    if not call.screen.wants_json:
        for line in markdown(found):
            call.screen.out.print(Text(clean(line)), soft_wrap=True)
    call.screen.document("flows", record=found, exit_code=0)
    return 0

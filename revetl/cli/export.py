"""``revetl export``: everything about one person, for an access request."""

from __future__ import annotations

import json
from pathlib import Path

import click

from revetl.cli.common import Call, common
from revetl.cli.opening import opened, sandbox_option


@click.command("export")
@click.argument("key")
@common
@sandbox_option
@click.option("--entity", help="Of which entity KEY is a key, where several have it.")
@click.option("--file", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write it there, mode 0600.")
def command(call: Call, key: str, *, sandbox: bool, entity: str | None, path: Path | None) -> int:
    """Tell as JSON what revetl holds of a person, where it was sent, and each flow, for an access request.

    KEY is a key of the model, a composite one as a JSON array, or an e-mail address. Personal values are told in clear:
    mind where the output goes. Of past values that the record keeps as HMACs alone, only the HMAC is left.
    """
    from revetl.cli.screen import write_bytes
    from revetl.engine.exporting import export_person, write_person

    told = export_person(opened(call, models=True, sandbox=sandbox), key, entity)
    if path is not None:
        write_person(path, told)
        call.screen.say(f"written to {path}")
        call.screen.document("export", path=path, exit_code=0)
    elif call.screen.wants_json:
        call.screen.document("export", person=told, exit_code=0)
    else:
        write_bytes(json.dumps(told, indent=2, ensure_ascii=False, default=str).encode() + b"\n")
    return 0

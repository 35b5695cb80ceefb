"""``revetl schema``: JSON Schemas for editors."""

from __future__ import annotations

from pathlib import Path

import click

from revetl.cli.common import Call, voiced
from revetl.errors import UsageError

NAMES = ("revetl", "meta", "cases")


@click.command("schema")
@click.argument("name", type=click.Choice(NAMES), required=False)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write all of them into this folder.")
@voiced
def command(call: Call, name: str | None, out: Path | None) -> int:
    """Show a JSON Schema: of revetl.yml (revetl), of meta in dbt's YAML (meta) or of cases (cases).

    It knows the destinations that are installed here, those of third parties too. With --out it writes
    NAME.schema.json for each NAME.
    """
    from revetl.cli.screen import write_bytes
    from revetl.destinations import registry
    from revetl.engine.schemas import schemas, text

    if (name is None) == (out is None):
        raise UsageError("RVT-100", "say which schema, or where to", hint="revetl schema revetl, or: --out FOLDER")
    found = schemas(registry())
    if out is None:
        write_bytes(text(found[name or ""]))
        return 0
    try:
        out.mkdir(parents=True, exist_ok=True)
        for one, schema in found.items():
            (out / f"{one}.schema.json").write_bytes(text(schema))
            call.screen.show(f"wrote {out / f'{one}.schema.json'}")
    except OSError as error:
        raise UsageError("RVT-801", f"{out} cannot be written: {error.strerror}", hint="check its rights") from None
    call.screen.document("schema", folder=out, names=list(found), exit_code=0)
    return 0

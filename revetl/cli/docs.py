"""``revetl docs``: one page that says what leaves, and where it goes."""

from __future__ import annotations

from pathlib import Path

import click

from revetl.cli.common import Call, common
from revetl.cli.opening import opened, sandbox_option
from revetl.errors import UsageError

NAME = "revetl_docs.html"


@click.command("docs")
@common
@sandbox_option
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help=f"Where to.  [default: target/{NAME}]")
def command(call: Call, sandbox: bool, out: Path | None) -> int:  # noqa: FBT001
    """Build one self-contained page: glossary, cohorts, destinations, the flow, and what never leaves.

    It holds names, definitions and counts, no value of any row, loads nothing, and only you can read the file.
    """
    from revetl.engine.documenting import document
    from revetl.state.files import replace_file

    workspace = opened(call, sandbox=sandbox)
    path = out or workspace.target_dir / NAME
    try:
        replace_file(path, document(workspace).encode("utf-8", "replace"))
    except OSError as error:
        what = f"{path} cannot be written: {error.strerror}"
        raise UsageError("RVT-801", what, hint="check its rights") from None
    call.screen.show(f"wrote {path}")
    call.screen.document("docs", path=path, exit_code=0)
    return 0

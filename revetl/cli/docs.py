"""``revetl docs``: one page that says what leaves, and where it goes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from revetl.cli.common import Call, common
from revetl.cli.opening import opened, sandbox_option
from revetl.errors import UsageError

if TYPE_CHECKING:
    from revetl.engine.workspace import Workspace

NAME = "revetl_docs.html"


@click.command("docs")
@common
@sandbox_option
@click.option("--serve", is_flag=True, help="Serve the page and why, on this machine alone, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of --serve.  [default: a free port]")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help=f"Where to.  [default: target/{NAME}]")
def command(call: Call, sandbox: bool, serve: bool, port: int, out: Path | None) -> int:  # noqa: FBT001
    """Build one self-contained page: glossary, cohorts, destinations, the flow, and what never leaves.

    It holds names, definitions and counts, no value of any row, loads nothing, and only you can read the file. With
    --serve, questions of `why` are answered, too, to whoever has the token.
    """
    from revetl.engine.documenting import document
    from revetl.state.files import replace_file

    workspace = opened(call, models=serve, sandbox=sandbox)
    if serve:
        return _serve(call, workspace, port)
    path = out or workspace.target_dir / NAME
    try:
        replace_file(path, document(workspace).encode("utf-8", "replace"))
    except OSError as error:
        what = f"{path} cannot be written: {error.strerror}"
        raise UsageError("RVT-801", what, hint="check its rights") from None
    call.screen.show(f"wrote {path}")
    call.screen.document("docs", path=path, exit_code=0)
    return 0


def _serve(call: Call, workspace: Workspace, port: int) -> int:
    from revetl.cli.signals import waiting
    from revetl.engine.serving import served

    ended = threading.Event()
    with waiting(ended), served(workspace, port) as serving:
        call.screen.show(f"page  {serving.page}", f"why   {serving.ask}")
        call.screen.document("docs", page=serving.page, why=serving.ask)
        call.screen.say("Ctrl-C ends it; whoever has the address of why may ask about anybody")
        ended.wait()
    return 0

"""``revetl sandbox``: stand-ins of destinations on this machine, until Ctrl-C."""

from __future__ import annotations

import threading
from pathlib import Path

import click

from revetl.cli.common import Call, voiced


@click.command("sandbox")
@click.argument("names", nargs=-1)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where to listen.  [default: a free port]")
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="A file that keeps the accounts.")
@voiced
def command(call: Call, names: tuple[str, ...], port: int, state: Path | None) -> int:
    """Run stand-ins of the destinations NAMES (all of them without a name) until Ctrl-C.

    They are as strict as the vendors document it, serve this machine only and know nobody. REVETL_SANDBOX=URL makes
    `revetl sync --sandbox` use them.
    """
    from revetl.cli.signals import waiting
    from revetl.sandbox import SANDBOXES, make, statefile
    from revetl.sandbox.server import serve

    boxes = [make(name) for name in dict.fromkeys(names or SANDBOXES)]
    if state:
        statefile.read(state, boxes)
    ended = threading.Event()
    with waiting(ended), serve(boxes, port=port) as server:
        origins = {box.name: server.origin(box.name) for box in boxes}
        for name, origin in origins.items():
            call.screen.show(f"{name}  {origin}")
        call.screen.document("sandbox", origins=origins, port=server.port)
        call.screen.say(f"export REVETL_SANDBOX=http://{server.host}:{server.port}   (Ctrl-C ends the stand-ins)")
        ended.wait()
    if state:
        statefile.write(state, boxes)
    return 0

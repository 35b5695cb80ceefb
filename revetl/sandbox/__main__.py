"""``python -m revetl.sandbox [--port 0] [--state FILE] [--options JSON] NAME...``: stand-ins as a process.

Prints ``{"port": N, "origins": {name: url}}`` on one line once it listens. Ends on SIGTERM, SIGINT, or (with
``--until-eof``) at the end of standard input, so that it never outlives whoever started it; then it writes FILE.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import orjson

from revetl.errors import RevetlError, UsageError
from revetl.sandbox import make, statefile
from revetl.sandbox.server import serve
from revetl.types import JSON


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m revetl.sandbox", description="Local stand-ins of APIs.")
    parser.add_argument("names", nargs="+", help="stand-ins: hubspot, mailchimp")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--state", type=Path, help="where the accounts live between processes")
    parser.add_argument("--options", default="{}", help='options as JSON: {"hubspot": {"burst": 100}}')
    parser.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    return parser.parse_args(argv)


def _options(text: str) -> dict[str, JSON]:
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict) or not all(isinstance(one, dict) for one in given.values()):
        raise UsageError("RVT-681", "--options is not a JSON object of objects.", hint='{"hubspot": {"burst": 100}}')
    return given


def _await_eof(ended: threading.Event) -> None:
    while os.read(0, 1024):  # not sys.stdin: its lock cannot be left behind at exit
        pass
    ended.set()


def run(argv: Sequence[str]) -> None:
    """Serve until told to end; ``RevetlError`` where it cannot."""
    given = _arguments(argv)
    options = _options(given.options)
    boxes = [make(name, **options.get(name, {})) for name in given.names]
    if given.state:
        statefile.read(given.state, boxes)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if given.until_eof:
        threading.Thread(target=_await_eof, args=(ended,), daemon=True).start()
    with serve(boxes, port=given.port) as server:
        told = {"port": server.port, "origins": {one.name: server.origin(one.name) for one in boxes}}
        sys.stdout.write(orjson.dumps(told).decode() + "\n")
        sys.stdout.flush()
        ended.wait()
    if given.state:
        statefile.write(given.state, boxes)


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code; a refusal is one line on standard error."""
    try:
        run(sys.argv[1:] if argv is None else argv)
    except RevetlError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

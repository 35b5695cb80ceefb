"""Stand-ins served by a process of their own, for the demo and for tests that must outlive or kill their caller."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from revetl.errors import UsageError
from revetl.types import EMPTY, JSON

STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A running process of stand-ins."""

    port: int
    origins: Mapping[str, str]
    pid: int

    def origin(self, name: str) -> str:
        """Return where the stand-in ``name`` is, without a slash at the end."""
        return self.origins[name]


@contextmanager
def start_process(
    names: Sequence[str],
    state_file: Path | None = None,
    *,
    options: Mapping[str, Mapping[str, JSON]] = EMPTY,
    port: int = 0,
    start_seconds: float = 30.0,
) -> Iterator[ServerProcess]:
    """Serve ``names`` while the block runs; their accounts are read from and written to ``state_file``.

    The process ends with the block, and by itself if this process dies. ``UsageError`` RVT-682 if it does not start.
    """
    command = [sys.executable, "-m", "revetl.sandbox", "--until-eof", "--port", str(port)]
    command += ["--options", orjson.dumps(dict(options)).decode(), *names]
    if state_file is not None:
        command += ["--state", str(state_file)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:  # noqa: S603 - our own module
        try:
            yield _started(process, start_seconds)
        finally:
            _stop(process)


def _started(process: subprocess.Popen[bytes], seconds: float) -> ServerProcess:
    late = threading.Timer(seconds, process.kill)
    late.start()
    try:
        line = process.stdout.readline() if process.stdout else b""
    finally:
        late.cancel()
    if not line:
        process.kill()
        told = process.stderr.read().decode("utf-8", "replace").strip() if process.stderr else ""
        last = told.splitlines()[-1] if told else f"it was not ready after {seconds:g} s"
        raise UsageError("RVT-682", f"The stand-ins did not start: {last}")
    ready = orjson.loads(line)
    return ServerProcess(ready["port"], ready["origins"], process.pid)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

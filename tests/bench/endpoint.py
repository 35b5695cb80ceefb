"""A server that does nothing but answer: ``python -m tests.bench.endpoint [--latency S]`` in a process of its own.

It keeps the arrival time of every request, by its own clock: ``GET /arrivals`` returns them and forgets them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Answering(asyncio.Protocol):
    """Just enough HTTP/1.1: requests with Content-Length, one after another on a connection."""

    latency = 0.0
    arrivals: list[float] = []  # noqa: RUF012 - the server's, not the connection's

    def __init__(self) -> None:
        """Wait for a connection."""
        self.buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + size:
                return
            self.buffer = self.buffer[end + 4 + size :]
            if head.startswith(b"get /arrivals"):
                body, self.arrivals[:] = json.dumps(self.arrivals).encode(), []
                self._write(body)
            else:
                self.arrivals.append(time.monotonic())
                asyncio.get_running_loop().call_later(self.latency, self._write, b"{}")

    def _write(self, body: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
            self.transport.write(head + body)


async def _serve(latency: float) -> None:
    Answering.latency = latency
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def endpoint(latency: float = 0.0) -> Iterator[str]:
    """Serve for the block; yield the origin."""
    command = [sys.executable, "-m", "tests.bench.endpoint", "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def arrivals(origin: str) -> list[float]:
    """Return when each request since the last question arrived, in monotonic seconds of the server."""
    with urllib.request.urlopen(f"{origin}/arrivals") as answer:
        found: list[float] = json.load(answer)
    return sorted(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    asyncio.run(_serve(parser.parse_args().latency))

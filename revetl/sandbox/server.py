"""Stand-ins served over HTTP on this machine, in a thread of this process."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import uvicorn

from revetl.errors import UsageError
from revetl.sandbox.asgi import mount
from revetl.sandbox.core import Sandbox

START_SECONDS = 10.0
STOP_SECONDS = 10.0
TICK = 0.1  # seconds: on_tick counts ten to a second


@dataclass(frozen=True, slots=True)
class Server:
    """A running server of stand-ins."""

    host: str
    port: int
    sandboxes: dict[str, Sandbox]

    def origin(self, name: str) -> str:
        """Return where the stand-in ``name`` is, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/{self.sandboxes[name].name}"


class _Uvicorn(uvicorn.Server):
    """uvicorn that says when it listens, and ends as soon as it is told to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), TICK)

    def stop(self) -> None:
        """End; from another thread."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._told.set)


@contextmanager
def serve(sandboxes: Iterable[Sandbox], host: str = "127.0.0.1", port: int = 0) -> Iterator[Server]:
    """Serve each stand-in under ``/<name>/`` while the block runs; port 0 takes a free one.

    ``UsageError`` RVT-684 where ``host`` is not a loopback address or the port is taken.
    """
    boxes = {one.name: one for one in sandboxes}
    with _listen(host, port) as listener:
        server = _Uvicorn(_config(mount(boxes)))
        thread = threading.Thread(target=server.run, args=([listener],), name="revetl-sandbox", daemon=True)
        thread.start()
        try:
            if not server.ready.wait(START_SECONDS):
                raise UsageError("RVT-682", "The stand-ins' server did not start.", hint="try again, or another --port")
            yield Server(host, listener.getsockname()[1], boxes)
        finally:
            server.stop()
            thread.join(STOP_SECONDS)


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]  # uvicorn spells the same protocol with its own types
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=1,
    )


def _listen(host: str, port: int) -> socket.socket:
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise UsageError("RVT-684", f"{host} is not a loopback address.", hint="stand-ins serve 127.0.0.1 only")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, so that asyncio sets TCP_NODELAY
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as taken:
        listener.close()
        what = f"Port {port} cannot be used: {taken.strerror}."
        raise UsageError("RVT-684", what, hint="use --port 0 for a free one") from taken
    return listener

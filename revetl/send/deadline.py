"""Sockets that know when the whole call must be over, and whether a byte of it has left.

Timeouts of an HTTP library hold per read: a server that drips one header byte every half second would hold a call for
hours. Here every read and write gets what is left of the call's total time, whatever timeout it is handed.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

_SLICE = 1 << 16  # bytes per write: between two the clock is looked at


class Watch:
    """One call at a time: when it must be over (monotonic seconds) and whether a byte of its request was written."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start without a call."""
        self._monotonic = monotonic
        self._until = 0.0
        self.wrote = False

    def start(self, seconds: float) -> None:
        """Begin a call that may take ``seconds``."""
        self._until = self._monotonic() + seconds
        self.wrote = False

    def left(self, late: type[httpcore.TimeoutException]) -> float:
        """Return the seconds left.

        Raises:
            httpcore.TimeoutException: ``late``, there are none.
        """
        left = self._until - self._monotonic()
        if left <= 0:
            raise late("total deadline")
        return left


class WatchedStream(httpcore.NetworkStream):
    """A connection whose reads and writes end with the call's deadline.

    ``handshakes`` are still to come before anything of the request is written: what a proxy is told is none of it.
    """

    def __init__(self, inner: httpcore.NetworkStream, watch: Watch, handshakes: int = 0) -> None:
        """Wrap ``inner``."""
        self._inner = inner
        self._watch = watch
        self._handshakes = handshakes

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """Read, for no longer than the call has left."""
        return self._inner.read(max_bytes, self._watch.left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Write, for no longer than the call has left."""
        for start in range(0, len(buffer), _SLICE):
            left = self._watch.left(httpcore.WriteTimeout)
            self._watch.wrote = self._watch.wrote or self._handshakes == 0
            self._inner.write(buffer[start : start + _SLICE], left)

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Shake hands; nothing of the request leaves before this has succeeded."""
        left = self._watch.left(httpcore.ConnectTimeout)
        secured = self._inner.start_tls(ssl_context, server_hostname, left)
        return WatchedStream(secured, self._watch, max(self._handshakes - 1, 0))

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows of itself."""
        return self._inner.get_extra_info(info)


class WatchedBackend(httpcore.NetworkBackend):
    """Opens connections that end with the call's deadline."""

    def __init__(self, watch: Watch, handshakes: int = 0) -> None:
        """Open connections for the one call that ``watch`` follows; through a proxy, so many handshakes come first."""
        self._inner = httpcore.SyncBackend()
        self._watch = watch
        self._handshakes = handshakes

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect."""
        left = self._watch.left(httpcore.ConnectTimeout)
        opened = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        return WatchedStream(opened, self._watch, self._handshakes)

"""How calls leave this machine: directly, or through a proxy; and which authorities are trusted.

Both are told by revetl.yml alone: whoever can set a variable of the environment decides neither.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

import certifi
import httpcore

from revetl.send.deadline import Watch, WatchedBackend
from revetl.send.origin import loopback, matches


@dataclass(frozen=True)
class Network:
    """A proxy for https (None: none), hosts that are reached without it, and a file of further authorities."""

    proxy: str | None = field(default=None, repr=False)  # may hold a password
    no_proxy: tuple[str, ...] = ()  # hosts, or *.domain for what is below one
    ca_file: str | None = None

    def trust(self) -> ssl.SSLContext:
        """Return a context that checks names and certifi's authorities, and those of the file; nothing else.

        Raises:
            OSError: the file cannot be read, or holds no certificate (ssl.SSLError).
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=certifi.where())
        if self.ca_file is not None:
            context.load_verify_locations(cafile=self.ca_file)
        return context

    def proxied(self, host: str) -> bool:
        """Return whether a host is reached through the proxy; this machine never is."""
        return self.proxy is not None and not loopback(host) and not any(matches(host, one) for one in self.no_proxy)


DIRECT = Network()


class Connections:
    """The connections of one thread, which makes one call at a time: one to each place, kept for the next call there.

    A pool asks of all it has, before and after each call, what that could do for others: an eighth of a small call.
    """

    def __init__(self, context: ssl.SSLContext, watch: Watch, keep_alive: float, proxy: str | None = None) -> None:
        """Make connections that end with the call's deadline; through ``proxy``, where one is given."""
        self._maker = _maker(context, watch, keep_alive, proxy)
        self._open: dict[tuple[bytes, bytes, int | None], httpcore.ConnectionInterface] = {}

    def to(self, url: httpcore.URL) -> httpcore.ConnectionInterface:
        """Return the connection to a place: a new one where there is none, or the other end may be closing it."""
        place = (url.scheme, url.host, url.port)
        known = self._open.get(place)
        if known is not None and _usable(known):
            return known
        for other in [other for other, one in self._open.items() if not _usable(one)]:
            self._open.pop(other).close()
        made = self._open[place] = self._maker.create_connection(url.origin)
        return made

    def close(self) -> None:
        """Close all of them."""
        while self._open:
            self._open.popitem()[1].close()


def _usable(connection: httpcore.ConnectionInterface) -> bool:
    return connection.is_available() and not connection.has_expired()


def _maker(context: ssl.SSLContext, watch: Watch, keep_alive: float, proxy: str | None) -> httpcore.ConnectionPool:
    """Return what makes connections; it pools none of them."""
    if proxy is None:
        return httpcore.ConnectionPool(
            ssl_context=context, keepalive_expiry=keep_alive, network_backend=WatchedBackend(watch)
        )
    parts = urlsplit(proxy)
    secure = parts.scheme == "https"
    return httpcore.HTTPProxy(
        httpcore.URL(
            scheme=parts.scheme.encode(), host=(parts.hostname or "").encode("idna"), port=parts.port, target=b"/"
        ),
        proxy_auth=_login(parts),
        ssl_context=context,
        proxy_ssl_context=context if secure else None,
        keepalive_expiry=keep_alive,
        network_backend=WatchedBackend(watch, handshakes=2 if secure else 1),
    )


def _login(parts: SplitResult) -> tuple[bytes, bytes] | None:
    if parts.username is None:
        return None
    return unquote(parts.username).encode(), unquote(parts.password or "").encode()

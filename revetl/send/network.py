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


def pool(context: ssl.SSLContext, watch: Watch, keep_alive: float, proxy: str | None = None) -> httpcore.ConnectionPool:
    """Return connections that end with the call's deadline; through ``proxy``, where one is given."""
    if proxy is None:
        return httpcore.ConnectionPool(
            ssl_context=context, max_connections=4, keepalive_expiry=keep_alive, network_backend=WatchedBackend(watch)
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
        max_connections=4,
        keepalive_expiry=keep_alive,
        network_backend=WatchedBackend(watch, handshakes=2 if secure else 1),
    )


def _login(parts: SplitResult) -> tuple[bytes, bytes] | None:
    if parts.username is None:
        return None
    return unquote(parts.username).encode(), unquote(parts.password or "").encode()

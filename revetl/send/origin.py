"""Where a call may go: https only except to this machine, hosts by the destination's list. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from functools import lru_cache
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from revetl.contract import Http
from revetl.send.ports import Lane

_PATH = "/%:@!$&'()*+,;=~-._"  # RFC 3986 pchar, and % because destinations escape values themselves
_KEPT = 64  # places whose parts are remembered: a run has few, and each of its calls asks for them again and again


class NotAllowed(Exception):
    """A call would leave for a place that is not allowed; the text names scheme and host only."""


def resolve(call: Http, lane: Lane, base: str) -> Http:
    """Return ``call`` with its full origin and path: its own origin, or the base URL; a stand-in replaces either.

    Raises:
        NotAllowed: a URL in it cannot be read.
    """
    home = _split(base) if base else None
    prefix = home.path.rstrip("/") if home is not None and call.origin is None else ""
    path = prefix + call.path
    if lane.origin is not None:
        stand_in = _split(lane.origin)
        origin, path = _origin(stand_in), stand_in.path.rstrip("/") + path
    elif call.origin is not None:
        origin = _origin(_split(call.origin))
    elif home is not None:
        origin = _origin(home)
    else:
        raise NotAllowed("the destination names no base URL")
    return replace(call, origin=origin, path=path, template=call.template or call.path)


def admit(call: Http, lane: Lane) -> SplitResult:
    """Return the parts of a resolved call's origin, if it may go there.

    Raises:
        NotAllowed: plain http to another machine, a host outside the destination's list, a name and password in it.
    """
    parts = _split(call.origin or "")
    host, local = parts.hostname or "", loopback(parts.hostname or "")
    shown = f"{parts.scheme}://{host}"
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise NotAllowed(f"{shown}: only https leaves this machine")
    if lane.origin is not None:
        if not local or _origin(_split(lane.origin)) != _origin(parts):
            raise NotAllowed(f"{shown}: a stand-in must be on this machine")
        return parts
    if not any(matches(host, pattern) for pattern in _hosts(lane)):
        raise NotAllowed(f"{shown}: the host is not among those of {lane.destination.name}")
    return parts


def target(call: Http) -> str:
    """Return path and query as they stand in the request line, printable ASCII only."""
    path = quote(call.path, safe=_PATH)
    path = path if path.startswith("/") else f"/{path}"
    return f"{path}?{urlencode(call.query)}" if call.query else path


def matches(host: str, pattern: str) -> bool:
    """Return whether ``host`` is ``pattern``, or below it where that begins with ``*.``."""
    host, pattern = host.lower().rstrip("."), pattern.lower()
    return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1 if pattern[:2] == "*." else host == pattern


@lru_cache(_KEPT)
def loopback(host: str) -> bool:
    """Return whether ``host`` can only be this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _hosts(lane: Lane) -> tuple[str, ...]:
    """Return the allow-list; one without, or with ``*``, may go where its own settings point, and nowhere else."""
    if lane.destination.hosts and "*" not in lane.destination.hosts:
        return lane.destination.hosts
    return (_split(lane.destination.base_url(lane.settings)).hostname or "",)


@lru_cache(_KEPT)
def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port_is_readable = parts.port is None or parts.port > 0
    except ValueError:
        raise NotAllowed("a URL cannot be read") from None
    if not parts.hostname or not port_is_readable or any(c <= " " or c == "\\" for c in url):
        raise NotAllowed("a URL names no host")
    if parts.username is not None or parts.password is not None:
        raise NotAllowed(f"{parts.scheme}://{parts.hostname}: a URL must not carry a name and password")
    return parts


@lru_cache(_KEPT)
def _origin(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")

"""The carrier of :class:`~revetl.contract.Http` calls: one thread, its connections, every reply bounded.

It stands on httpcore, the layer below httpx by the same authors: there is nothing in it that follows a redirect, reads
the environment, keeps a cookie or logs a URL, and its streams can be made to end with the call (see ``deadline``).
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

import httpcore

from revetl import __version__
from revetl.contract import Http, Reply
from revetl.send.deadline import Watch
from revetl.send.inflate import Garbled, TooLarge, read_body
from revetl.send.network import DIRECT, Connections, Network
from revetl.send.origin import NotAllowed, admit, target
from revetl.send.ports import Lane
from revetl.send.scrub import scrub
from revetl.send.wire import Failure

KEEP_ALIVE = 4.0
"""Seconds an idle connection is kept: less than the 5 s after which common servers (Node, uvicorn) close theirs, so
that a call rarely leaves on a connection that is just being closed."""

logging.getLogger("httpcore").setLevel(logging.WARNING)  # its debug log shows headers


class HttpCarrier:
    """Performs one call at a time."""

    def __init__(
        self, context: ssl.SSLContext, now: Callable[[], float] = time.time, network: Network = DIRECT
    ) -> None:
        """Trust what ``context`` trusts; ``now`` stamps replies, in UTC epoch seconds."""
        self._now = now
        self._watch = Watch()
        self._network = network
        self._direct = self._proxied = Connections(context, self._watch, KEEP_ALIVE)
        if network.proxy:
            self._proxied = Connections(context, self._watch, KEEP_ALIVE, network.proxy)

    def perform(self, lane: Lane, call: Http) -> Reply | Failure:
        """Make ``call``; whatever happens comes back as a value, with nothing secret in it."""
        self._watch.start(lane.timeout)
        try:
            return self._exchange(lane, call)
        except NotAllowed as refused:
            return Failure("RVT-609", f"{call.label}: {refused}", sent=False, again=False, fatal=True)
        except (TooLarge, Garbled) as bad:
            code = "RVT-607" if isinstance(bad, TooLarge) else "RVT-605"
            return Failure(code, f"{_label(call)}: {bad}", again=isinstance(bad, Garbled))
        except (httpcore.LocalProtocolError, UnicodeError):
            what = f"{_label(call)}: the request cannot be written as HTTP"
            return Failure("RVT-618", what, sent=self._watch.wrote, again=False)
        except (
            httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError, OSError
        ) as error:  # fmt: skip
            return self._failed(call, error)

    def close(self) -> None:
        """Close all connections."""
        self._direct.close()
        self._proxied.close()

    def _exchange(self, lane: Lane, call: Http) -> Reply | Failure:
        place = admit(call, lane)
        url, headers = _url(place, call), _headers(place, call)
        connections = self._proxied if self._network.proxied(place.hostname or "") else self._direct
        with connections.to(url).stream(call.method, url, headers=headers, content=_content(call)) as response:
            found = _lowered(response.headers)
            if 300 <= response.status < 400:
                return _redirected(call, response.status, found.get("location", ""))
            encoding = found.get("content-encoding", "")
            body = read_body(response.iter_stream(), encoding, lane.max_raw, lane.max_decoded)
            return Reply(response.status, body, found, self._now())

    def _failed(self, call: Http, error: Exception) -> Failure:
        timeout = isinstance(error, httpcore.TimeoutException)
        if not self._watch.wrote:
            return Failure("RVT-600", f"{_label(call)}: {_unreached(error)}", sent=False, timeout=timeout)
        what = "no complete answer in time" if timeout else "the connection broke before the answer was complete"
        return Failure("RVT-605", f"{_label(call)}: {what}", timeout=timeout)


def _url(place: SplitResult, call: Http) -> httpcore.URL:
    scheme, host, port = _named(place)
    return httpcore.URL(scheme=scheme, host=host, port=port, target=target(call).encode())


@lru_cache(64)
def _named(place: SplitResult) -> tuple[bytes, bytes, int | None]:
    return place.scheme.encode(), (place.hostname or "").encode("idna"), place.port


def _content(call: Http) -> bytes | None:
    """Return the body; a method that has one says so even where it is empty (RFC 9110, 8.6)."""
    return call.content if call.content is not None or call.method in ("GET", "HEAD", "DELETE") else b""


_OURS = frozenset({"host", "accept-encoding", "content-length", "transfer-encoding", "connection"})


def _headers(place: SplitResult, call: Http) -> list[tuple[bytes, bytes]]:
    """Return the call's headers and ours; what frames the message is never the call's business."""
    found = {"user-agent": f"revetl/{__version__}"}
    if call.content is not None:
        found["content-type"] = call.content_type
    found |= {name.lower(): value for name, value in call.headers if name.lower() not in _OURS}
    found |= {"host": place.netloc, "accept-encoding": "gzip, deflate"}
    return [(name.encode(), value.encode()) for name, value in found.items()]


def _lowered(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by lower-case name; a repeated one is one list (RFC 9110, 5.3)."""
    found: dict[str, str] = {}
    for raw, value in headers:
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
        found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def _label(call: Http) -> str:
    return f"{call.label} ({urlsplit(call.origin or '').hostname})"


def _redirected(call: Http, status: int, location: str) -> Failure:
    try:
        host = urlsplit(location).hostname or "the same host"
    except ValueError:
        host = "a place that cannot be read"
    what = f"{_label(call)}: HTTP {status} points to {scrub(host)[:100]}; redirects are not followed"
    return Failure("RVT-608", what, again=False, fatal=True)


def _unreached(error: BaseException) -> str:
    """Return why no connection stood, from the system's own words, never from bytes that came over the wire."""
    if isinstance(error, httpcore.TimeoutException):
        return "no connection in time"
    if isinstance(error, httpcore.ProxyError):  # which begins with the status, and goes on in the proxy's own words
        return f"the proxy answered HTTP {str(error)[:3]}" if str(error)[:3].isdigit() else "the proxy refused"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"TLS: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {(cause.reason or 'handshake failed').replace('_', ' ').lower()}"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return "no connection"

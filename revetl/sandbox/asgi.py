"""Stand-ins as ASGI applications: a thin shell that reads the body, waits, and writes the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from revetl.sandbox.wire import Answer, Request, answer

if TYPE_CHECKING:
    from revetl.sandbox.core import Sandbox

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGI = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]", "testserver"})


def app_of(box: Sandbox) -> ASGI:
    """Return ``box`` as an application mounted at the root."""

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await _exchange(box, _path(scope), scope, receive, send)

    return app


def mount(boxes: Mapping[str, Sandbox]) -> ASGI:
    """Return one application with each stand-in under ``/<name>/``, for callers that name a loopback host.

    The check of the Host header keeps web pages out that point a name of their own at this machine.
    """

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        _, name, *rest = _path(scope).split("/", 2)
        headers = _headers(scope)
        if headers.get("host", "").rsplit(":", 1)[0] not in LOOPBACK_NAMES:
            await _write(answer(421, {"error": "a stand-in serves this machine only"}), send)
        elif name not in boxes:
            await _write(answer(404, {"error": f"no stand-in here; there are: {', '.join(boxes)}"}), send)
        else:
            await _exchange(boxes[name], "/" + "".join(rest), scope, receive, send)

    return app


def _path(scope: MutableMapping[str, Any]) -> str:
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("ascii") if raw else str(scope["path"])


def _headers(scope: MutableMapping[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def _exchange(box: Sandbox, path: str, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    with box.flight():
        body = await _body(receive)
        if body is None:
            return
        query = scope["query_string"].decode("latin-1")
        given = box.receive(Request(scope["method"], path, query, _headers(scope), body))
        if given.delay:
            await asyncio.sleep(given.delay)
    if given.drop:
        await _drop(send)
    else:
        await _write(given, send)


async def _body(receive: Receive) -> bytes | None:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _write(given: Answer, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.headers.items()]
    if given.status not in (204, 304):
        headers.append((b"content-length", str(len(given.body)).encode()))
    await send({"type": "http.response.start", "status": given.status, "headers": headers})
    await send({"type": "http.response.body", "body": given.body})


async def _drop(send: Send) -> None:
    """End the connection without an answer: by uvicorn's transport, else by a body shorter than announced."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()
        await asyncio.sleep(0)  # lets the server see the end before it finds the answer missing
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})

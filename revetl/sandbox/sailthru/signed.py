"""What a request carries, and whether its signature is good.

Parameters stand in the query (GET, DELETE), in a form, or in front of an uploaded file (POST). The signature is the MD5
of the secret and the sorted values of all parameters but ``sig``, as they were before they were encoded; an uploaded
file is no part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl

import orjson

from revetl.sandbox.sailthru.problems import bad, missing, problem
from revetl.sandbox.wire import Request
from revetl.types import JSON

_FORM, _UPLOAD = "application/x-www-form-urlencoded", "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request understood: its payload, and the file that came with it."""

    payload: dict[str, JSON]
    file: bytes | None = None


def read(request: Request, api_key: str, secret: str) -> Asked:
    """Return what is asked, if key and signature are good."""
    given, file = _parameters(request)
    for name in ("api_key", "format", "sig"):
        if not given.get(name):
            raise missing(name)
    if given["api_key"] != api_key:
        raise problem(401, 3, "Invalid API key")
    if given["format"] != "json":
        raise problem(406, 99, f"Not Acceptable: {given['format']}")
    values = sorted(value for name, value in given.items() if name != "sig")
    expected = hashlib.md5((secret + "".join(values)).encode(), usedforsecurity=False).hexdigest()
    if given["sig"] != expected:
        raise problem(401, 5, "Authentication failed: Invalid Hash")
    return Asked(_payload(given), file)


def _payload(given: Mapping[str, str]) -> dict[str, JSON]:
    if "json" not in given:
        return {name: value for name, value in given.items() if name not in ("api_key", "format", "sig")}
    try:
        found = orjson.loads(given["json"])
    except orjson.JSONDecodeError as broken:
        raise bad("Invalid JSON in parameter json") from broken
    if not isinstance(found, dict):
        raise bad("The parameter json must be an object")
    return found


def _parameters(request: Request) -> tuple[dict[str, str], bytes | None]:
    kind = request.headers.get("content-type", "")
    if request.method != "POST":
        return dict(request.params), None
    if kind.startswith(_UPLOAD):
        return _parts(kind, request.body)
    if not kind.startswith(_FORM):
        raise bad(f"Unsupported content type: {kind or 'none'}")
    try:
        pairs = parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True, errors="strict")
    except UnicodeDecodeError as broken:
        raise bad("Invalid UTF-8 characters", 6) from broken
    except ValueError as broken:
        raise bad("The form cannot be read") from broken
    return dict(pairs), None


def _parts(kind: str, body: bytes) -> tuple[dict[str, str], bytes | None]:
    parsed: Message[Any, Any] = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    if not parsed.is_multipart():
        raise bad("The upload cannot be read")
    given: dict[str, str] = {}
    file: bytes | None = None
    for part in parsed.get_payload():
        if not isinstance(part, Message):
            raise bad("The upload cannot be read")
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        content = content if isinstance(content, bytes) else b""
        if part.get_filename() is not None and name == "file":
            file = content
        else:
            given[str(name)] = content.decode()
    return given, file

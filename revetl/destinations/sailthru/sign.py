"""Credentials: each call carries the key, and a signature over the very texts it sends.

``sig`` is the MD5 of the secret and the sorted values of all other parameters, before they are encoded for the wire.
With an upload the file itself is left out of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from urllib.parse import urlencode

from revetl.contract import Http, Token
from revetl.destinations.sailthru.api import FORM, SailthruSettings

UPLOAD = "multipart/form-data"


def authorise(settings: SailthruSettings, _: Token | None, call: Http) -> Http:
    """Return the call signed: parameters in the query, in a form, or (with ``UPLOAD``) in front of a file."""
    if call.content is not None and call.content_type == FORM:
        return replace(call, content=urlencode(_signed(settings, call.content.decode())).encode())
    signed = _signed(settings, dict(call.query).get("json", "{}"))
    if call.content is not None and call.content_type == UPLOAD:
        boundary = f"revetl-{hashlib.sha256(call.content).hexdigest()[:32]}"
        content = _multipart(boundary, signed, call.content)
        return replace(call, query=(), content=content, content_type=f"{UPLOAD}; boundary={boundary}")
    return replace(call, query=tuple(signed.items()))


def _signed(settings: SailthruSettings, text: str) -> dict[str, str]:
    told = {"api_key": settings.api_key.get_secret_value(), "format": "json", "json": text}
    signed = settings.secret.get_secret_value() + "".join(sorted(told.values()))
    return {**told, "sig": hashlib.md5(signed.encode(), usedforsecurity=False).hexdigest()}


def _multipart(boundary: str, fields: dict[str, str], lines: bytes) -> bytes:
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    head = 'Content-Disposition: form-data; name="file"; filename="users.json"\r\nContent-Type: application/json'
    front = "".join(parts) + f"--{boundary}\r\n{head}\r\n\r\n"
    return front.encode() + lines + f"\r\n--{boundary}--\r\n".encode()

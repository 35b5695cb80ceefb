"""``/services/oauth2/token``: who gets an access token, by which grant.

Source: "OAuth Authorization Flows" and "OAuth 2.0 JWT Bearer Flow for Server-to-Server Integration" of Salesforce Help.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from urllib.parse import parse_qsl

import orjson

from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")
LONGEST = 180  # seconds from now that an assertion may be good for
NEEDED: Mapping[str, tuple[str, ...]] = {
    "client_credentials": ("client_id", "client_secret"),
    "refresh_token": ("client_id", "client_secret", "refresh_token"),
}


def refused(request: Request, credentials: Mapping[str, str], now: float) -> Answer | None:
    """Return why a request for a token is refused, None where it is granted."""
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    grant = form.get("grant_type", "")
    if request.method != "POST" or grant not in (*NEEDED, JWT):
        return _no("unsupported_grant_type", "grant type not supported")
    if grant == JWT:
        return _assertion(form.get("assertion", ""), credentials, now)
    if any(form.get(name) != credentials[name] for name in NEEDED[grant]):
        return _no("invalid_client", "invalid client credentials")
    return None


def _no(error: str, description: str) -> Answer:
    return answer(400, {"error": error, "error_description": description})


def _assertion(text: str, credentials: Mapping[str, str], now: float) -> Answer | None:
    parts = text.split(".")
    head, claims = (_object(part) for part in (*parts, "", "")[:2])
    ends = claims.get("exp")
    signed = len(parts) == 3 and _is_signed(f"{parts[0]}.{parts[1]}", parts[2], credentials["public_key"])
    refusals = (
        (head.get("alg") != "RS256" or not claims, "invalid_grant", "invalid assertion"),
        (claims.get("iss") != credentials["client_id"], "invalid_client_id", "client identifier invalid"),
        (not signed, "invalid_grant", "invalid assertion"),
        (claims.get("aud") not in AUDIENCES, "invalid_grant", "audience is invalid"),
        (not _is_soon(ends, now), "invalid_grant", "expired authorization code"),
        (claims.get("sub") != credentials["username"], "invalid_grant", "user hasn't approved this consumer"),
    )
    return next((_no(error, told) for wrong, error, told in refusals if wrong), None)


def _is_soon(ends: JSON, now: float) -> bool:
    return isinstance(ends, int | float) and now < ends <= now + LONGEST


def _bytes(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        return b""


def _object(part: str) -> dict[str, JSON]:
    try:
        found = orjson.loads(_bytes(part))
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_signed(text: str, signature: str, public_key: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(public_key.encode()) if public_key else None
    if not isinstance(key, RSAPublicKey):
        return False
    try:
        key.verify(_bytes(signature), text.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True

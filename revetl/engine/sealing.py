"""Personal values of the ledger, encrypted beside their HMACs: AES-256-GCM, the key derived from the ledger's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
from collections.abc import Callable
from typing import Any

from revetl.engine.keyring import Keyring, key_id
from revetl.errors import ConfigError
from revetl.types import JSON

_HMAC = re.compile(r"[0-9a-f]{64}\Z")
NONCE = 12  # bytes: NIST SP 800-38D
Seal = Callable[[str, str], str]  # (record, body) → record with sealed values


def sealer(key: bytes) -> Seal:
    """Return what puts the values of a body, encrypted, beside their HMACs in the record.

    Raises:
        ConfigError: RVT-533, the library that encrypts is not installed.
    """
    ident, cipher = key_id(key), _cipher(key)

    def hide(value: JSON) -> str:
        nonce = os.urandom(NONCE)
        sealed = cipher.encrypt(nonce, json.dumps(value, ensure_ascii=False).encode(), ident.encode())
        return f"{ident}:{base64.b64encode(nonce + sealed).decode()}"

    def seal(record: str, body: str) -> str:
        kept, clear = json.loads(record), json.loads(body)
        for name, value in kept.items():
            if hidden(value) and name in clear:
                kept[name] = {**value, "sealed": hide(clear[name])}
        return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))

    return seal


def hidden(value: JSON) -> bool:
    """Return whether a value of the ledger is known by its HMAC."""
    known = isinstance(value, dict) and "hmac" in value and not set(value) - {"hmac", "sealed"}
    return known and _HMAC.match(str(value["hmac"])) is not None


def opened(value: JSON, ring: Keyring | None) -> JSON:
    """Return a sealed value in clear where its key is here; every other value as it is."""
    if not isinstance(value, dict) or not hidden(value) or "sealed" not in value or ring is None:
        return value
    ident, _, text = str(value["sealed"]).partition(":")
    key = ring.find(ident)
    if key is None:
        return value
    from cryptography.exceptions import InvalidTag

    whole = base64.b64decode(text)
    try:
        clear: JSON = json.loads(_cipher(key).decrypt(whole[:NONCE], whole[NONCE:], ident.encode()))
    except InvalidTag:
        return value
    return clear


def _cipher(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        what = "an encrypted ledger needs a library that is not installed"
        raise ConfigError("RVT-533", what, kept="nothing was sent", hint="pip install 'revetl[encryption]'") from None
    return AESGCM(hmac.new(key, b"revetl: values of the ledger", hashlib.sha256).digest())

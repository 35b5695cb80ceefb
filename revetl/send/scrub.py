"""Texts made safe to keep and show: no secret, no control character, not too long."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from pydantic import BaseModel, SecretBytes, SecretStr

MIN_SECRET = 4
"""Shorter values are left alone: replacing them everywhere would only garble texts (dbt scrubs likewise)."""
MAX_TEXT = 500
"""Characters kept of a vendor's sentence."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """Return ``text`` with secrets as ``***``, without terminal sequences, control and direction characters.

    Secrets go first and last: a control character inside a secret must not hide it.
    """
    secrets = sorted({secret for secret in secrets if len(secret) >= MIN_SECRET}, key=len, reverse=True)
    text = _mask(text, secrets)
    text = _CONTROL.sub(" ", _ANSI.sub("", text)).strip()
    text = _mask(text, secrets)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _mask(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, "***")
    return text


def spellings(secret: str) -> tuple[str, ...]:
    """Return a secret as vendors may echo it: bare, percent-encoded, in base64, escaped in JSON."""
    if len(secret) < MIN_SECRET:
        return ()
    encoded = base64.b64encode(secret.encode()).decode()
    escaped = secret.replace("\\", "\\\\").replace('"', '\\"')
    return tuple(dict.fromkeys((secret, quote(secret, safe=""), quote_plus(secret), encoded.rstrip("="), escaped)))


def secrets_of(settings: Any) -> Iterator[str]:
    """Yield every spelling of every secret inside ``settings``: pydantic models, mappings, sequences."""
    if isinstance(settings, SecretStr):
        yield from spellings(settings.get_secret_value())
    elif isinstance(settings, SecretBytes):
        yield from spellings(settings.get_secret_value().decode(errors="replace"))
    elif isinstance(settings, BaseModel):
        for name in type(settings).model_fields:
            yield from secrets_of(getattr(settings, name))
    elif isinstance(settings, Mapping):
        for value in settings.values():
            yield from secrets_of(value)
    elif isinstance(settings, list | tuple | set | frozenset):
        for value in settings:
            yield from secrets_of(value)

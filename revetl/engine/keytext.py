"""Keys as people type them, and the one spelling that state gives them: a JSON array, ``["c-17"]`` or ``[4,"eu"]``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from revetl.errors import UsageError
from revetl.types import JSON

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,18})\Z")


def spell(parts: Sequence[JSON]) -> str:
    """Return the text of a key."""
    return json.dumps(list(parts), ensure_ascii=False, separators=(",", ":"))


def parts_of(key: str) -> tuple[JSON, ...]:
    """Return the parts of a key from its text."""
    return tuple(json.loads(key))


def candidates(text: str) -> tuple[str, ...]:
    """Return the keys that a person may mean: of text, of a number; a composite one is typed as a JSON array.

    Raises:
        UsageError: RVT-852, it begins like a JSON array and is none.
    """
    if text.startswith("["):
        return (spell(_array(text)),)
    found: list[JSON] = [text]
    if _NUMBER.match(text):
        found.append(int(text))
    if text in {"true", "false"}:
        found.append(text == "true")
    return tuple(spell([part]) for part in found)


def _array(text: str) -> list[JSON]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not found:
        raise UsageError(
            "RVT-852", f"{text[:60]} is not a key", hint="""write a composite key as a JSON array: '[4,"eu"]'"""
        )
    return found

"""Text from outside made safe for a terminal or a log: no control characters, no escapes, no workflow commands."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence

# CSI and OSC sequences (ECMA-48 §5.4 and §8.3.89), then any escape with one more character.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)|\x1b.?|\x9b[0-?]*[ -/]*[@-~]", re.DOTALL
)
_UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, lone surrogates, line and paragraph separators
# Characters that turn the direction of writing: https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(value: object, limit: int | None = None) -> str:
    """Return ``value`` as one line of text that moves no cursor, cut to ``limit`` characters.

    Newlines become spaces. In GitHub Actions, what a runner could take for a workflow command is broken up.
    """
    text = _ESCAPES.sub("", str(value))
    text = "".join(_safe(character) for character in text)
    if in_actions():
        text = re.sub(r":(?=:)", ": ", text).replace("##[", "## [")
    return text if limit is None or len(text) <= limit else text[: max(limit - 1, 0)] + "…"


def _safe(character: str) -> str:
    if character in "\n\r\t":
        return " "
    return "" if character in _TURNING or unicodedata.category(character) in _UNSAFE else character


def in_actions(env: Mapping[str, str] | None = None) -> bool:
    """Return whether GitHub Actions runs this: https://docs.github.com/actions/reference/variables-reference."""
    return bool((os.environ if env is None else env).get("GITHUB_ACTIONS"))


def many(count: int, noun: str, plural: str = "") -> str:
    """Return ``1 row``, ``2 rows``, with separators between thousands."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def span(seconds: float) -> str:
    """Return a length of time as people say it: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


_BARS = "▁▂▃▄▅▆▇█"


def spark(numbers: Sequence[int], most: int = 16) -> str:
    """Return a line of bars of the newest numbers, the least as the lowest; nothing where nothing ever changed."""
    shown = numbers[-most:]
    low, high = min(shown, default=0), max(shown, default=0)
    if low == high:
        return ""
    return "".join(_BARS[round((number - low) / (high - low) * (len(_BARS) - 1))] for number in shown)

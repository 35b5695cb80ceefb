"""How limits and spans of time are written: ``10%``, ``50``, ``[10%, 50]``, ``off``; ``90s``, ``36h``."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from revetl.config.schema import Strict, wrong
from revetl.types import JSON, Guards, Limits

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%\Z")
_SPAN = re.compile(r"([0-9]{1,9})\s*(s|m|h|d)\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_HOW = "write a share (10%), a number of rows (50), both ([10%, 50]) or off"


def parse_limit(value: JSON) -> Limits:
    """Return a guard's limit. A share alone has no floor of rows, a number alone no share.

    Raises:
        PydanticCustomError: not a limit, or a share beyond 100%.
    """
    if isinstance(value, Limits):
        return value
    if value is False or value == "off":  # dbt's YAML 1.1 reads a bare off as false
        return Limits()
    if isinstance(value, list):
        return _both(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Limits(rows=value)
    match = _SHARE.match(value) if isinstance(value, str) else None
    if match is None or float(match[1]) > 100:
        raise wrong("not a limit", _HOW)
    return Limits(share=float(match[1]) / 100)


def _both(value: list[JSON]) -> Limits:
    if len(value) != 2 or any(isinstance(part, list) for part in value):
        raise wrong("not a limit", _HOW)
    first, second = (parse_limit(part) for part in value)
    if first.share is None or second.rows is None:
        raise wrong("not a limit", _HOW)
    return Limits(first.share, second.rows)


def parse_span(value: JSON) -> float:
    """Return a span of time in seconds.

    Raises:
        PydanticCustomError: not a number with one of the units s, m, h, d.
    """
    match = _SPAN.match(value) if isinstance(value, str) else None
    if match is None:
        raise wrong("not a span of time", "write a number and a unit, such as 90s, 30m, 36h or 7d")
    return float(int(match[1]) * _SECONDS[match[2]])


def _span_text(value: JSON) -> str:
    parse_span(value)
    return str(value)


Limit = Annotated[Limits, BeforeValidator(parse_limit), PlainSerializer(str)]
Span = Annotated[float, BeforeValidator(parse_span)]
SpanText = Annotated[str, BeforeValidator(_span_text)]


class GuardsSpec(Strict):
    """``guards:`` of a sync or of a cohort model; what is not said stays as it was."""

    max_leave: Limit | None = None
    max_change: Limit | None = None
    max_null: Limit | None = None
    min_rows: int | None = Field(default=None, ge=0)
    on_trip: Literal["hold", "stop"] | None = None
    max_age: SpanText | None = None
    unusual: Limit | None = None
    similar_keys: Literal["stop", "allow"] | None = None

    def over(self, guards: Guards) -> Guards:
        """Return ``guards`` with what this part says in their place."""
        said: dict[str, Any] = {
            name: getattr(self, name) for name in type(self).model_fields if getattr(self, name) is not None
        }
        return replace(guards, **said)

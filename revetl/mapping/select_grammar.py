"""The grammar of ``--select`` and ``--exclude``, which is dbt's.

Several values, or one value with spaces, are a union; commas inside make an intersection. One criterion reads
``[@][N+][method[.path]:]value[+[N]]`` (https://docs.getdbt.com/reference/node-selection/syntax).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from revetl.errors import UsageError

_CRITERION = re.compile(
    r"(?P<around>@)?"
    r"(?:(?P<up>\d*)\+)?"
    r"(?:(?P<method>[\w.]+):)?"
    r"(?P<value>[^@+].*?)"
    r"(?:\+(?P<down>\d*))?",
)
_FILES = (".sql", ".py", ".csv")


@dataclass(frozen=True, slots=True)
class Criterion:
    """One method and value, and how far to walk from what it finds: in steps, ``math.inf`` for all the way."""

    raw: str
    method: str
    path: tuple[str, ...]  # what follows the method's first dot: config.meta.x is ("meta", "x")
    value: str
    up: float = 0  # parents
    down: float = 0  # children
    around: bool = False  # children, and all that they need
    named: bool = True  # the method was written, not guessed from the value

    @property
    def walks(self) -> bool:
        """Return whether any graph operator was written."""
        return self.around or self.up > 0 or self.down > 0


def parse(values: Sequence[str]) -> tuple[tuple[Criterion, ...], ...]:
    """Return a union of intersections.

    Raises:
        UsageError: RVT-112, a value does not fit the grammar.
    """
    return tuple(tuple(_criterion(part, raw) for part in raw.split(",")) for value in values for raw in value.split())


def unreadable(raw: str, why: str, hint: str) -> UsageError:
    """Return the refusal of the selection ``raw``."""
    return UsageError("RVT-112", f"the selection {raw!r} cannot be read: {why}", hint=hint)


def _criterion(text: str, raw: str) -> Criterion:
    found = _CRITERION.fullmatch(text)
    if found is None or (found["method"] is None and ":" in found["value"]):
        raise unreadable(raw, "a name is missing", "write a name, or method:value such as tag:nightly")
    if found["around"] and found["down"] is not None:
        raise unreadable(raw, "@ and a + behind it do not go together", f"write @{found['value']} alone")
    method, *path = (found["method"] or _guess(found["value"])).split(".")
    return Criterion(
        raw=text,
        method=method,
        path=tuple(path),
        value=found["value"],
        up=_steps(found["up"]),
        down=_steps(found["down"]),
        around=bool(found["around"]),
        named=found["method"] is not None,
    )


def _guess(value: str) -> str:
    """Return the method of a bare value, as dbt guesses it."""
    if "/" in value or "\\" in value:
        return "path"
    return "file" if value.lower().endswith(_FILES) else "fqn"


def _steps(digits: str | None) -> float:
    if digits is None:
        return 0
    return float(digits) if digits else math.inf

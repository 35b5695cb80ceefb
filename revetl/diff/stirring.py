"""What is going on among the rows that differ, so that nothing is looked for that cannot be there.

As a rule values change, and nobody comes, leaves, is renamed or is in doubt. Each statement takes its milliseconds to
plan, whatever it finds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from revetl.diff.shape import Shape

WHEREABOUTS = {
    "olds": "key VARCHAR, m VARCHAR, i VARCHAR, taken BOOLEAN",
    "collide": "i VARCHAR",
    "holders": "key VARCHAR, i VARCHAR",
}
"""Tables that are about records which move; ``{keys}`` stands for the key columns."""
MEMBERS = {
    "mchg": "{keys}, cohort VARCHAR, wish BOOLEAN, pend BOOLEAN, tried STRUCT(m VARCHAR, i VARCHAR)[], member BOOLEAN, "
    "touched INTEGER[]"
}
DOUBTS = {
    "pend": "{keys}, key VARCHAR",
    "mpend": "{keys}, cohort VARCHAR",
}


@dataclass(frozen=True, slots=True)
class Stir:
    """What the rows that differ are about beside values."""

    doubt: bool  # some key has an unknown outcome
    meets: bool  # at somebody's identity another record stands, or stood
    moves: bool  # somebody comes, leaves or is renamed
    members: bool  # memberships begin or end


def asked(shape: Shape) -> str:
    """Return a SELECT of ``meets, moves, members``, once ``pair`` and ``met`` are made."""
    return (
        f"SELECT EXISTS (FROM {shape.temp('met')}), EXISTS (FROM {shape.temp('pair')} WHERE NOT wanted OR NOT known OR "
        f"i IS DISTINCT FROM si), EXISTS (FROM {shape.temp('mchg')})"
    )


def judged(shape: Shape) -> str:
    """Return a SELECT of ``moves, members`` once ``delta`` is made; there, who is in doubt may be elsewhere by now."""
    return (
        f"SELECT EXISTS (FROM {shape.temp('delta')} WHERE NOT wanted OR NOT known OR pend OR i IS DISTINCT FROM si), "
        f"EXISTS (FROM {shape.temp('mchg')})"
    )


def empty(shape: Shape, tables: Mapping[str, str]) -> Iterator[str]:
    """Yield statements that make tables of a sync without rows."""
    for name, columns in tables.items():
        yield f"CREATE OR REPLACE TEMP TABLE {name}_{shape.id} ({columns.replace('{keys}', shape.columned)})"

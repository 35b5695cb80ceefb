"""A sync's models as their warehouse compares them, or why it cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from revetl.diff.desired import Names
from revetl.diff.shape import Shape
from revetl.diff.spelling import Elsewhere
from revetl.engine import shapes
from revetl.errors import RevetlError
from revetl.types import ModelRef, Relation, SyncPlan
from revetl.warehouse.landing import Described, column_of
from revetl.warehouse.source import Table, Tables

Told = Mapping[Relation, Described | RevetlError]
_WHOLE = re.compile(r"(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)")


class Cannot(Exception):
    """A sync cannot be compared in its warehouse; the text says why."""


def tables(plan: SyncPlan, told: Told) -> Tables:
    """Return the relations of a sync with the types of their columns.

    Raises:
        Cannot: one of them cannot be read.
    """
    found = {}
    for ref in shapes.described(plan):
        one = told[ref.relation]
        if isinstance(one, RevetlError):
            raise Cannot("a model cannot be read")
        found[ref.relation] = Table(ref.relation, "", {name: kind.type for name, kind in one.columns.items()})
    return Tables(found)


def there(plan: SyncPlan, shape: Shape, told: Told, spelling: Elsewhere) -> Names:
    """Return what is selected of each model of a sync: columns as models spell them, as they are compared.

    Raises:
        Cannot: a column has no comparison there that is as exact as ours.
    """
    for why in _reasons(plan, shape, told):
        raise Cannot(why)
    needs = shapes.needs([plan])
    return {ref.unique_id: _name(ref, told, needs[ref.relation], spelling) for ref in plan.models}


def _kind(told: Told, ref: ModelRef, column: str) -> str:
    one = told[ref.relation]
    assert not isinstance(one, RevetlError)  # noqa: S101 - see tables
    return one.columns[str(column_of(one.columns, column))].type


def _alike(kind: str, other: str) -> bool:
    """Return whether values of two types are compared without a cast that may fail or lose anything."""
    return kind == other or bool(_WHOLE.fullmatch(kind) and _WHOLE.fullmatch(other))


def _reasons(plan: SyncPlan, shape: Shape, told: Told) -> Iterator[str]:
    """Yield why a sync cannot be compared there."""
    for slot in (*shape.slots, *shape.memberships):
        if slot.hash is not None:
            yield f"{slot.field} leaves hashed"
    if not shapes.KEY_TYPES.fullmatch(_kind(told, plan.base, plan.match_property)):
        yield f"{plan.match_property}, the match value, is no text"
    for ref in plan.models:
        for column, kind in zip(ref.key, shape.keys, strict=True):
            if not _alike(_kind(told, ref, column), kind):
                yield f"{ref.model}.{column} is of another type than the key"
    models = {ref.unique_id: ref for ref in plan.models}
    for slot in shape.links:
        pointer = slot.link
        for column, kind in zip(pointer.columns, pointer.keys, strict=True) if pointer else ():
            if not _alike(_kind(told, models[slot.model], column), kind):
                yield f"{column} is of another type than the key that it points to"


def _name(ref: ModelRef, told: Told, wanted: frozenset[str], spelling: Elsewhere) -> str:
    one = told[ref.relation]
    assert not isinstance(one, RevetlError)  # noqa: S101 - see tables
    listed = []
    for spelt in sorted(wanted - {ref.valid_to}):
        column = str(column_of(one.columns, spelt))
        quoted, kind = spelling.name(column), one.columns[column]
        value = spelling.comparable(quoted, kind.type, kind.select(quoted))
        if value is None:
            raise Cannot(f"{ref.model}.{spelt} ({kind.type}) cannot be compared in the warehouse")
        listed.append(f"{value} AS {spelling.name(spelt)}")
    now = f" WHERE {spelling.name(str(column_of(one.columns, ref.valid_to)))} IS NULL" if ref.valid_to else ""
    return f"(SELECT {', '.join(listed)} FROM {one.name}{now})"

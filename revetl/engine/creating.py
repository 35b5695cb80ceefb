"""Mapped fields that a destination lacks, and how they are made there: ``--create-fields``, and every rehearsal."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from revetl.contract import Context, Destination
from revetl.engine.fielding import kind_of
from revetl.errors import ConfigError, DestinationError
from revetl.types import JSON, RemoteField, SyncPlan

Ask = Callable[[Generator[Any, Any, Any]], Any]  # runs an exchange on the sync's lane and returns what it returns


def wishes(
    plan: SyncPlan, destination: Destination, fields: Iterable[RemoteField], types: Mapping[str, str]
) -> tuple[RemoteField, ...]:
    """Return the fields to make: what is mapped, constant, or holds a cohort, and is not among ``fields``.

    ``types`` maps a mapped field to its column's DuckDB type. The match field is a unique text, for identities travel
    as text. A cohort's field is named by its label; the destination makes a name of that where it must.
    """
    known = {name.lower() for field in fields for name in (field.name, field.label)}
    exact = {field.name for field in fields}
    return tuple(
        wish
        for wish in {wish.name: wish for wish in _mapped(plan, destination, types)}.values()
        if wish.name not in exact and not (wish.label and wish.name.lower() in known)
    )


def _mapped(plan: SyncPlan, destination: Destination, types: Mapping[str, str]) -> Iterator[RemoteField]:
    for field in plan.fields:
        yield RemoteField(field.field, "text" if field.hash else kind_of(types.get(field.field, "VARCHAR")))
    for constant in plan.constants:
        yield RemoteField(constant.field, _kind_of_value(constant.value))
    if plan.match_field:
        yield RemoteField(plan.match_field, "text", unique=True)
    style = destination.objects[plan.object].cohorts.get(plan.cohort_style or "")
    if style is not None and style.field:
        yield from (RemoteField(cohort.label, style.field, cohort.label) for cohort in plan.cohorts)


def _kind_of_value(value: JSON) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number"}
    return kinds.get(type(value), "text")


def make(
    plan: SyncPlan, destination: Destination, context: Context, wanted: Sequence[RemoteField], ask: Ask
) -> tuple[RemoteField, ...]:
    """Make the fields and return them as they stand there.

    Raises:
        ConfigError: RVT-432, the destination refuses one; those before it are made.
    """
    made: list[RemoteField] = []
    create = destination.create_field
    if create is None:
        return ()
    for wish in wanted:
        try:
            made.append(ask(create(context, wish)))
        except DestinationError as error:
            before = f"; made before it: {', '.join(field.name for field in made)}" if made else ""
            raise ConfigError(
                "RVT-432",
                f"{plan.name}: {destination.title} does not take the field {wish.name}: {error.what}",
                kept=f"nothing of this sync was sent{before}",
                hint=error.hint or "make it there by hand, or correct the mapping",
            ) from None
    return tuple(made)

"""A record left the model, or a person is to be forgotten: clear the person's attributes, or delete the person."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import BatchRejected, Context, Exchange, Reply, Settled
from revetl.destinations.customerio import api, people
from revetl.types import JSON, Batch, Change, Erased, OnLeave, Op, Outcome, Person, Proof, Status


def leave(batch: Batch) -> Exchange:
    """End people; who is gone already is done."""
    if not batch.changes:
        return []
    if batch.on_leave is OnLeave.DELETE:
        return (yield from people.write(batch.changes, _deletion))
    empty = [c for c in batch.changes if not _attributes(batch, c)]
    if empty:
        yield Settled(tuple(Outcome.delivered(c) for c in empty))
    rest = [c for c in batch.changes if _attributes(batch, c)]
    return (yield from people.write_found(rest, lambda change: people.identify(batch, change), people.ended))


def _attributes(batch: Batch, change: Change) -> dict[str, JSON]:
    return {name: value for name, value in change.fields.items() if name != batch.match_field}


def _deletion(change: Change) -> dict[str, JSON]:
    return {"identifiers": {"id": change.match}, "action": "delete"}


def erase(_: Context, persons: Sequence[Person]) -> Generator[Any, Any, list[Erased]]:
    """Look for each person, then delete those who are there; nobody is suppressed, for that bars the id for good."""
    found = yield from api.find(person.identity for person in persons)
    if isinstance(found, Reply):
        code, reason = api.refusal(found)
        return [Erased(person.identity, "failed", code, reason) for person in persons]
    here = [_as_change(n, person) for n, person in enumerate(persons) if person.identity in found]
    result = yield from people.write(here, _deletion)
    done = [Erased(person.identity, "absent") for person in persons if person.identity not in found]
    if isinstance(result, BatchRejected):
        return [*done, *(Erased(c.match, "failed", result.code, result.reason) for c in here)]
    return [*done, *map(_erased, result)]


def _as_change(number: int, person: Person) -> Change:
    return Change(number, "", person.identity, Op.LEAVE, person.identity, person.identity)


def _erased(outcome: Outcome) -> Erased:
    if outcome.status is Status.DELIVERED and outcome.proof is Proof.ACCEPTED:
        return Erased(outcome.change.match, "erased")
    return Erased(outcome.change.match, "failed", outcome.code, outcome.reason)

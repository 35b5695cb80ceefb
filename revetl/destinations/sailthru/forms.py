"""What a job's file says of each user, and how to tell from a user read back that it was heard."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from revetl.contract import Exchange, Reply
from revetl.destinations.sailthru import api, lists, people, read, users
from revetl.types import JSON, Batch, Change, Mode


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file; ``new``: whether it makes the user, where that was looked for."""

    change: Change
    told: dict[str, JSON]
    new: bool | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """One operation as a job.

    ``select`` settles whoever does not travel by the job and returns a line each for the others; ``holds`` says
    whether a user (None: nobody) is as the line wished, ``detail`` being what ``detail(batch)`` returned when the job
    began; ``single`` is the same operation one by one.
    """

    select: Callable[[Batch], Generator[Any, Any, list[Line]]]
    holds: Callable[[Batch, Change, people.User | None, str], bool]
    single: Callable[[Batch], Exchange]
    detail: Callable[[Batch], str] = lambda _: ""


def _wanted(batch: Batch) -> Generator[Any, Any, list[Line]]:
    """An opt-out is no matter for a job, which would not say that it failed: those go one by one, first."""
    seen = yield from users.admitted(batch)
    yield from users.write(batch, seen, [c for c in seen.changes if c.consent is False])
    return [Line(c, users.user(batch, c, seen), seen.new(c)) for c in seen.changes if c.consent is not False]


def _is_written(batch: Batch, change: Change, user: people.User | None, _: str) -> bool:
    if user is None:
        return False
    wanted = {name: value for name, value in change.fields.items() if name != batch.match_field}
    there = {name: user["keys"].get(name) if name in people.KEYS else user["vars"].get(name) for name in wanted}
    return all(_kept(name, value, there[name]) for name, value in wanted.items())


def _kept(name: str, ours: JSON, theirs: JSON) -> bool:
    if name in people.KEYS:
        return api.normal(name, ours) == api.normal(name, theirs)
    return read.same(None, ours, theirs)


def _joining(batch: Batch) -> Generator[Any, Any, list[Line]]:
    """Users by sid where it is known. Others by their key: in mode ``update`` they are looked for first."""
    if batch.cohort is not None and batch.cohort.style == "unsubscribe":
        yield from lists.join(batch)
        return []
    if batch.mode is Mode.UPDATE:
        return (yield from _found(batch, 1, people.not_there))
    return [Line(c, {**_name(batch, c), "lists": {lists.list_name(batch): 1}}) for c in batch.changes]


def _parting(batch: Batch) -> Generator[Any, Any, list[Line]]:
    """Users by sid alone, looked up where it is not known: a line about nobody would make somebody."""
    return (yield from _found(batch, 0, people.ended))


def _found(batch: Batch, value: int, gone: people.Gone) -> Generator[Any, Any, list[Line]]:
    unknown = [c for c in batch.changes if not c.remote_id]
    found = yield from people.find(batch.match_field, [c.match for c in unknown])
    if isinstance(found, Reply):
        yield from api.settle(people.waits(c, found) for c in unknown)
        found, unknown = {}, []
    there = {c.seq: found.get(api.normal(batch.match_field, c.match)) for c in unknown}
    yield from api.settle(gone(c) for c in unknown if there[c.seq] is None)
    sids = {c.seq: c.remote_id for c in batch.changes if c.remote_id}
    sids |= {seq: user["sid"] for seq, user in there.items() if user is not None}
    told = {"lists": {lists.list_name(batch): value}}
    return [Line(c, {"id": sids[c.seq], "key": "sid", **told}) for c in batch.changes if c.seq in sids]


def _name(batch: Batch, change: Change) -> dict[str, JSON]:
    if change.remote_id:
        return {"id": change.remote_id, "key": "sid"}
    return {"id": change.match, "key": batch.match_field}


def _is_on(_: Batch, __: Change, user: people.User | None, name: str) -> bool:
    return user is not None and name in user["lists"]


def _is_off(_: Batch, __: Change, user: people.User | None, name: str) -> bool:
    return user is None or name not in user["lists"]


UPSERT = Form(_wanted, _is_written, users.upsert)
JOIN = Form(_joining, _is_on, lists.join, lists.list_name)
PART = Form(_parting, _is_off, lists.part, lists.list_name)

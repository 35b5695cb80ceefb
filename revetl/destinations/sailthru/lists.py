"""Cohorts as natural lists, and consent as an opt-out.

A list's name is its key in every call about users, so it is found by its id first: whoever renames it in Sailthru
breaks nothing. There is no call that renames one; a new label goes on with the list as it is called there.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Context, Exchange, Reply, UnreadableReply
from revetl.destinations.sailthru import api, people
from revetl.errors import DestinationError
from revetl.types import JSON, Batch, Outcome

_SMART = "smart"
Names = dict[str, tuple[str, str]]  # cohort → (id, name there)


def prepare(context: Context) -> Generator[Any, Any, dict[str, JSON]]:
    """Find or create the list of each cohort; return ``{"cohorts": {model: id}, "names": {model: name there}}``.

    They are made one after another, before anybody joins: side by side, Sailthru makes several of one name.

    Raises:
        DestinationError: RVT-651, Sailthru refuses a list; RVT-652, the list of that name is a smart list.
    """
    found: Names = {}
    if context.cohorts:
        found = yield from named(context)
    for name, label in context.cohorts:
        if name not in found and context.create:
            made = api.expect((yield api.call("POST", "list", {"list": label})), f"the list {label!r}")
            found[name] = (_id(made, label), str(made.get("name") or label))
    return {"cohorts": {n: i for n, (i, _) in found.items()}, "names": {n: there for n, (_, there) in found.items()}}


def named(context: Context) -> Generator[Any, Any, Names]:
    """Return the lists of the cohorts that are there already."""
    reply = yield api.get("list", {"list": ""})
    rows = api.expect(reply, "its lists").get("lists")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnreadableReply(reply.status, "lists is not a list of objects")
    pairs = ((name, _match(rows, context.ids.get(name), label)) for name, label in context.cohorts)
    return {name: there for name, there in pairs if there is not None}


def _match(rows: Sequence[dict[str, JSON]], stored: str | None, label: str) -> tuple[str, str] | None:
    by_id = [row for row in rows if stored is not None and stored in (_id(row, ""), row.get("name"))]
    chosen = by_id or [row for row in rows if row.get("name") == label]
    natural = [row for row in chosen if row.get("type") != _SMART]
    if chosen and not natural:
        what = f"the list {label!r} in Sailthru is a smart list: nobody can be put on it"
        raise DestinationError("RVT-652", what, hint="give the cohort another `label`")
    return min(((_id(row, str(row["name"])), str(row["name"])) for row in natural), default=None)


def _id(row: dict[str, JSON], otherwise: str) -> str:
    return str(row.get("list_id") or otherwise)


def join(batch: Batch) -> Exchange:
    """Put users on the list, or opt them out where the batch is about consent."""
    if batch.cohort is not None and batch.cohort.style == "unsubscribe":
        yield from _withdraw(batch)
        return []
    yield from people.write_found(batch, batch.changes, lambda _: {"lists": {list_name(batch): 1}}, people.not_there)
    return []


def part(batch: Batch) -> Exchange:
    """Take users off the list; who is not there, or was never on it, is done."""
    yield from people.write_found(batch, batch.changes, lambda _: {"lists": {list_name(batch): 0}}, people.ended)
    return []


def list_name(batch: Batch) -> str:
    """Return what the cohort's list is called there."""
    if batch.cohort is None:
        raise ValueError("JOIN and PART name a cohort")
    return str(batch.prepared["names"][batch.cohort.name])


def _withdraw(batch: Batch) -> Generator[Any, Any, None]:
    """Opt users out; who is opted out further stays so, and whoever is not there gave no consent."""
    level = batch.settings.opt_out
    changes = list(batch.changes)
    if level is not api.OptOut.ALL:
        found = yield from people.find(batch.match_field, [c.match for c in changes])
        if isinstance(found, Reply):
            yield from api.settle(people.waits(c, found) for c in changes)
            return
        users = {c.seq: found.get(api.normal(batch.match_field, c.match)) for c in changes}
        yield from api.settle(Outcome.delivered(c) for c in changes if _is_out(users[c.seq], api.RANK[level]))
        changes = [c for c in changes if not _is_out(users[c.seq], api.RANK[level])]
    yield from people.write_found(batch, changes, lambda _: {"optout_email": level.value}, people.ended)


def _is_out(user: people.User | None, rank: int) -> bool:
    return user is None or api.RANK.get(user["optout_email"], 0) >= rank

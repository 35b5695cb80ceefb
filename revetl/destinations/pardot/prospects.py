"""Create and update prospects, one a call: by id where it is known, else whoever was last active of that address.

https://developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5.html
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from revetl.contract import Exchange, Http, Reply, UnreadableReply
from revetl.destinations.pardot import api, fields, imports
from revetl.types import JSON, Batch, Change, Mode, Outcome

SHOWN = "id,createdAt,updatedAt"
_YOUNG = 10.0  # seconds old at the most that a prospect is which this very call created


def upsert(batch: Batch) -> Exchange:
    """Update whose id is known; upsert the rest, and what turns out to be gone, by address.

    By address nobody can be updated without being made where they are not: mode ``update`` imports those, which can.
    """
    rest = yield from updated([c for c in batch.changes if c.remote_id], lambda c: values(batch, c))
    rest = [c for c in batch.changes if not c.remote_id] + rest
    if batch.mode is Mode.UPDATE:
        yield from imports.by_address(batch, rest)
        return []
    for some in parts(rest):
        replies: tuple[Reply, ...] = yield tuple(touch(batch, change) for change in some)
        yield from api.settle(_made(reply, change) for reply, change in zip(replies, some, strict=True))
    return []


def parts(changes: Sequence[Change]) -> list[Sequence[Change]]:
    """Return the changes in lists that may go side by side."""
    return [changes[at : at + api.SIDE_BY_SIDE] for at in range(0, len(changes), api.SIDE_BY_SIDE)]


def values(batch: Batch, change: Change) -> dict[str, JSON]:
    """Return what is written of a change: without the address, which only a change of identity changes."""
    told = {name: value for name, value in change.fields.items() if name != batch.match_field}
    return {**told, fields.DO_NOT_EMAIL: True} if change.consent is False else told


def touch(batch: Batch, change: Change) -> Http:
    """Return the upsert of one prospect by address."""
    body = {
        "matchEmail": change.match,
        "prospect": {**values(batch, change), "email": change.match},
        "secondaryDeletedSearch": True,  # who lies in the recycle bin comes back: else nobody can be made
        "fields": SHOWN.split(","),
    }
    return api.write("POST", "prospects/do/upsertLatestByEmail", body, "")


def updated(
    changes: Sequence[Change], body: Callable[[Change], Mapping[str, JSON]]
) -> Generator[Any, Any, list[Change]]:
    """Update prospects by id, and settle them; return those who are not there any more."""
    lost: list[Change] = []
    for some in parts(changes):
        replies: tuple[Reply, ...] = yield tuple(_update_call(change, body(change)) for change in some)
        judged = [(change, _judge(reply, change)) for reply, change in zip(replies, some, strict=True)]
        yield from api.settle(outcome for _, outcome in judged if outcome is not None)
        lost += [change for change, outcome in judged if outcome is None]
    return lost


def _update_call(change: Change, told: Mapping[str, JSON]) -> Http:
    number = str(change.remote_id)
    if not told:
        return api.read(f"prospects/{number}", "id", "/objects/prospects/{id}")
    return api.one("PATCH", "prospects", number, told)


def _judge(reply: Reply, change: Change) -> Outcome | None:
    """Return what became of an update, None where there is no such prospect."""
    if api.gone(reply):
        return None
    if not reply.ok:
        return api.refuse(reply, change)
    number = str(api.row(reply)["id"])
    if number != change.remote_id:
        raise UnreadableReply(reply.status, "the answer names another prospect than the one sent")
    return written(change, number)


def written(change: Change, number: str) -> Outcome:
    """Return the delivery to a prospect that stood there before; if it is somebody else's, it is never deleted."""
    strange = change.created is None or (change.remote_id and change.remote_id != number)
    return Outcome.delivered(change, remote_id=number, created=False if strange else None)


def _made(reply: Reply, change: Change) -> Outcome:
    if not reply.ok:
        return api.refuse(reply, change)
    row = api.row(reply)
    if row.get("createdAt") == row.get("updatedAt") and _is_young(row.get("createdAt"), reply):
        return Outcome.delivered(change, remote_id=str(row["id"]), created=True)
    return written(change, str(row["id"]))


def _is_young(created: JSON, reply: Reply) -> bool:
    """Return whether the service made it just now, by its own clock.

    The answer does not tell who is new; but who was there before was updated by this call, after it was created.
    """
    try:
        made = datetime.fromisoformat(str(created)).timestamp()
        now = parsedate_to_datetime(reply.headers["date"]).timestamp() if "date" in reply.headers else reply.at
    except (ValueError, TypeError):
        return False
    return abs(now - made) <= _YOUNG

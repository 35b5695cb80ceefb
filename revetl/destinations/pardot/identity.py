"""A prospect's address changes: where the new one is taken, our prospect goes, or the change is refused."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from revetl.contract import Exchange, Reply
from revetl.destinations.pardot import api, endings, finding, prospects
from revetl.types import Batch, Change, Outcome

_TAKEN = frozenset({"9", "54"})  # codes: the address is another prospect's


def rename(batch: Batch) -> Exchange:
    """Rename by id; whose id is not known, or gone, is looked for under both addresses."""
    rest = [c for c in batch.changes if not c.remote_id]
    for some in prospects.parts([c for c in batch.changes if c.remote_id]):
        replies: tuple[Reply, ...] = yield tuple(_call(c, str(c.remote_id)) for c in some)
        for reply, change in zip(replies, some, strict=True):
            if api.gone(reply):
                rest.append(change)
            else:
                yield from _renamed(batch, change, str(change.remote_id), reply)
    both = [address for c in rest for address in (_before(c), c.match)]
    found = yield from finding.find(both)
    if isinstance(found, Reply):
        return [api.refuse(found, change) for change in rest]
    for change in rest:
        yield from _looked_for(batch, change, found)
    return []


def _call(change: Change, number: str) -> Any:
    return api.one("PATCH", "prospects", number, {"email": change.match})


def _before(change: Change) -> str:
    return change.before_match or change.match


def _looked_for(batch: Batch, change: Change, found: dict[str, list[api.Row]]) -> Generator[Any, Any, None]:
    old = [str(row["id"]) for row in found.get(finding.normal(_before(change)), ())]
    if not old:
        holder = found.get(finding.normal(change.match))
        number = str(holder[0]["id"]) if holder else None
        stranger = number is not None and number != change.remote_id
        yield from api.settle([Outcome.delivered(change, remote_id=number, created=False if stranger else None)])
        return
    reply: Reply = yield _call(change, old[0])
    yield from _renamed(batch, change, old[0], reply)


def _renamed(batch: Batch, change: Change, number: str, reply: Reply) -> Generator[Any, Any, None]:
    """Settle one rename."""
    if reply.ok:
        api.row(reply)
        yield from api.settle([prospects.written(change, number)])
    elif api.refusal(reply)[0] not in _TAKEN:
        yield from api.settle([api.refuse(reply, change)])
    elif not change.created:
        reason = "another prospect has the new address, and revetl did not create the old one: merge them there"
        yield from api.settle([Outcome.rejected(change, code="IDENTITY_TAKEN", reason=reason)])
    else:
        yield from _hand_over(batch, change, number)


def _hand_over(batch: Batch, change: Change, number: str) -> Generator[Any, Any, None]:
    """End our prospect; whoever has the new address stands for the person from now on."""
    ended = endings.deleted((yield api.one("DELETE", "prospects", number, None)), change)
    if ended.proof is None:
        yield from api.settle([ended])
        return
    holder: Reply = yield prospects.touch(batch, replace(change, body=b"{}"))
    there = str(api.row(holder)["id"]) if holder.ok else None
    yield from api.settle([Outcome.delivered(change, remote_id=there, created=False)])

"""A record left the model: clear it, or delete the user."""

from __future__ import annotations

from revetl.contract import Exchange, Reply, Settled
from revetl.destinations.iterable import api, users
from revetl.types import Batch, Change, OnLeave, Outcome, Proof


def leave(batch: Batch) -> Exchange:
    """End the users that are there; who is gone already is done."""
    if not batch.changes:
        return []
    return (yield from _WAYS[batch.on_leave](batch))


def _clear(batch: Batch) -> Exchange:
    empty = [Outcome.delivered(c) for c in batch.changes if not c.fields]
    if empty:
        yield Settled(tuple(empty))
    rest = [c for c in batch.changes if c.fields]
    return (yield from users.update_found(batch, rest)) if rest else []


def _delete(batch: Batch) -> Exchange:
    """Delete one by one; never through ``forget``, which bars the address for good."""
    for group in api.chunks(batch.changes):
        replies: tuple[Reply, ...] = yield tuple(api.user_call("DELETE", batch.match_field, c.match) for c in group)
        yield Settled(tuple(_deleted(c, reply) for c, reply in zip(group, replies, strict=True)))
    return []


def _deleted(change: Change, reply: Reply) -> Outcome:
    if reply.ok:
        api.succeeded(reply)
        return Outcome.delivered(change, proof=Proof.ACCEPTED)  # "Asynchronous. Deletes a specific user"
    code, reason = api.refusal(reply)
    if code in api.GONE or reply.status == 404:
        return Outcome.delivered(change, proof=Proof.ACCEPTED)
    if reply.status in (400, 409, 422):
        return Outcome.rejected(change, code=code, reason=reason)
    return Outcome.waiting(change, code=code, reason=reason)


_WAYS = {OnLeave.CLEAR: _clear, OnLeave.DELETE: _delete}

"""A person's no: unsubscribed from every marketing channel of e-mail. Nobody is ever subscribed again.

Source: ``GET /api/channels`` and ``POST /api/users/bulkUpdateSubscriptions`` of the Swagger document. What is given
replaces what stands there, so a user's own opt-outs are read first and given along: they must not be lost.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Exchange, Http, Reply, Settled
from revetl.destinations.iterable import answers, api, lists
from revetl.types import JSON, Batch, Change, Effect, Outcome, Proof

WAY = "unsubscribe"
_OUT = "unsubscribedChannelIds"


def join(batch: Batch) -> Exchange:
    """Join a cohort, or withdraw, by the style of what is joined."""
    if batch.cohort is None or batch.cohort.style != WAY:
        return (yield from lists.join(batch))
    channels = yield from _channels()
    if isinstance(channels, Reply):
        return api.refuse_all(channels, batch.changes)
    found = yield from api.find(batch.match_field, [c.match for c in batch.changes])
    if isinstance(found, Reply):
        return api.refuse_all(found, batch.changes)
    held = {c.seq: _held(found.get(api.normal(batch.match_field, c.match))) for c in batch.changes}
    # who is not there gets no mail; who is out of all of them need not be told so
    done = [c for c in batch.changes if (own := held[c.seq]) is None or channels <= own]
    if done:
        yield Settled(tuple(Outcome.delivered(c) for c in done))
    rest = [c for c in batch.changes if (own := held[c.seq]) is not None and not channels <= own]
    return (yield from _write(batch, rest, {c.seq: sorted(channels | (held[c.seq] or set())) for c in rest}))


def _channels() -> Generator[Any, Any, set[int] | Reply]:
    reply: Reply = yield Http("GET", "/api/channels", effect=Effect.READ, cost={"users": 1})
    if not reply.ok:
        return reply
    rows = reply.document().get("channels") or []
    return {int(r["id"]) for r in rows if (r["messageMedium"], r["channelType"]) == ("Email", "Marketing")}


def _held(user: dict[str, JSON] | None) -> set[int] | None:
    """Return the channels that a user is out of, None where there is no such user."""
    if user is None:
        return None
    fields = user.get("dataFields")
    return {int(one) for one in (fields.get(_OUT) if isinstance(fields, dict) else None) or ()}


def _write(batch: Batch, changes: Sequence[Change], out: dict[int, list[int]]) -> Exchange:
    if not changes:
        return []
    rows = [{batch.match_field: c.match, _OUT: out[c.seq]} for c in changes]
    reply = yield api.post("/api/users/bulkUpdateSubscriptions", {"updateSubscriptionsRequests": rows}, "bulk")
    if not reply.ok:
        return api.refuse_all(reply, changes)
    document = reply.document()
    names = ("invalidEmails", "invalidUserIds", "validEmailFailures", "validUserIdFailures")
    failed = {api.normal(batch.match_field, one) for name in names for one in document.get(name) or ()}
    bad = [c for c in changes if api.normal(batch.match_field, c.match) in failed]
    proven = document.get("successCount") == len(changes) - len(bad) and document.get("failCount") == len(bad)
    return [_judge(c, refused=c in bad, proven=proven) for c in changes]


def _judge(change: Change, *, refused: bool, proven: bool) -> Outcome:
    if refused:
        return answers.rejected(change, "invalid")
    if not proven:
        return Outcome.unknown(change, code="COUNTS", reason="the counts in the reply leave some users out")
    return Outcome.delivered(change, proof=Proof.ACCOUNT)

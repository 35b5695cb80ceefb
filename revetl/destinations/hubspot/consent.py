"""A person's no: opted out of all marketing e-mail, by address, a hundred a call. Nobody is ever subscribed again.

Source: https://developers.hubspot.com/docs/api-reference/communication-preferences-v4/guide
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import orjson

from revetl.contract import Exchange, Http, Reply
from revetl.destinations.hubspot import api, lists
from revetl.types import JSON, Batch, Change, Outcome

WAY = "unsubscribe"
_PATH = "/communication-preferences/v4/statuses/batch/unsubscribe-all"


def join(batch: Batch) -> Exchange:
    """Join a cohort, or withdraw, by the style of what is joined."""
    if batch.cohort is None or batch.cohort.style != WAY:
        return (yield from lists.join(batch))
    left = list(batch.changes)
    while left:
        some, left = left[: api.BATCH], left[api.BATCH :]
        addresses = yield from _addresses(batch, some)
        if isinstance(addresses, Reply):
            return api.refuse_all(addresses, [*some, *left])
        yield from api.settle([Outcome.delivered(c) for c in some if c.seq not in addresses])  # no address, no mail
        some = [c for c in some if c.seq in addresses]
        if not some:
            continue
        call = Http(
            "POST",
            _PATH,
            content=orjson.dumps({"inputs": [addresses[c.seq] for c in some]}),
            query=(("channel", "EMAIL"),),
        )
        reply = yield call
        if not reply.ok:
            return api.refuse_all(reply, [*some, *left])
        document = api.document(reply)
        out = {str(row.get("subscriberIdString")).lower() for row in api.rows(reply, document, "results")}
        errors = document.get("errors") or []
        yield from api.settle([_judge(c, addresses[c.seq] in out, errors) for c in some])
    return []


def _addresses(batch: Batch, changes: Sequence[Change]) -> Generator[Any, Any, dict[int, str] | Reply]:
    """Return sequence number → address of those who have one: HubSpot withdraws by address alone."""
    if batch.match_field == "email":
        return {c.seq: api.normal("email", c.match) for c in changes}
    reply: Reply = yield api.read_call(batch.object, batch.match_field, [c.match for c in changes], ("email",))
    if not reply.ok:
        return reply
    found = api.by_identity(reply, batch.match_field)
    shown = {c.seq: (found.get(c.match) or {"properties": {}})["properties"].get("email") for c in changes}
    return {seq: api.normal("email", address) for seq, address in shown.items() if address}


def _judge(change: Change, out: bool, errors: list[dict[str, JSON]]) -> Outcome:  # noqa: FBT001 - one yes or no
    if out:
        return Outcome.delivered(change)
    why = errors[0] if errors else {}
    code, reason = str(why.get("category") or "NOT_OPTED_OUT"), str(why.get("message") or "HubSpot does not name it")
    return Outcome.rejected(change, code=code, reason=reason)

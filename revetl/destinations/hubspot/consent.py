"""A person's no: opted out of all marketing e-mail, by address, a hundred a call. Nobody is ever subscribed again.

An address can be opted out before there is a contact of it, so that whoever said no never is one that gets mail.
Source: https://developers.hubspot.com/docs/api-reference/communication-preferences-v4/guide
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import orjson

from revetl.contract import BatchRejected, Exchange, Http, Reply
from revetl.destinations.hubspot import api, links, lists
from revetl.types import JSON, Batch, Change, Outcome

WAY = "unsubscribe"
_PATH = "/communication-preferences/v4/statuses/batch/unsubscribe-all"


def upsert(batch: Batch) -> Exchange:
    """Write records; those that are new and of somebody who said no are opted out before."""
    noes = [c for c in batch.changes if c.consent is False and c.remote_id is None and c.created is None]
    for some in _hundreds(noes):
        told = {c.seq: address for c in some if (address := _address(batch, c))}
        if told:
            reply = yield _call(list(told.values()))
            if not reply.ok:
                return api.refuse_all(reply, batch.changes)
    return (yield from links.upsert(batch))


def _address(batch: Batch, change: Change) -> str:
    given = change.match if batch.match_field == "email" else change.fields.get("email") or ""
    return api.normal("email", given)


def join(batch: Batch) -> Exchange:
    """Join a cohort, or withdraw, by the style of what is joined."""
    if batch.cohort is None or batch.cohort.style != WAY:
        return (yield from lists.join(batch))
    left = list(batch.changes)
    for some in _hundreds(batch.changes):
        done = yield from _withdraw(batch, some)
        if isinstance(done, Reply):
            refused = api.refuse_all(done, left)
            return refused if isinstance(refused, BatchRejected) else [*refused]
        yield from api.settle(done)
        left = left[len(some) :]
    return []


def _hundreds(changes: Sequence[Change]) -> list[Sequence[Change]]:
    return [changes[at : at + api.BATCH] for at in range(0, len(changes), api.BATCH)]


def _withdraw(batch: Batch, changes: Sequence[Change]) -> Generator[Any, Any, list[Outcome] | Reply]:
    """Opt people out; return their outcomes, or the reply that refuses."""
    addresses = yield from _addresses(batch, changes)
    if isinstance(addresses, Reply):
        return addresses
    out: set[str] = set()
    errors: list[dict[str, JSON]] = []
    if addresses:
        reply: Reply = yield _call(list(addresses.values()))
        if not reply.ok:
            return reply
        document = reply.document()
        out = {str(row.get("subscriberIdString")).lower() for row in api.rows(reply, document, "results")}
        errors = document.get("errors") or []
    why = errors[0] if errors else {}
    code, reason = str(why.get("category") or "NOT_OPTED_OUT"), str(why.get("message") or "HubSpot does not name it")
    return [
        # no address, no mail
        Outcome.delivered(c) if addresses.get(c.seq) in (None, *out) else Outcome.rejected(c, code=code, reason=reason)
        for c in changes
    ]


def _call(addresses: list[str]) -> Http:
    return Http("POST", _PATH, content=orjson.dumps({"inputs": addresses}), query=(("channel", "EMAIL"),))


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

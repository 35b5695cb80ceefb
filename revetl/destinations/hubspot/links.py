"""A contact's primary company: an association, made and ended by calls of its own once the records are written.

Source: https://developers.hubspot.com/docs/api-reference/crm-associations-v4/guide (association type 1 from contacts to
companies is the primary company; an archive takes every association between two records away).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import orjson

from revetl.contract import BatchRejected, Exchange, Http, Reply, Settled
from revetl.destinations.hubspot import api, records
from revetl.types import JSON, Batch, Cause, Change, Outcome, Status

PRIMARY = "associatedcompanyid"  # what HubSpot calls the property that shows it
_TYPE = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}
_ROOT = "/crm/v4/associations/contacts/companies/batch"


def upsert(batch: Batch) -> Exchange:
    """Write records, then the links of those that have some: such a record is delivered with its link, not before.

    A record of which nothing but a link changed is not written, only linked.
    """
    if not any(change.links for change in batch.changes):
        return (yield from records.upsert(batch))
    stands = [Outcome.delivered(c, remote_id=c.remote_id) for c in batch.changes if _stands(c)]
    rest = tuple(c for c in batch.changes if not _stands(c))
    return (yield from linked(records.upsert(replace(batch, changes=rest)), stands))


def _stands(change: Change) -> bool:
    """Return whether a record is known to stand there as it should but for a link; what is in doubt is written."""
    alone = bool(change.links) and change.body == b"{}"
    return alone and change.remote_id is not None and change.cause is not Cause.RETRY


def linked(steps: Exchange, stands: Sequence[Outcome] = ()) -> Exchange:
    """Run an exchange, keeping back the deliveries whose links are still to be written, as are those of ``stands``."""
    held = list(stands)
    given: Any = None
    try:
        while True:
            step = steps.send(given)
            if isinstance(step, Settled):
                held += [outcome for outcome in step.outcomes if _has_links(outcome)]
                step = Settled(tuple(outcome for outcome in step.outcomes if not _has_links(outcome)))
                given = (yield step) if step.outcomes else None
            else:
                given = yield step
    except StopIteration as end:
        result = end.value
    finally:
        steps.close()
    if isinstance(result, BatchRejected):
        yield from api.settle((yield from _links(held)))
        return result
    found = list(result)
    held += [outcome for outcome in found if _has_links(outcome)]
    yield from api.settle([outcome for outcome in found if not _has_links(outcome)])
    return (yield from _links(held))


def _has_links(outcome: Outcome) -> bool:
    return outcome.status is Status.DELIVERED and bool(outcome.change.links)


def _links(held: Sequence[Outcome]) -> Generator[Any, Any, list[Outcome]]:
    """End old links, make new ones; return the outcomes of all, each as its link went."""
    ids = {outcome.change.seq: str(outcome.remote_id or outcome.change.remote_id) for outcome in held}
    ending = {o.change.seq: o.change.links[PRIMARY].ended for o in held}
    refused: dict[int, Outcome] = {}
    over = [(ids[seq], company) for seq, ended in ending.items() for company in ended]
    reply = yield from _call("archive", [{"from": {"id": a}, "to": [{"id": b}]} for a, b in over])
    if reply is not None and not reply.ok:
        return [_lost(outcome, reply) for outcome in held]
    wanted = {o.change.seq: company for o in held if (company := o.change.links[PRIMARY].id) is not None}
    inputs = [{"from": {"id": ids[seq]}, "to": {"id": company}, "types": [_TYPE]} for seq, company in wanted.items()]
    reply = yield from _call("create", inputs)
    if reply is not None and not reply.ok:
        return [_lost(o, reply) if o.change.seq in wanted else o for o in held]
    if reply is not None:
        refused = _refused(reply, held, ids, wanted)
    return [refused.get(outcome.change.seq, outcome) for outcome in held]


def _call(verb: str, inputs: list[JSON]) -> Generator[Http, Reply, Reply | None]:
    if not inputs:
        return None
    return (yield Http("POST", f"{_ROOT}/{verb}", content=orjson.dumps({"inputs": inputs})))


def _refused(reply: Reply, held: Sequence[Outcome], ids: dict[int, str], wanted: dict[int, str]) -> dict[int, Outcome]:
    """Return what becomes of links that the reply does not name as made."""
    document = reply.document()
    made = {(str(r.get("fromObjectId")), str(r.get("toObjectId"))) for r in api.rows(reply, document, "results")}
    errors = document.get("errors") or [{}]
    code, reason = str(errors[0].get("category") or "LINK"), str(errors[0].get("message") or "the link was not made")
    lacking = [o for o in held if o.change.seq in wanted and (ids[o.change.seq], wanted[o.change.seq]) not in made]
    return {
        # a record that was not written may be what is missing: it is sent again, whole
        o.change.seq: Outcome.unknown(o.change, code=code, reason=reason)
        if _stands(o.change)
        else Outcome.rejected(o.change, code=code, reason=reason, remote_id=o.remote_id)
        for o in lacking
    }


def _lost(outcome: Outcome, reply: Reply) -> Outcome:
    """Return the outcome of a record that is written and whose link is not: it is sent again."""
    code, reason = api.refusal(reply)
    return Outcome.unknown(outcome.change, code=code, reason=f"the link was not written: {reason}")


def end(there: Sequence[Change], ids: dict[int, str]) -> Generator[Any, Any, Reply | None]:
    """End the links of records that are being cleared; return the reply where it refuses."""
    over = [(ids[c.seq], company) for c in there for link in c.links.values() for company in link.ended]
    reply = yield from _call("archive", [{"from": {"id": a}, "to": [{"id": b}]} for a, b in over])
    return None if reply is None or reply.ok else reply

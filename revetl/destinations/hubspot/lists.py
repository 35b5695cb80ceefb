"""Cohorts as MANUAL lists (https://developers.hubspot.com/docs/api-reference/crm-lists-v3/guide)."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any
from urllib.parse import quote

import orjson

from revetl.contract import Context, Exchange, Http, Reply, UnreadableReply
from revetl.destinations.hubspot import api
from revetl.errors import DestinationError
from revetl.types import JSON, Batch, Change, Effect, Outcome, Proof

_WRITABLE = ("MANUAL", "SNAPSHOT")


def prepare(context: Context) -> Generator[Any, Any, dict[str, JSON]]:
    """Find, rename or create the list of each cohort; return ``{"cohorts": {model name: list id}}``.

    Raises:
        DestinationError: RVT-651, HubSpot refuses a list; RVT-652, the list of that name is not MANUAL.
    """
    found: dict[str, str] = {}
    for name, label in context.cohorts:
        there = (yield from _known(context, name, label)) or (yield from _by_name(context, label))
        if there is None and context.create:
            there = yield from _create(context, label)
        if there is not None:
            found[name] = there
    return {"cohorts": found}


def _list(reply: Reply, label: str) -> dict[str, JSON]:
    if not reply.ok:
        code, reason = api.refusal(reply)
        what = f"HubSpot refuses the list {label!r}: {code}, {reason}"
        raise DestinationError("RVT-651", what, hint="give the cohort another `label`")
    document = reply.document()
    found = document.get("list", document)
    if not isinstance(found, dict) or "listId" not in found:
        raise UnreadableReply(reply.status, "the reply shows no list")
    return found


def _known(context: Context, name: str, label: str) -> Generator[Any, Any, str | None]:
    """Return the list that an earlier run stored, under the present label; None where it is gone."""
    list_id = context.ids.get(name)
    if list_id is None:
        return None
    path = f"/crm/v3/lists/{quote(list_id, safe='')}"
    reply = yield Http("GET", path, effect=Effect.READ, template="/crm/v3/lists/{listId}")
    if reply.status == 404:
        return None
    if _list(reply, label).get("name") != label and context.create:
        query, template = (("listName", label),), "/crm/v3/lists/{listId}/update-list-name"
        reply = yield Http("PUT", f"{path}/update-list-name", query=query, template=template)
        if not reply.ok:
            _list(reply, label)
    return list_id


def _by_name(context: Context, label: str) -> Generator[Any, Any, str | None]:
    root = f"/crm/v3/lists/object-type-id/{api.OBJECT_TYPES[context.object]}/name"
    reply = yield Http("GET", f"{root}/{quote(label, safe='')}", effect=Effect.READ, template=f"{root}/{{listName}}")
    if reply.status == 404:
        return None
    found = _list(reply, label)
    if found.get("processingType", "MANUAL") not in _WRITABLE:
        what = f"the list {label!r} in HubSpot is {found.get('processingType')}: its members follow a filter there"
        raise DestinationError("RVT-652", what, hint="give the cohort another `label`, or rename that list")
    return str(found["listId"])


def _create(context: Context, label: str) -> Generator[Any, Any, str]:
    body = {"name": label, "objectTypeId": api.OBJECT_TYPES[context.object], "processingType": "MANUAL"}
    reply = yield Http("POST", "/crm/v3/lists", content=orjson.dumps(body))
    return str(_list(reply, label)["listId"])


def join(batch: Batch) -> Exchange:
    """Put records on the list."""
    return (yield from _write(batch, "add"))


def part(batch: Batch) -> Exchange:
    """Take records off the list; those who are gone, or were never on it, are done."""
    return (yield from _write(batch, "remove"))


def _write(batch: Batch, verb: str) -> Exchange:
    found = yield from api.find_ids(batch, batch.changes)
    if isinstance(found, Reply):
        return api.refuse_all(found, batch.changes)
    ids = {c.seq: c.remote_id or found.get(api.normal(batch.match_field, c.match), "") for c in batch.changes}
    outcomes = [_nobody(c, verb) for c in batch.changes if not ids[c.seq]]
    there = [c for c in batch.changes if ids[c.seq]]
    if not there:
        return outcomes
    reply = yield Http(
        "PUT",
        f"/crm/v3/lists/{_list_id(batch)}/memberships/{verb}",
        content=orjson.dumps([ids[c.seq] for c in there]),
        template=f"/crm/v3/lists/{{listId}}/memberships/{verb}",
    )
    if not reply.ok:
        return api.refuse_all(reply, batch.changes)
    named, missing = _named(reply, "recordsIdsAdded" if verb == "add" else "recordIdsRemoved")
    return outcomes + [_judge(c, ids[c.seq], verb, named, missing) for c in there]


def _named(reply: Reply, key: str) -> tuple[set[str], set[str]]:
    """Return the ids that the reply says were changed, and those it does not know.

    The spelling ``recordsIdsAdded`` is HubSpot's; the other one is taken too, should they mend it.
    """
    document = reply.document()
    changed = document.get(key, document.get(key.replace("recordsIds", "recordIds")))
    missing = document.get("recordIdsMissing", [])
    if not isinstance(changed, list) or not isinstance(missing, list):
        raise UnreadableReply(reply.status, f"{key} is not a list")
    return {str(i) for i in changed}, {str(i) for i in missing}


def _judge(change: Change, record: str, verb: str, named: set[str], missing: set[str]) -> Outcome:
    if record in missing:
        return _nobody(change, verb)
    # Neither changed nor missing: it was as wished before the call.
    proof = Proof.ROW if record in named else Proof.ACCOUNT
    return Outcome.delivered(change, proof=proof, remote_id=record)


def _nobody(change: Change, verb: str) -> Outcome:
    if verb == "remove":
        return Outcome.delivered(change)
    return Outcome.rejected(change, code="RECORD_MISSING", reason="no such record to put on the list")


def _list_id(batch: Batch) -> str:
    if batch.cohort is None:
        raise ValueError("JOIN and PART name a cohort")
    return quote(str(batch.prepared["cohorts"][batch.cohort.name]), safe="")

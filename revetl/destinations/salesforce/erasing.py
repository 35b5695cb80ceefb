"""People deleted, into the recycle bin and out of it in time."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Context, Erase, Reply
from revetl.destinations.salesforce import api, records, soql
from revetl.types import JSON, Erased, Person

_BIN = "it lies in the org's recycle bin for 15 days, or until somebody empties it"
_WHAT = (
    f"Deletes the record: {_BIN}. Records that hang on it (activities, campaign memberships) go with it; what other "
    "objects and backups hold stays."
)


def _run(context: Context, people: Sequence[Person]) -> Generator[Any, Any, list[Erased]]:
    """Look everybody up, for a record may have been merged into another one since; then delete by id."""
    start = soql.select(context.object, context.match_field)
    rows = yield from soql.answers(soql.lookups(start, context.match_field, [p.identity for p in people]))
    if isinstance(rows, Reply):
        return [Erased(p.identity, "failed", *api.refusal(rows)) for p in people]
    owners: dict[str, Person] = {}
    by_name = {api.normal(p.identity): p for p in people}
    owners.update({str(row["Id"]): by_name[api.normal(row.get(context.match_field))] for row in rows})
    owners.update({p.remote_id: p for p in people if p.remote_id and p.remote_id not in owners})
    said = {p.identity: Erased(p.identity, "absent") for p in people}
    ids = list(owners)
    for at in range(0, len(ids), api.BATCH):
        some = ids[at : at + api.BATCH]
        reply: Reply = yield api.deletion(some)
        if not reply.ok:
            said |= {owners[i].identity: Erased(owners[i].identity, "failed", *api.refusal(reply)) for i in some}
            continue
        for record, row in zip(some, api.results(reply, len(some)), strict=True):
            who = owners[record].identity
            said[who] = _worse(said[who], _erased(who, row))
    return [said[p.identity] for p in people]


def _erased(identity: str, row: dict[str, JSON]) -> Erased:
    if row["success"]:
        return Erased(identity, "erased", reason=_BIN)
    code, reason = api.error(row)
    return Erased(identity, "absent") if code in records.GONE else Erased(identity, "failed", code, reason)


def _worse(one: Erased, other: Erased) -> Erased:
    """Return what to say of a person who had two records."""
    return min(one, other, key=lambda said: ("failed", "erased", "absent").index(said.status))


ERASE = Erase(_run, max_records=api.BATCH, what=_WHAT)

"""What stands in an instance: whether we are let in, people, and the lists they are on."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Account, Context, Http, Reply, UnreadableReply
from revetl.destinations.marketo import api, find, leads
from revetl.destinations.marketo.auth import MarketoSettings
from revetl.encode import same as alike
from revetl.types import JSON, Effect, RemoteField, RemoteRecord


def account(settings: MarketoSettings) -> Generator[Any, Reply, Account]:
    """Return the instance, once it let us in: credentials are good for the host of their own Munchkin id alone.

    Raises:
        DestinationError: RVT-651, the user of the service may not read people.
    """
    api.expect((yield Http("GET", "/rest/v1/leads/partitions.json", effect=Effect.READ)), "to be read")
    return Account(settings.munchkin_id, settings.munchkin_id)


def read_back(context: Context, identities: Sequence[str]) -> Generator[Any, Any, list[RemoteRecord]]:
    """Return the people of ``identities`` who are there, with the cohorts' lists they are on; of doubles the oldest."""
    wanted = sorted({api.normal(identity) for identity in identities})
    fields = tuple(dict.fromkeys((*context.fields, leads.CONSENT_FIELD)))
    rows = yield from find.people(context.match_field, wanted, fields)
    if isinstance(rows, tuple):
        raise api.refused_error(rows, "to say who is there")
    there: dict[str, dict[str, JSON]] = {}
    for row in sorted(rows, key=lambda row: int(row["id"])):
        there.setdefault(api.normal(row.get(context.match_field)), row)
    lists = yield from _lists(context, [int(there[who]["id"]) for who in wanted if who in there])
    return [_record(who, there[who], context.fields, lists) for who in wanted if who in there]


def _record(who: str, row: dict[str, JSON], fields: Sequence[str], lists: dict[str, set[int]]) -> RemoteRecord:
    record = int(row["id"])
    labels = frozenset(label for label, ids in lists.items() if record in ids)
    # A field that was asked for and is not among the answer is empty.
    return RemoteRecord(
        who,
        str(record),
        {name: row.get(name) for name in fields},
        labels,
        opted_out=row.get(leads.CONSENT_FIELD) is True,
    )


def _lists(context: Context, ids: Sequence[int]) -> Generator[Any, Any, dict[str, set[int]]]:
    """Return label → those of ``ids`` who are on each cohort's list, as far as the lists are known."""
    known = context.prepared.get("cohorts") or context.ids
    found: dict[str, set[int]] = {}
    for name, label in context.cohorts:
        if name in known:
            found[label] = set()
            for at in range(0, len(ids), api.BATCH):
                found[label] |= yield from _members(str(known[name]), ids[at : at + api.BATCH])
    return found


def _members(list_id: str, ids: Sequence[int]) -> Generator[Any, Any, set[int]]:
    path, template = (f"/rest/v1/lists/{one}/leads/ismember.json" for one in (list_id, "{listId}"))
    query = tuple(("id", str(one)) for one in ids)
    reply: Reply = yield Http("GET", path, query=query, effect=Effect.READ, template=template)
    rows = api.expect(reply, "a list's members")
    if len(rows) != len(ids):
        raise UnreadableReply(reply.status, "the answer leaves somebody out")
    return {int(row["id"]) for row in rows if row.get("status") == "memberof"}


def same(field: RemoteField | None, ours: JSON, theirs: JSON) -> bool:
    """Return whether what stands there is what was sent: an empty checkbox is one that is not set."""
    if field is not None and field.type == "boolean":
        ours, theirs = ours or False, theirs or False
    return alike(field, ours, theirs)

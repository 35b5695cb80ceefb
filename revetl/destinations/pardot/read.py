"""What stands in a business unit: its account, its prospects and their lists."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import datetime
from typing import Any

import orjson

from revetl.contract import Account, Context, Http, Reply
from revetl.destinations.pardot import api, fields, finding, lists
from revetl.destinations.pardot.auth import PardotSettings
from revetl.encode import empty
from revetl.types import JSON, Effect, RemoteField, RemoteRecord

_OPT_OUTS = (fields.DO_NOT_EMAIL, "optedOut")


def account(_: PardotSettings) -> Generator[Any, Reply, Account]:
    """Return the account of the business unit.

    Raises:
        DestinationError: RVT-651, the credentials open none.
    """
    query = (("fields", "id,company"),)
    reply = yield Http("GET", "/objects/account", query=query, effect=Effect.READ)
    if not reply.ok:
        raise fields.hidden(reply, "the account")
    found = api.row(reply)
    return Account(str(found["id"]), str(found.get("company") or ""))


def read_back(context: Context, identities: Sequence[str]) -> Generator[Any, Any, list[RemoteRecord]]:
    """Return the prospects of ``identities`` that are there, with the lists they are on: all are listed for it."""
    found = yield from finding.find(identities, (*context.fields, *_OPT_OUTS))
    if isinstance(found, Reply):
        raise fields.hidden(found, "prospects")
    places = context.prepared.get("cohorts") or context.ids
    inside: dict[str, set[str]] = {}
    for name, label in context.cohorts if found else ():
        if name in places:
            members = yield from lists.members(str(places[name]))
            if isinstance(members, Reply):
                raise fields.hidden(members, "a list's members")
            inside[label] = members[0]
    wanted = {finding.normal(identity): identity.strip().lower() for identity in identities}
    return [_record(who, found[key][0], inside) for key, who in wanted.items() if key in found]


def _record(identity: str, row: api.Row, inside: dict[str, set[str]]) -> RemoteRecord:
    number = str(row["id"])
    cohorts = frozenset(label for label, ids in inside.items() if number in ids)
    own = {name: value for name, value in row.items() if name not in ("id", "lastActivityAt", "optedOut")}
    return RemoteRecord(identity, number, own, cohorts, opted_out=any(row.get(name) is True for name in _OPT_OUTS))


def same(field: RemoteField | None, ours: JSON, theirs: JSON) -> bool:
    """Return whether what stands there is what was sent: texts are trimmed there, numbers may come back as texts."""
    if empty(ours) or empty(theirs):
        return empty(ours) and empty(theirs)
    kind = field.type if field is not None else "text"
    if kind == "timestamp":
        return datetime.fromisoformat(str(ours)) == datetime.fromisoformat(str(theirs))
    if kind in ("number", "integer"):
        return float(ours) == float(theirs)
    if kind == "list":
        return set(str(ours).split(";")) == set(str(theirs).split(";"))
    if kind == "boolean":
        return str(ours).lower() == str(theirs).lower()
    return _text(ours) == _text(theirs)


def _text(value: JSON) -> str:
    """Return a value as a custom field keeps it."""
    return value.strip() if isinstance(value, str) else orjson.dumps(value).decode()

"""What stands in a workspace: its people, their attributes and segments."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Account, Context, Http, Reply, UnreadableReply
from revetl.destinations.customerio import api
from revetl.errors import DestinationError
from revetl.types import JSON, Effect, RemoteField, RemoteRecord

_LONGEST = 150  # characters of an attribute's name
_OWN = frozenset({"cio_id", "unsubscribed", "cio_subscription_preferences"})  # Customer.io's, or the person's choice


def account(settings: api.CustomerioSettings) -> Generator[Any, Reply, Account]:
    """Return the workspace's number.

    Raises:
        DestinationError: RVT-651, the keys open no workspace, or one in the other region.
    """
    reply = yield Http("GET", "/api/v1/accounts/region", effect=Effect.READ, cost={"track": 1})
    shown = api.expect(reply, "to show the workspace")
    number, region = shown.get("environment_id"), shown.get("region")
    if not isinstance(number, int):
        raise UnreadableReply(reply.status, "the reply shows no environment_id")
    if region not in (None, settings.region):
        raise DestinationError("RVT-651", f"the workspace is in region {region}", hint=f"set region: {region}")
    return Account(str(number), "")


def discover(context: Context) -> Generator[Any, Any, tuple[RemoteField, ...]]:
    """Return what is mapped: an attribute comes into being with its first value, and has no type.

    Raises:
        DestinationError: RVT-651, a name is too long.
    """
    yield from ()
    long = sorted(name for name in context.fields if len(name) > _LONGEST)
    if long:
        what = f"Customer.io takes names of {_LONGEST} characters at most: {', '.join(long)}"
        raise DestinationError("RVT-651", what, hint="name another `field` in the column's `to`")
    names = dict.fromkeys(("id", "email", *context.fields, *sorted(_OWN)))
    text = ("id", "email")
    return tuple(
        RemoteField(n, "text" if n in text else "any", writable=n not in _OWN, unique=n in text) for n in names
    )


def read_back(context: Context, identities: Sequence[str]) -> Generator[Any, Any, list[RemoteRecord]]:
    """Return the people of ``identities`` that are there, with the cohorts whose segment they are in."""
    found = yield from api.find(identities)
    if isinstance(found, Reply):
        api.expect(found, "to show people")
        raise UnreadableReply(found.status, "people cannot be read")
    ids = context.prepared.get("cohorts") or context.ids
    members: dict[str, set[str]] = {}
    for cohort, label in context.cohorts if found else ():
        if cohort in ids:
            members[label] = yield from _members(str(ids[cohort]))
    return [_record(identity, person, members) for identity, person in found.items()]


def _members(segment: str) -> Generator[Any, Any, set[str]]:
    """Return the ids of everybody in a segment, up to 30,000 a call."""
    found: set[str] = set()
    start = ""
    while True:
        query = (("limit", "30000"), *((("start", start),) if start else ()))
        path, template = f"/v1/segments/{segment}/membership", "/v1/segments/{segment_id}/membership"
        reply = yield api.app("GET", path, query=query, template=template)
        shown = api.expect(reply, "to show who is in a segment")
        rows = shown.get("identifiers")
        if not isinstance(rows, list):
            raise UnreadableReply(reply.status, "the reply shows no identifiers")
        found |= {str(row.get("id")) for row in rows if isinstance(row, dict)}
        start = str(shown.get("next") or "")
        if not start:
            return found


def _record(identity: str, person: api.Person, members: dict[str, set[str]]) -> RemoteRecord:
    attributes, identifiers = person.get("attributes"), person.get("identifiers")
    fields = dict(attributes) if isinstance(attributes, dict) else {}
    cio_id = identifiers.get("cio_id") if isinstance(identifiers, dict) else None
    cohorts = frozenset(label for label, ids in members.items() if identity in ids)
    return RemoteRecord(identity, cio_id, fields, cohorts, opted_out=person.get("unsubscribed") is True)


def same(_: RemoteField | None, ours: JSON, theirs: JSON) -> bool:
    """Return whether ``theirs`` stands for our wire value: everything is read back as text."""
    if ours in (None, "") or theirs in (None, ""):
        return ours in (None, "") and theirs in (None, "")
    if isinstance(ours, str) or not isinstance(theirs, str):
        return bool(ours == theirs) and isinstance(ours, bool) is isinstance(theirs, bool)
    try:
        read: JSON = json.loads(theirs)
    except ValueError:
        return False
    return bool(ours == read) and isinstance(ours, bool) is isinstance(read, bool)

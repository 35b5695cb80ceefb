"""What stands in an account: its number, its properties, its records and their lists."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Account, Context, Http, Reply
from revetl.destinations.hubspot import api
from revetl.destinations.hubspot.api import HubSpotSettings
from revetl.errors import DestinationError
from revetl.types import JSON, Effect, RemoteField, RemoteRecord

_OPTED_OUT = "hs_email_optout"  # "Unsubscribed from all email": a contact's own property, which nobody can set
_MEMBERS_PAGE = 250  # the most that a page of memberships may hold, by the lists guide

# https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide
_TYPES = {"bool": "boolean", "date": "date", "datetime": "timestamp", "number": "number"}


def account(_: HubSpotSettings) -> Generator[Any, Reply, Account]:
    """Return the account that the token opens.

    Raises:
        DestinationError: RVT-651, it opens none.
    """
    found = _expect((yield Http("GET", "/account-info/v3/details", effect=Effect.READ)), "the account")
    return Account(str(found.get("portalId")), str(found.get("uiDomain") or ""))


def _expect(reply: Reply, what: str) -> dict[str, JSON]:
    if not reply.ok:
        code, reason = api.refusal(reply)
        raise DestinationError("RVT-651", f"HubSpot does not show {what}: {code}, {reason}", hint="revetl debug")
    return reply.document()


def discover(context: Context) -> Generator[Any, Reply, tuple[RemoteField, ...]]:
    """Return the properties of the object."""
    reply = yield Http("GET", f"/crm/v3/properties/{context.object}", effect=Effect.READ)
    document = _expect(reply, f"the properties of {context.object}")
    return tuple(property_field(row) for row in api.rows(reply, document, "results"))


def property_field(row: dict[str, JSON]) -> RemoteField:
    """Return the field that a property's definition describes."""
    name, kind = str(row.get("name")), str(row.get("type"))
    fixed = row.get("calculated") is True or (row.get("modificationMetadata") or {}).get("readOnlyValue") is True
    choices = row.get("options") or () if kind == "enumeration" else ()
    return RemoteField(
        name,
        "list" if row.get("fieldType") == "checkbox" else _TYPES.get(kind, "text"),
        str(row.get("label") or ""),
        writable=not fixed,
        options=tuple(str(choice.get("value")) for choice in choices),
        unique=row.get("hasUniqueValue") is True or name == "email",
    )


def read_back(context: Context, identities: Sequence[str]) -> Generator[Any, Any, list[RemoteRecord]]:
    """Return the records of ``identities`` that are there, with the cohorts' lists they are on."""
    wanted = sorted({api.normal(context.match_field, identity) for identity in identities})
    people: dict[str, dict[str, JSON]] = {}
    optout = (_OPTED_OUT,) if context.object == "contacts" else ()
    for at in range(0, len(wanted), api.BATCH * api.SIDE_BY_SIDE):
        some = wanted[at : at + api.BATCH * api.SIDE_BY_SIDE]
        parts = [some[i : i + api.BATCH] for i in range(0, len(some), api.BATCH)]
        replies: tuple[Reply, ...] = yield tuple(
            api.read_call(context.object, context.match_field, part, (*context.fields, *optout)) for part in parts
        )
        for reply in replies:
            _expect(reply, "records")
            people.update(api.by_identity(reply, context.match_field))
    lists = yield from _lists(context) if people else _nothing()
    return [_record(who, people[who], lists) for who in wanted if who in people]


def _nothing() -> Generator[Any, Any, dict[str, set[str]]]:
    yield from ()
    return {}


def _record(identity: str, row: dict[str, JSON], lists: dict[str, set[str]]) -> RemoteRecord:
    record = str(row.get("id"))
    own = {name: "" if value is None else value for name, value in row["properties"].items()}
    own.pop("hs_additional_emails", None)
    out = own.pop(_OPTED_OUT, "") == "true"
    return RemoteRecord(identity, record, own, frozenset(label for label, ids in lists.items() if record in ids), out)


def _lists(context: Context) -> Generator[Any, Any, dict[str, set[str]]]:
    """Return label → record ids of each cohort's list, as far as the lists are known."""
    known = context.prepared.get("cohorts") or context.ids
    found: dict[str, set[str]] = {}
    for name, label in context.cohorts:
        if name in known:
            found[label] = yield from _members(str(known[name]))
    return found


def _members(list_id: str) -> Generator[Any, Any, set[str]]:
    found: set[str] = set()
    after: tuple[tuple[str, str], ...] = ()
    template = "/crm/v3/lists/{listId}/memberships"
    while True:
        query = (("limit", str(_MEMBERS_PAGE)), *after)
        path = f"/crm/v3/lists/{list_id}/memberships"
        reply: Reply = yield Http("GET", path, query=query, effect=Effect.READ, template=template)
        document = _expect(reply, "a list's members")
        found |= {str(row.get("recordId")) for row in api.rows(reply, document, "results")}
        following = ((document.get("paging") or {}).get("next") or {}).get("after")
        if not following:
            return found
        after = (("after", str(following)),)

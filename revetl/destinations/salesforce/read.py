"""What stands in an org: its id, its fields, its records and their cohorts."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import datetime
from typing import Any

from revetl.contract import Account, Context, Http, Reply
from revetl.destinations.salesforce import api, soql
from revetl.destinations.salesforce.auth import SalesforceSettings
from revetl.encode import empty
from revetl.errors import DestinationError
from revetl.types import JSON, Effect, RemoteField, RemoteRecord

# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/field_types.htm
_TYPES = {
    "boolean": "boolean", "date": "date", "datetime": "timestamp", "int": "integer", "long": "integer",
    "double": "number", "currency": "number", "percent": "number", "multipicklist": "list",
}  # fmt: skip
OPT_OUT = "HasOptedOutOfEmail"
_PEOPLE = ("Contact", "Lead")

Members = dict[tuple[str, str], str]  # (campaign id, record id) → id of the membership


def account(_: SalesforceSettings) -> Generator[Any, Any, Account]:
    """Return the org that the credentials open.

    Raises:
        DestinationError: RVT-651, they open none.
    """
    rows = yield from soql.answers([soql.query(soql.select("Organization", "Name"))])
    if isinstance(rows, Reply) or not rows:
        raise _hidden(rows if isinstance(rows, Reply) else Reply(200), "the org")
    return Account(str(rows[0]["Id"]), str(rows[0].get("Name") or ""))


def _hidden(reply: Reply, what: str) -> DestinationError:
    code, reason = api.refusal(reply)
    return DestinationError("RVT-651", f"Salesforce does not show {what}: {code}, {reason}", hint="revetl debug")


def discover(context: Context) -> Generator[Any, Any, tuple[RemoteField, ...]]:
    """Return the fields of the object that the user may see."""
    reply = yield describe(context.object)
    if not reply.ok:
        raise _hidden(reply, f"the fields of {context.object}")
    return tuple(_field(row) for row in reply.document().get("fields") or ())


def describe(kind: str) -> Http:
    """Return the call that asks for an object's fields."""
    return Http("GET", f"/sobjects/{kind}/describe", effect=Effect.READ)


def _field(row: dict[str, JSON]) -> RemoteField:
    kind = str(row.get("type"))
    writable = row.get("createable") is True and row.get("updateable") is True
    choices = row.get("picklistValues") or () if row.get("restrictedPicklist") is True else ()
    whole = kind in ("double", "currency", "percent") and row.get("scale") == 0
    return RemoteField(
        str(row.get("name")),
        "integer" if whole else _TYPES.get(kind, "text"),
        str(row.get("label") or ""),
        writable=writable,
        required=writable and row.get("nillable") is False and row.get("defaultedOnCreate") is not True,
        options=tuple(str(choice.get("value")) for choice in choices if choice.get("active") is True),
        max_length=(row.get("length") or None) if kind not in _TYPES else None,
        unique=row.get("externalId") is True and kind not in _TYPES,
        decimals=int(str(row["scale"])) if _TYPES.get(kind) == "number" and not whole and "scale" in row else None,
    )


def read_back(context: Context, identities: Sequence[str]) -> Generator[Any, Any, list[RemoteRecord]]:
    """Return the records of ``identities`` that are there, with the cohorts they are in."""
    places = context.prepared.get("cohorts") or context.ids
    labels = {str(places[name]): label for name, label in context.cohorts if name in places}
    as_field = context.cohort_style == "field"
    names = (context.match_field, *context.fields, *(labels if as_field else ()))
    rows = yield from _with_opt_out(context, names, identities)
    if isinstance(rows, Reply):
        raise _hidden(rows, "records")
    found = soql.by_identity(rows, context.match_field)
    ids = [str(row["Id"]) for row in found.values()]
    inside: Members = {}
    if labels and ids and not as_field:
        members_found = yield from members(context.object, list(labels), ids)
        if isinstance(members_found, Reply):
            raise _hidden(members_found, "campaign members")
        inside = members_found
    wanted = {api.normal(identity): identity.lower() for identity in identities}
    there = ((wanted[key], row) for key, row in found.items() if key in wanted)
    return [_record(who, row, labels, inside, as_field=as_field) for who, row in there]


def _with_opt_out(
    context: Context, names: Sequence[str], identities: Sequence[str]
) -> Generator[Any, Any, soql.Rows | Reply]:
    """Read records, and of people whether they opted out, where the user may see that."""
    asked = (*names, OPT_OUT) if context.object in _PEOPLE else names
    for wanted in dict.fromkeys((asked, names)):
        start = soql.select(context.object, *wanted)
        rows = yield from soql.answers(soql.lookups(start, context.match_field, identities))
        if not isinstance(rows, Reply) or api.refusal(rows)[0] != "INVALID_FIELD":
            break
    return rows


def _record(
    identity: str, row: dict[str, JSON], labels: dict[str, str], inside: Members, *, as_field: bool
) -> RemoteRecord:
    record = str(row["Id"])
    cohorts = {
        label for place, label in labels.items() if (row.get(place) is True if as_field else (place, record) in inside)
    }
    own = {name: value for name, value in row.items() if name != "attributes"}
    return RemoteRecord(identity, record, own, frozenset(cohorts), opted_out=row.get(OPT_OUT) is True)


def members(kind: str, campaigns: Sequence[str], people: Sequence[str]) -> Generator[Any, Any, Members | Reply]:
    """Return the memberships of ``people`` (ids of records of ``kind``) in ``campaigns``; or the reply that refuses."""
    field = f"{kind}Id"
    places = ", ".join(soql.literal(campaign) for campaign in campaigns)
    start = soql.select("CampaignMember", "CampaignId", field)
    rows = yield from soql.answers(soql.lookups(start, field, people, f" AND CampaignId IN ({places})"))
    if isinstance(rows, Reply):
        return rows
    return {(str(row.get("CampaignId")), str(row.get(field))): str(row["Id"]) for row in rows}


def same(field: RemoteField | None, ours: JSON, theirs: JSON) -> bool:
    """Return whether what stands there is what was sent: Salesforce trims texts, and has no empty ones."""
    if empty(ours) or empty(theirs):
        return empty(ours) and empty(theirs)
    kind = field.type if field is not None else "text"
    if kind == "timestamp":
        return datetime.fromisoformat(str(ours)) == datetime.fromisoformat(str(theirs))
    if kind == "list":
        return set(str(ours).split(";")) == set(str(theirs).split(";"))
    if isinstance(ours, str) and isinstance(theirs, str):
        return ours.strip() == theirs.strip()
    return bool(ours == theirs)

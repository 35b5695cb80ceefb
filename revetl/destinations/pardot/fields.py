"""Fields of a prospect: Account Engagement's own, which no call lists, and custom ones, found and made.

Sources: https://developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5.html (editable fields),
/custom-field-v5.html.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from revetl.contract import Context, Reply, UnreadableReply
from revetl.destinations.pardot import api
from revetl.errors import DestinationError
from revetl.types import Effect, RemoteField

SUFFIX = "__c"  # of a custom field's id where a value is written or read
DO_NOT_EMAIL = "isDoNotEmail"
_TEXTS = (
    "addressOne", "addressTwo", "annualRevenue", "city", "comments", "company", "country", "department", "employees",
    "fax", "firstName", "industry", "jobTitle", "lastName", "notes", "phone", "salutation", "source", "state",
    "territory", "website", "yearsInBusiness", "zip",
)  # fmt: skip
_OTHERS = {"campaignId": "integer", "score": "integer", "userId": "integer"}
_OTHERS |= {"isDoNotCall": "boolean", "isReviewed": "boolean", "isStarred": "boolean"}
_KINDS = {"number": "number", "date": "date", "checkbox": "list", "multiselect": "list"}
_MADE_AS = {"integer": "Number", "number": "Number", "date": "Date", "json": "Textarea", "list": "Textarea"}


def discover(_: Context) -> Generator[Any, Any, tuple[RemoteField, ...]]:
    """Return the fields that can be written, custom ones as ``name__c``."""
    asked = "id,name,fieldId,type,isRequired"
    found = yield from api.pages("custom-fields", asked, {})
    if isinstance(found, Reply):
        raise hidden(found, "the custom fields")
    own: tuple[RemoteField, ...] = (RemoteField("email", unique=True, type="text", required=True),)
    own += tuple(RemoteField(name, "text") for name in _TEXTS)
    own += tuple(RemoteField(name, kind) for name, kind in _OTHERS.items())
    # a column could let people be emailed again who said no there: consent alone writes it
    own += (RemoteField(DO_NOT_EMAIL, "boolean", writable=False),)
    return (*own, *(_custom(row) for row in found if row.get("fieldId")))


def hidden(reply: Reply, what: str) -> DestinationError:
    """Return the error of a read that is refused."""
    code, reason = api.refusal(reply)
    told = f"Account Engagement does not show {what}: {code}, {reason}"
    return DestinationError("RVT-651", told, hint="revetl debug")


def _custom(row: api.Row) -> RemoteField:
    kind = str(row.get("type")).lower().replace(" ", "").replace("-", "")
    name = str(row["fieldId"])
    return RemoteField(
        name if name.endswith(SUFFIX) else f"{name}{SUFFIX}", _KINDS.get(kind, "text"), str(row.get("name") or "")
    )


def create(context: Context, wish: RemoteField) -> Generator[Any, Any, RemoteField]:
    """Make a custom field, unless it is there. There is no boolean and no instant: both become texts.

    Raises:
        DestinationError: RVT-651, Account Engagement refuses it, or the name is no custom field's.
    """
    if not wish.name.endswith(SUFFIX):
        what = f"Account Engagement has no field {wish.name}, and the names of custom fields end in {SUFFIX}"
        raise DestinationError("RVT-651", what, hint=f"map to {wish.name}{SUFFIX} instead")
    known = yield from discover(context)
    there = next((field for field in known if field.name == wish.name), None)
    if there is not None:
        return there
    body = {"name": wish.label or wish.name.removesuffix(SUFFIX), "fieldId": wish.name.removesuffix(SUFFIX)}
    body["type"] = _MADE_AS.get(wish.type, "Text")
    reply: Reply = yield api.write("POST", "custom-fields", body, "id,name,fieldId,type", effect=Effect.ONCE)
    if not reply.ok:
        code, reason = api.refusal(reply)
        told = f"Account Engagement refuses the field {wish.name}: {code}, {reason}"
        raise DestinationError("RVT-651", told, hint="make it there (Admin, Configure Fields), or correct the name")
    made = api.row(reply)
    if not made.get("fieldId"):
        raise UnreadableReply(reply.status, "the body shows no field")
    return _custom(made)

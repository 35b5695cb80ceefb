"""What stands in an audience: the account, its fields, its people."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from revetl.contract import Account, Context, Http, Reply
from revetl.destinations.mailchimp import api
from revetl.destinations.mailchimp.api import MailchimpSettings
from revetl.errors import DestinationError
from revetl.types import JSON, Effect, RemoteField, RemoteRecord

PAGE = 1000  # the most a list may return, by the parameter `count` of the API reference
_MEMBER = ("email_address", "id", "contact_id", "status", "language", "email_type", "vip", "merge_fields", "tags")

# https://mailchimp.com/developer/marketing/api/list-merges/ ; a birthday is MM/DD, an address an object
_TYPES = {"number": "number", "date": "date", "address": "json"}
_TEXT = 255  # characters of a text merge field: https://mailchimp.com/help/manage-audience-signup-form-fields/
_RESERVED = (
    RemoteField("email_address", "text", "Email address", required=True, unique=True),
    RemoteField("language", "text", "Language"),
    RemoteField("email_type", "text", "Email type", options=("html", "text")),
    RemoteField("vip", "boolean", "VIP"),
)


def account(settings: MailchimpSettings) -> Generator[Any, Reply, Account]:
    """Return account and audience: an audience is what a snapshot speaks of.

    Raises:
        DestinationError: RVT-651, the key opens no account or the audience is not there.
    """
    query = (("fields", "account_id,account_name"),)
    root = yield Http("GET", "/", query=query, effect=Effect.READ, template="/")
    owner = _expect(root, "the account")
    audience = _expect((yield api.list_call(settings, "GET", "", fields="id,name")), f"audience {settings.list_id}")
    return Account(
        f"{owner.get('account_id')}/{settings.list_id}", f"{owner.get('account_name')}: {audience.get('name')}"
    )


def _expect(reply: Reply, what: str) -> dict[str, JSON]:
    if not reply.ok:
        code, reason = api.refusal(reply)
        raise DestinationError("RVT-651", f"Mailchimp does not show {what}: {code}, {reason}", hint="revetl debug")
    return reply.document()


def discover(context: Context) -> Generator[Any, Any, tuple[RemoteField, ...]]:
    """Return the member's own fields and the audience's merge fields."""
    found = yield from pages(
        lambda at: api.list_call(context.settings, "GET", "/merge-fields", count=str(PAGE), offset=str(at)),
        "merge_fields",
    )
    return (*_RESERVED, *(merge_field(row) for row in found))


def merge_field(row: dict[str, JSON]) -> RemoteField:
    """Return the field that a merge field's definition describes."""
    options = row.get("options") or {}
    return RemoteField(
        str(row.get("tag")),
        _TYPES.get(str(row.get("type")), "text"),
        str(row.get("name") or ""),
        required=row.get("required") is True,
        options=tuple(str(choice) for choice in options.get("choices") or ()),
        max_length=_TEXT if row.get("type") == "text" else None,
    )


def read_back(context: Context, identities: Sequence[str]) -> Generator[Any, Any, list[RemoteRecord]]:
    """Return the people of ``identities`` who are there; the archived are not.

    Reads the whole audience where that takes fewer calls than one for each identity.
    """
    wanted = {api.normal(identity) for identity in identities}
    if not wanted:
        return []
    query = {"count": str(PAGE), "fields": ",".join(["total_items", *(f"members.{name}" for name in _MEMBER)])}
    first = yield api.list_call(context.settings, "GET", "/members", offset="0", **query)
    total = int(_expect(first, "its members").get("total_items") or 0)
    if total > PAGE * (len(wanted) + 1):
        found = yield from _one_by_one(context.settings, sorted(wanted))
    else:
        found = yield from pages(
            lambda at: api.list_call(context.settings, "GET", "/members", offset=str(at), **query), "members", first
        )
    people = [_record(row) for row in found if row.get("status") != "archived"]
    return [person for person in people if person.identity in wanted]


def _one_by_one(settings: MailchimpSettings, wanted: Sequence[str]) -> Generator[Any, Any, list[dict[str, JSON]]]:
    found: list[dict[str, JSON]] = []
    for at in range(0, len(wanted), api.SIDE_BY_SIDE):
        some = wanted[at : at + api.SIDE_BY_SIDE]
        replies: tuple[Reply, ...] = yield tuple(api.member_call(settings, "GET", address) for address in some)
        found += [_expect(reply, "a member") for reply in replies if reply.status != 404]
    return found


def _record(row: dict[str, JSON]) -> RemoteRecord:
    own: dict[str, JSON] = {
        name: row[name] for name in ("email_address", "language", "email_type", "vip") if name in row
    }
    return RemoteRecord(
        api.normal(row.get("email_address")),
        api.remote_id(row),
        {**(row.get("merge_fields") or {}), **own},
        frozenset(str(tag.get("name")) for tag in row.get("tags") or ()),
        row.get("status") in ("unsubscribed", "cleaned"),
    )


def pages(
    call: Callable[[int], Http], name: str, first: Reply | None = None
) -> Generator[Any, Any, list[dict[str, JSON]]]:
    """Return all rows of a list that is read in pages; ``call(offset)`` asks for one. The first page counts them.

    Raises:
        DestinationError: RVT-651, a page is refused.
        UnreadableReply: a page is not what the API reference says.
    """
    reply: Reply = first or (yield call(0))
    document = _expect(reply, name)
    found = api.rows(reply, document, name)
    offsets = range(PAGE, int(document.get("total_items") or 0), PAGE)
    for at in range(0, len(offsets), api.SIDE_BY_SIDE):
        more: tuple[Reply, ...] = yield tuple(call(offset) for offset in offsets[at : at + api.SIDE_BY_SIDE])
        for page in more:
            found = found + api.rows(page, _expect(page, name), name)
    return found

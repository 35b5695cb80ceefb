"""What stands in a workspace: itself, its contacts and companies with their tags."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Account, Context, Reply
from revetl.destinations.intercom import api, companies, fields, find, links
from revetl.destinations.intercom.api import IntercomSettings, expect
from revetl.encode import same as same_value
from revetl.errors import DestinationError
from revetl.types import JSON, RemoteField, RemoteRecord


def account(_: IntercomSettings) -> Generator[Any, Reply, Account]:
    """Return the workspace that the token opens.

    Raises:
        DestinationError: RVT-651, it opens none.
    """
    app = expect((yield api.call("GET", "/me")), "the workspace").get("app")
    if not isinstance(app, dict) or not app.get("id_code"):
        raise DestinationError("RVT-651", "Intercom names no workspace for this token", hint="revetl debug")
    return Account(str(app["id_code"]), str(app.get("name") or ""))


def same(field: RemoteField | None, ours: JSON, theirs: JSON) -> bool:
    """Return whether Intercom's value stands for ours: it keeps addresses in lower case."""
    if field is not None and field.name == "email" and isinstance(ours, str) and isinstance(theirs, str):
        return ours.strip().lower() == theirs.strip().lower()
    return same_value(field, ours, theirs)


def read_back(context: Context, identities: Sequence[str]) -> Generator[Any, Any, list[RemoteRecord]]:
    """Return the records of ``identities`` that are there; the archived are not, nor who shares an identity."""
    if context.object == "company":
        return (yield from _companies(context, identities))
    wanted = list(dict.fromkeys(find.normal(context.match_field, identity) for identity in identities))
    people = yield from find.search(context.match_field, wanted)
    if isinstance(people, Reply):
        expect(people, "its contacts")
        return []
    chosen: dict[str, dict[str, JSON]] = {}
    for who, contacts in people.items():
        users = [contact for contact in contacts if contact.get("role") == "user"]
        usable = users or (contacts if context.object == "lead" else [])
        if len(usable) == 1 and who in wanted:
            chosen[who] = usable[0]
    contacts = list(chosen.values())
    tags = yield from _held(contacts, "tags")
    linked = (yield from _held(contacts, "companies")) if links.COMPANY in context.fields else {}
    there = ((who, chosen[who], str(chosen[who]["id"])) for who in wanted if who in chosen)
    return [_record(context, who, row, tags[number], linked.get(number)) for who, row, number in there]


def _held(contacts: Sequence[dict[str, JSON]], what: str) -> Generator[Any, Any, dict[str, set[str]]]:
    """Return by contact the ids of its tags or companies; a contact shows the first ten, and whether there are more."""
    found: dict[str, set[str]] = {}
    more = []
    for contact in contacts:
        shown = contact.get(what)
        listed = shown if isinstance(shown, dict) else {}
        found[str(contact["id"])] = _ids(listed.get("data"))
        if listed.get("has_more") is True:
            more.append(str(contact["id"]))
    for group in api.chunks(more):
        replies: tuple[Reply, ...] = yield tuple(api.contact_call("GET", who, f"/{what}") for who in group)
        for who, reply in zip(group, replies, strict=True):
            found[who] = _ids(expect(reply, f"a contact's {what}").get("data"))
    return found


def _ids(rows: JSON) -> set[str]:
    return {str(row.get("id")) for row in rows if isinstance(row, dict)} if isinstance(rows, list) else set()


def _labels(context: Context) -> dict[str, str]:
    known = context.prepared.get("cohorts") or context.ids
    return {str(known[name]): label for name, label in context.cohorts if name in known}


def _record(
    context: Context, identity: str, row: dict[str, JSON], tags: set[str], linked: set[str] | None = None
) -> RemoteRecord:
    labels = _labels(context)
    own = fields.flat(context.object, row)
    return RemoteRecord(
        identity,
        str(row["id"]),
        own if linked is None else {**own, links.COMPANY: sorted(linked)},
        frozenset(labels[tag] for tag in tags if tag in labels),
        row.get("unsubscribed_from_emails") is True,
    )


def _companies(context: Context, identities: Sequence[str]) -> Generator[Any, Any, list[RemoteRecord]]:
    found: list[RemoteRecord] = []
    for group in api.chunks(list(dict.fromkeys(identities))):
        replies: tuple[Reply, ...] = yield tuple(companies.by_company_id(identity) for identity in group)
        for identity, reply in zip(group, replies, strict=True):
            if reply.status != 404:
                expect(reply, "a company")
                row = companies.row(reply)
                tags = row.get("tags")
                if companies.found_id(reply):
                    worn = _ids(tags.get("tags") if isinstance(tags, dict) else None)
                    found.append(_record(context, identity, row, worn))
    return found

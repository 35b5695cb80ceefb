"""Single contacts: add, change, archive, erase, list, tag (``/lists/{list_id}/members``)."""

from __future__ import annotations

from collections.abc import Mapping

from revetl.sandbox.core import Sandbox
from revetl.sandbox.mailchimp import checks, queries
from revetl.sandbox.mailchimp.audience import Audience, Member
from revetl.sandbox.mailchimp.checks import Refused
from revetl.sandbox.mailchimp.problems import bad, misshapen, problem
from revetl.sandbox.wire import NO_CONTENT, Answer, RefusedError, Request, answer
from revetl.types import JSON


def listing(box: Sandbox, request: Request, list_id: str) -> Answer:
    """GET members: all of them, archived too, or those of one ``status``."""
    audience = Audience.of(box, list_id)
    wanted = request.params.get("status")
    if wanted not in (None, *checks.STATUSES, "archived"):
        raise misshapen("status", f"Value must be one of: {', '.join(checks.STATUSES)}, archived")
    found = [one for one in audience.members() if wanted in (None, one["status"])]
    page = [audience.shown(one) for one in queries.page(request, found)]
    return queries.reply(request, {"members": page, "list_id": list_id, "total_items": len(found)})


def single(box: Sandbox, request: Request, list_id: str, key: str) -> Answer:
    """GET one member by hash, address or contact id."""
    audience = Audience.of(box, list_id)
    return queries.reply(request, audience.shown(audience.require(key)))


def add(box: Sandbox, request: Request, list_id: str) -> Answer:
    """POST members: 400 Member Exists unless the address is new or archived."""
    audience = Audience.of(box, list_id)
    given = checks.shape(request.json())
    member = audience.find(_email(given))
    if member is not None and member["status"] != "archived":
        raise _exists(given["email_address"])
    if "status" not in given:
        raise misshapen("status", "This value should not be blank.")
    return _write(audience, request, member, given, given["status"])


def put(box: Sandbox, request: Request, list_id: str, key: str) -> Answer:
    """PUT a member: adds it (``email_address`` and ``status_if_new`` needed) or changes it."""
    audience = Audience.of(box, list_id)
    given = checks.shape(request.json())
    member = audience.find(key)
    wanted = given.get("status")
    if member is None:
        _email(given)
        wanted = wanted or given.get("status_if_new")
        if wanted is None:
            raise misshapen("status_if_new", "This value should not be blank.")
    return _write(audience, request, member, given, wanted)


def patch(box: Sandbox, request: Request, list_id: str, key: str) -> Answer:
    """PATCH a member that exists."""
    audience = Audience.of(box, list_id)
    given = checks.shape(request.json())
    return _write(audience, request, audience.require(key), given, given.get("status"))


def _email(given: Mapping[str, JSON]) -> str:
    email: str = given.get("email_address", "")
    if not email:
        raise misshapen("email_address", "This value should not be blank.")
    return email


def _write(
    audience: Audience, request: Request, member: Member | None, given: Mapping[str, JSON], wanted: str | None
) -> Answer:
    email = given.get("email_address") or (member["email_address"] if member else "")
    holder = audience.find(email)
    if holder is not None and holder is not member:
        raise _exists(email)
    skip = request.params.get("skip_merge_validation") == "true"
    refused = (
        (checks.address(audience, email) if holder is None else None)
        or checks.status(member, wanted)
        or checks.merge(audience, member, given.get("merge_fields", {}), skip=skip)
    )
    if refused is not None:
        raise _refusal(refused)
    if member is None:
        member = audience.create(email)
    elif email != member["email_address"]:
        audience.rename(member, email)
    checks.write(audience, member, given, wanted)
    for name in given.get("tags", []):
        _tag(audience, member, name)
    return answer(200, audience.shown(member))


def _refusal(refused: Refused) -> RefusedError:
    errors = [{"field": refused.field, "message": refused.told or refused.detail}] if refused.field else []
    return problem(400, refused.title, refused.detail, errors)


def _exists(email: str) -> RefusedError:
    return bad(f"{email} is already a list member. Use PUT to insert or update list members.", "Member Exists")


def archive(box: Sandbox, _request: Request, list_id: str, key: str) -> Answer:
    """DELETE a member: 204; 405 where it is pending, bounced or archived already."""
    member = Audience.of(box, list_id).require(key)
    if member["status"] in ("archived", "cleaned", "pending"):
        what = "This list member cannot be removed: cannot archive a contact that is bounced, pending or archived."
        raise problem(405, "Method Not Allowed", what)
    member["archived_from"], member["status"] = member["status"], "archived"
    return NO_CONTENT


def erase(box: Sandbox, _request: Request, list_id: str, key: str) -> Answer:
    """POST actions/delete-permanent: 204; the address can never be imported again."""
    audience = Audience.of(box, list_id)
    audience.erase(audience.require(key))
    return NO_CONTENT


def tags(box: Sandbox, request: Request, list_id: str, key: str) -> Answer:
    """GET the tags of a member."""
    audience = Audience.of(box, list_id)
    found = audience.tags(audience.require(key))
    shown = {"tags": queries.page(request, found), "total_items": len(found)}
    return queries.reply(request, shown)


def change_tags(box: Sandbox, request: Request, list_id: str, key: str) -> Answer:
    """POST tags ``{"tags": [{"name", "status": "active" | "inactive"}]}``: 204; unknown active ones are made."""
    audience = Audience.of(box, list_id)
    member = audience.require(key)
    body = request.json()
    given = body.get("tags") if isinstance(body, dict) else None
    if not isinstance(given, list):
        raise misshapen("tags", "Schema describes array")
    for one in given:
        if not isinstance(one, dict) or not isinstance(one.get("name"), str) or not one["name"]:
            raise misshapen("tags.name", "This value should not be blank.")
        if one.get("status") not in ("active", "inactive"):
            raise misshapen("tags.status", "Value must be one of: active, inactive")
    for one in given:
        if one["status"] == "active":
            _tag(audience, member, one["name"])
        elif (segment := audience.segment(one["name"])) is not None:
            segment["members"].pop(member["contact_id"], None)
    return NO_CONTENT


def _tag(audience: Audience, member: Member, name: str) -> None:
    segment = audience.segment(name) or audience.new_segment(name)
    segment["members"][member["contact_id"]] = audience.at

"""Tags as static segments (``/lists/{list_id}/segments``), and the search for tags by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from revetl.sandbox.core import Sandbox
from revetl.sandbox.mailchimp import queries
from revetl.sandbox.mailchimp.audience import Audience, Member
from revetl.sandbox.mailchimp.problems import bad, misshapen, not_found
from revetl.sandbox.wire import NO_CONTENT, Answer, Request, answer
from revetl.types import JSON

MOST_CHANGED = 500  # addresses to add, and addresses to remove
# What a public end-to-end test of a client met, with the option ``segment_errors``:
NOBODY = "None of the emails provided were subscribed to the list"
ALREADY_IN = "Email addresses already exist in the static segment"
NOT_IN = "Email addresses do not exist in the static segment"


def _found(audience: Audience, number: str) -> dict[str, JSON]:
    one = audience.segments.get(number)
    if one is None:
        raise not_found()
    return one


def _shown(audience: Audience, one: dict[str, JSON]) -> dict[str, JSON]:
    told = {name: one[name] for name in ("id", "name", "created_at", "updated_at")}
    return {**told, "member_count": len(one["members"]), "type": "static", "list_id": audience.store["id"]}


def _emails(given: JSON, name: str) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise misshapen(name, "Schema describes array of strings")
    return given


def _known(audience: Audience, emails: Sequence[str], name: str) -> list[Member]:
    """Return the contacts of the audience among ``emails``, each once; the others are ignored."""
    found = (audience.find(one) for one in emails)
    known = {one["contact_id"]: one for one in found if one is not None and one["status"] != "archived"}
    if emails and not known and audience.box.options["segment_errors"]:
        raise misshapen(name, NOBODY)
    return list(known.values())


def _name(audience: Audience, given: JSON, but: JSON = None) -> str:
    if not isinstance(given, str) or not given.strip():
        raise misshapen("name", "This value should not be blank.")
    if audience.segment(given) not in (None, but):
        raise bad("Sorry, that tag already exists.", "Bad Request")
    return given


def listing(box: Sandbox, request: Request, list_id: str) -> Answer:
    """GET segments, by ``type`` where asked; all there are here are static."""
    audience = Audience.of(box, list_id)
    kind = request.params.get("type", "static")
    found = [_shown(audience, one) for one in audience.segments.values()] if kind == "static" else []
    shown = {"segments": queries.page(request, found), "list_id": list_id, "total_items": len(found)}
    return queries.reply(request, shown)


def search(box: Sandbox, request: Request, list_id: str) -> Answer:
    """GET tag-search: tags whose name begins with ``name``, whatever the case; all without it."""
    wanted = request.params.get("name", "").casefold()
    found = Audience.of(box, list_id).segments.values()
    tags = [{"id": one["id"], "name": one["name"]} for one in found if one["name"].casefold().startswith(wanted)]
    return answer(200, {"tags": tags, "total_items": len(tags)})


def create(box: Sandbox, request: Request, list_id: str) -> Answer:
    """POST segments ``{name, static_segment: [address]}``; addresses outside the audience are ignored."""
    audience = Audience.of(box, list_id)
    given = request.json()
    if not isinstance(given, dict) or "static_segment" not in given:
        raise bad("The stand-in makes static segments only: send static_segment.")
    name = _name(audience, given.get("name"))
    members = _known(audience, _emails(given["static_segment"], "static_segment"), "static_segment")
    made = audience.new_segment(name)
    made["members"].update({one["contact_id"]: audience.at for one in members})
    return answer(200, _shown(audience, made))


def single(box: Sandbox, request: Request, list_id: str, number: str) -> Answer:
    """GET one segment."""
    audience = Audience.of(box, list_id)
    return queries.reply(request, _shown(audience, _found(audience, number)))


def patch(box: Sandbox, request: Request, list_id: str, number: str) -> Answer:
    """PATCH a segment's ``name``, or the whole of its ``static_segment`` (an empty one removes everybody)."""
    audience = Audience.of(box, list_id)
    one, given = _found(audience, number), request.json()
    if not isinstance(given, dict):
        raise misshapen("", "Schema describes object")
    name = _name(audience, given["name"], one) if "name" in given else one["name"]
    if "static_segment" in given:
        members = _known(audience, _emails(given["static_segment"], "static_segment"), "static_segment")
        one["members"] = {member["contact_id"]: audience.at for member in members}
    one["name"], one["updated_at"] = name, audience.at
    return answer(200, _shown(audience, one))


def delete(box: Sandbox, _request: Request, list_id: str, number: str) -> Answer:
    """DELETE a segment, which removes the tag from everybody: 204."""
    audience = Audience.of(box, list_id)
    _found(audience, number)
    del audience.segments[number]
    return NO_CONTENT


def change(box: Sandbox, request: Request, list_id: str, number: str) -> Answer:
    """POST a segment ``{members_to_add, members_to_remove}``, at most 500 addresses each.

    Addresses outside the audience are ignored [specification]. How a change that is there already is answered is not
    documented: by silence, or, where the option ``repeats_listed`` is on, an addition is told as done once more. With
    ``segment_errors`` it is an error by address, and a list that knows nobody of the audience refuses the call (400).
    """
    audience = Audience.of(box, list_id)
    one, given = _found(audience, number), request.json()
    if not isinstance(given, dict):
        raise misshapen("", "Schema describes object")
    asked = {name: _emails(given.get(name, []), name) for name in ("members_to_add", "members_to_remove")}
    if max(map(len, asked.values())) > MOST_CHANGED:
        raise bad(f"At most {MOST_CHANGED} members can be sent.")
    adding, removing = (_known(audience, emails, name) for name, emails in asked.items())
    held, repeats = one["members"], box.options["repeats_listed"]
    added, there = _parted(adding, lambda who: repeats or who["contact_id"] not in held)
    held.update({who["contact_id"]: audience.at for who in added})
    removed, absent = _parted(removing, lambda who: held.pop(who["contact_id"], None) is not None)
    one["updated_at"] = audience.at
    refused = ((there, ALREADY_IN), (absent, NOT_IN)) if box.options["segment_errors"] else ()
    errors = [_error(who, why) for who, why in refused if who]
    return _changed(audience, added, removed, errors)


def _parted(people: Sequence[Member], does: Callable[[Member], bool]) -> tuple[list[Member], list[Member]]:
    marked = [(who, does(who)) for who in people]
    return [who for who, mark in marked if mark], [who for who, mark in marked if not mark]


def _error(people: Sequence[Member], why: str) -> JSON:
    return {"email_addresses": [who["email_address"] for who in people], "error": why}


def _changed(audience: Audience, added: Sequence[Member], removed: Sequence[Member], errors: list[JSON]) -> Answer:
    told: dict[str, JSON] = {"members_added": [audience.shown(one) for one in added]}
    told |= {"members_removed": [audience.shown(one) for one in removed], "errors": errors}
    return answer(200, {**told, "total_added": len(added), "total_removed": len(removed), "error_count": len(errors)})


def members(box: Sandbox, request: Request, list_id: str, number: str) -> Answer:
    """GET the members of a segment."""
    audience = Audience.of(box, list_id)
    held = _found(audience, number)["members"]
    found = [one for one in audience.members() if one["contact_id"] in held and one["status"] != "archived"]
    page = [audience.shown(one) for one in queries.page(request, found)]
    return queries.reply(request, {"members": page, "total_items": len(found)})

"""The endpoints of contacts, apart from search: made, read, changed, archived, deleted, merged, attached."""

from __future__ import annotations

from revetl.sandbox.core import Sandbox
from revetl.sandbox.intercom import companies
from revetl.sandbox.intercom.errors import bad, error, invalid, lacking, no_company, no_user
from revetl.sandbox.intercom.people import Contact, People, reference
from revetl.sandbox.wire import Answer, Request, answer

MOST_COMPANIES = 1000  # of one contact


def create(box: Sandbox, request: Request) -> Answer:
    """POST /contacts: 200, or 409 where a user's identity is held by a user, archived or not."""
    people = People(box)
    given = request.json()
    clean = people.check(given)
    if not any(clean.get(name) for name in ("email", "external_id", "role")):
        raise lacking("one of email, external_id or role is required")
    return answer(200, people.shown(people.create(clean)))


def single(box: Sandbox, _request: Request, number: str) -> Answer:
    """GET /contacts/{id}; who is archived, deleted or merged is not found."""
    people = People(box)
    return answer(200, people.shown(people.require(number)))


def by_external_id(box: Sandbox, _request: Request, external_id: str) -> Answer:
    """GET /contacts/find_by_external_id/{external_id}: users only."""
    people = People(box)
    for one in people.all.values():
        if one["state"] == "active" and one["role"] == "user" and one["external_id"] == external_id:
            return answer(200, people.shown(one))
    raise no_user()


def update(box: Sandbox, request: Request, number: str) -> Answer:
    """PUT /contacts/{id}: any part of a contact."""
    people = People(box)
    one = people.require(number)
    people.update(one, people.check(request.json()))
    return answer(200, people.shown(one))


def archive(box: Sandbox, _request: Request, number: str) -> Answer:
    """POST /contacts/{id}/archive: it keeps its identity, and nobody finds it."""
    people = People(box)
    one = people.require(number)
    _leave(people, one, "archived")
    return answer(200, reference(one, archived=True))


def unarchive(box: Sandbox, _request: Request, number: str) -> Answer:
    """POST /contacts/{id}/unarchive: 400 where it was deleted."""
    people = People(box)
    one = people.all.get(number)
    if one is None or one["state"] == "merged":
        raise no_user()
    if one["state"] == "deleted":
        raise error(400, "client_error", "Contact is marked for permanent deletion and is not restorable")
    one["state"] = "active"
    people.index(one)
    return answer(200, reference(one, archived=False))


def delete(box: Sandbox, _request: Request, number: str) -> Answer:
    """DELETE /contacts/{id}, archived or not: for good; its identity is free again after some days."""
    people = People(box)
    one = people.all.get(number)
    if one is None or one["state"] not in ("active", "archived"):
        raise no_user()
    one["deleted_at"] = box.now()
    _leave(people, one, "deleted")
    return answer(200, reference(one, deleted=True))


def _leave(people: People, one: Contact, state: str) -> None:
    one["state"] = state
    people.index(one)


def merge(box: Sandbox, request: Request) -> Answer:
    """POST /contacts/merge ``{from, into}``: a lead ends in a user, with its tags and companies."""
    people = People(box)
    given = request.json()
    if not isinstance(given, dict) or not all(isinstance(given.get(name), str) for name in ("from", "into")):
        raise lacking("from and into are required")
    lead, user = people.require(given["from"]), people.require(given["into"])
    if (lead["role"], user["role"]) != ("lead", "user"):
        raise invalid("only a lead can be merged, and only into a user")
    for name in ("tags", "companies"):
        user[name] = list(dict.fromkeys([*user[name], *lead[name]]))
    _leave(people, lead, "merged")
    return answer(200, people.shown(user))


# --- companies of a contact -------------------------------------------------------------------------------------------


def attach(box: Sandbox, request: Request, number: str) -> Answer:
    """POST /contacts/{id}/companies ``{"id": company}``, by Intercom's id; a repeat changes nothing."""
    one = People(box).require(number)
    given = request.json()
    if not isinstance(given, dict) or not isinstance(given.get("id"), str):
        raise lacking("company not specified")
    for name in given.keys() - {"id"}:
        raise bad(name)
    company = companies.require(box, given["id"])
    if company["id"] not in one["companies"]:
        if len(one["companies"]) >= MOST_COMPANIES:
            most = f"Contact has reached the maximum of {MOST_COMPANIES} company associations"
            raise error(400, "contact_company_limit_exceeded", most)
        one["companies"].append(company["id"])
    return answer(200, companies.shown(box, company))


def detach(box: Sandbox, _request: Request, number: str, company_id: str) -> Answer:
    """DELETE /contacts/{id}/companies/{company}: 404 where either is not there, or not attached."""
    one = People(box).require(number)
    company = companies.require(box, company_id)
    if company_id not in one["companies"]:
        raise no_company()
    one["companies"].remove(company_id)
    return answer(200, companies.shown(box, company))


def attached(box: Sandbox, _request: Request, number: str) -> Answer:
    """GET /contacts/{id}/companies."""
    one = People(box).require(number)
    found = [companies.shown(box, companies.require(box, company)) for company in one["companies"]]
    pages = {"type": "pages", "next": None, "page": 1, "per_page": 50, "total_pages": 1}
    return answer(200, {"type": "list", "data": found, "pages": pages, "total_count": len(found)})

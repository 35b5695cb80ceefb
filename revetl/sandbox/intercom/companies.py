"""Companies (``/companies``): found or made by ``company_id``, which never changes; a deletion archives."""

from __future__ import annotations

from revetl.sandbox.core import Sandbox
from revetl.sandbox.intercom import attributes
from revetl.sandbox.intercom.errors import bad, invalid, lacking, no_company
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

Company = dict[str, JSON]

MOST_SPEND = 2**31 - 1
_TYPES = {"name": "string", "plan": "string", "website": "string", "industry": "string", "size": "integer",
          "monthly_spend": "integer", "remote_created_at": "date"}  # fmt: skip


def require(box: Sandbox, number: str) -> Company:
    """Return a company by Intercom's id; 404 where there is none."""
    found = box.store["companies"].get(number)
    if found is None or found["archived"]:
        raise no_company()
    company: Company = found
    return company


def by_company_id(box: Sandbox, company_id: JSON) -> Company | None:
    """Return a company by the id that its owner gave it."""
    rows = box.store["companies"].values()
    return next((one for one in rows if one["company_id"] == company_id and not one["archived"]), None)


def shown(box: Sandbox, one: Company) -> Company:
    """Return a company as the API shows it."""
    tags = [box.store["tags"][number] for number in one["tags"]]
    people = [c for c in box.store["contacts"].values() if c["state"] == "active" and one["id"] in c["companies"]]
    kept = {name: value for name, value in one.items() if name != "archived"}
    plan = {"type": "plan", "id": one["plan"], "name": one["plan"]} if one["plan"] else {}
    custom = {name: value for name, value in one["custom_attributes"].items() if value is not None}
    told = {"type": "company", **kept, "app_id": box.options["workspace"], "plan": plan, "user_count": len(people)}
    listed = [{"type": "tag", "id": tag["id"], "name": tag["name"]} for tag in tags]
    return {**told, "custom_attributes": custom, "tags": {"type": "tag.list", "tags": listed}}


def _check(box: Sandbox, given: JSON, allowed: set[str]) -> Company:
    if not isinstance(given, dict):
        raise invalid("the body is not an object")
    for name in given.keys() - allowed:
        raise bad(name)
    for name, kind in _TYPES.items():
        value = given.get(name)
        if value is not None and not attributes.is_of(kind, value):
            raise invalid(f"{name} must be of type {kind}")
    if (given.get("monthly_spend") or 0) > MOST_SPEND:
        raise invalid(f"monthly_spend must be at most {MOST_SPEND}")
    custom = attributes.checked(box, "company", given.get("custom_attributes"))
    return {**{name: value for name, value in given.items() if name in _TYPES}, "custom_attributes": custom}


def upsert(box: Sandbox, request: Request) -> Answer:
    """POST /companies: the company of that ``company_id`` is updated, or made; the answer does not say which."""
    given = request.json()
    clean = _check(box, given, {"company_id", "custom_attributes", *_TYPES})
    company_id = given.get("company_id")
    if not isinstance(company_id, str) or not 0 < len(company_id) <= attributes.MOST_CHARACTERS:
        raise lacking("company_id must be a string")
    one = by_company_id(box, company_id)
    if one is None:
        box.store["next_number"] += 1
        number = f"{box.store['next_number']:024x}"
        one = {"id": number, "company_id": company_id, "archived": False, **dict.fromkeys(_TYPES)}
        one |= {"custom_attributes": {}, "tags": [], "created_at": int(box.now()), "session_count": 0}
        box.store["companies"][number] = one
    _write(box, one, clean)
    return answer(200, shown(box, one))


def _write(box: Sandbox, one: Company, clean: Company) -> None:
    one["custom_attributes"] |= clean.pop("custom_attributes")
    one |= clean
    one["updated_at"] = int(box.now())


def find(box: Sandbox, request: Request) -> Answer:
    """GET /companies by ``company_id`` or ``name``: the company itself; 404 where there is none."""
    if "company_id" in request.params:
        one = by_company_id(box, request.params["company_id"])
    elif "name" in request.params:
        rows = box.store["companies"].values()
        one = next((c for c in rows if c["name"] == request.params["name"] and not c["archived"]), None)
    else:
        raise lacking("the stand-in finds companies by company_id or name")
    if one is None:
        raise no_company()
    return answer(200, shown(box, one))


def single(box: Sandbox, _request: Request, number: str) -> Answer:
    """GET /companies/{id}."""
    return answer(200, shown(box, require(box, number)))


def update(box: Sandbox, request: Request, number: str) -> Answer:
    """PUT /companies/{id}; ``company_id`` and ``remote_created_at`` are not among what it takes."""
    one = require(box, number)
    _write(box, one, _check(box, request.json(), {"custom_attributes", *_TYPES} - {"remote_created_at"}))
    return answer(200, shown(box, one))


def delete(box: Sandbox, _request: Request, number: str) -> Answer:
    """DELETE /companies/{id}: archived, and its contacts detached."""
    one = require(box, number)
    one["archived"] = True
    for contact in box.store["contacts"].values():
        contact["companies"] = [company for company in contact["companies"] if company != number]
    return answer(200, {"id": number, "object": "company", "deleted": True})


def contacts(box: Sandbox, _request: Request, number: str) -> Answer:
    """GET /companies/{id}/contacts: who is attached, in short."""
    require(box, number)
    rows = [c for c in box.store["contacts"].values() if c["state"] == "active" and number in c["companies"]]
    found = [{"type": "contact", "id": c["id"], "role": c["role"], "email": c["email"]} for c in rows]
    return answer(200, {"type": "list", "data": found, "total_count": len(found)})

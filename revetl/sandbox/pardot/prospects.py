"""``/objects/prospects``: read by id or listed by ids, never looked for by address; deleted ones lie in a recycle bin.

Source: https://developer.salesforce.com/docs/marketing/pardot/guide/prospect-v5.html. Option: ``shared``, whether
several prospects may have one address (AMPSEA). Strict where the page is silent: an address in the recycle bin cannot
be taken.
"""

from __future__ import annotations

from collections.abc import Mapping

from revetl.sandbox.core import Sandbox
from revetl.sandbox.pardot import schema, tables
from revetl.sandbox.pardot.errors import NO_ADDRESS, NO_PROSPECT, TAKEN, invalid, refuse
from revetl.sandbox.pardot.tables import Row
from revetl.sandbox.wire import NO_CONTENT, Answer, Request, answer
from revetl.types import JSON

_UPSERT = frozenset({"matchEmail", "prospect", "secondaryDeletedSearch", "fields"})


def find(box: Sandbox, email: str, *, deleted: bool = False) -> list[Row]:
    """Return the prospects of an address that are there (or in the recycle bin), whoever was last active first."""
    rows = (box.store["prospects"][str(number)] for number in box.store["addresses"].get(email, ()))
    found = [row for row in rows if row["isDeleted"] is deleted]
    return sorted(found, key=lambda row: (row["lastActivityAt"] or "", row["id"]), reverse=True)


def get(box: Sandbox, number: str) -> Row:
    """Return a prospect that is there, for a write."""
    row: Row | None = box.store["prospects"].get(number)
    if row is None or row["isDeleted"]:
        raise refuse(404, NO_PROSPECT, "Invalid prospect ID")
    return row


def put(box: Sandbox, row: Row, told: Mapping[str, JSON]) -> Row:
    """Write parsed values to a prospect, old or new."""
    before, after = row.get("email"), told.get("email", row.get("email"))
    kept = {**row, **told, "updatedAt": tables.stamp(box.now())}
    if before != after or "id" not in row:
        if after is None:
            raise refuse(400, NO_ADDRESS, "Invalid prospect email address")
        others = [*find(box, after), *find(box, after, deleted=True)]
        if not box.options["shared"] and any(one["id"] != row.get("id") for one in others):
            raise refuse(400, TAKEN, "A prospect with the specified email address already exists")
    if "id" not in row:
        kept["id"] = tables.new_id(box)
    if before != after or "id" not in row:
        _index(box, kept["id"], before, str(after))
    return tables.write(box, "prospects", kept)


def _index(box: Sandbox, number: int, before: JSON, after: str) -> None:
    if before is not None:
        box.store["addresses"][before].remove(number)
    box.store["addresses"].setdefault(after, []).append(number)


def new(box: Sandbox) -> Row:
    """Return a prospect that is about to be made."""
    at = tables.stamp(box.now())
    return {**schema.blank(), "createdAt": at, "lastActivityAt": None, "optedOut": False, "isDeleted": False}


def mark(box: Sandbox, row: Row, *, deleted: bool) -> Row:
    """Put a prospect into the recycle bin, or take it out."""
    return tables.write(box, "prospects", {**row, "isDeleted": deleted, "updatedAt": tables.stamp(box.now())})


def _shown(row: Row, wanted: list[str]) -> dict[str, JSON]:
    return {name: row.get(name) for name in wanted}


def list_(box: Sandbox, request: Request) -> Answer:
    """GET: no filter by address."""
    wanted = tables.asked(box, request, schema.names(box))
    rows = (row for row in tables.listed(box, "prospects") if not row["isDeleted"])
    found, more = tables.page(request, rows, {})
    return answer(200, tables.whole([_shown(row, wanted) for row in found], more))


def read(box: Sandbox, request: Request, number: str) -> Answer:
    """GET of one."""
    wanted = tables.asked(box, request, schema.names(box))
    row = tables.seen(box, "prospects", number)
    if row is None or row["isDeleted"]:
        raise refuse(404, NO_PROSPECT, "Invalid prospect ID")
    return answer(200, _shown(row, wanted))


def create(box: Sandbox, request: Request) -> Answer:
    """POST."""
    wanted = tables.asked(box, request, schema.names(box))
    row = put(box, new(box), schema.parse(box, tables.given(request)))
    return answer(201, _shown(row, wanted))


def update(box: Sandbox, request: Request, number: str) -> Answer:
    """PATCH."""
    wanted = tables.asked(box, request, schema.names(box))
    row = get(box, number)
    return answer(200, _shown(put(box, row, schema.parse(box, tables.given(request))), wanted))


def delete(box: Sandbox, _request: Request, number: str) -> Answer:
    """DELETE: into the recycle bin."""
    mark(box, get(box, number), deleted=True)
    return NO_CONTENT


def undelete(box: Sandbox, request: Request, number: str) -> Answer:
    """POST /do/undelete."""
    wanted = tables.asked(box, request, schema.names(box))
    row: Row | None = box.store["prospects"].get(number)
    if row is None or not row["isDeleted"]:
        raise refuse(404, NO_PROSPECT, "Invalid prospect ID")
    return answer(200, _shown(mark(box, row, deleted=False), wanted))


def upsert(box: Sandbox, request: Request) -> Answer:
    """POST /do/upsertLatestByEmail: the answer does not tell whether the prospect is new."""
    told = tables.given(request)
    strange = sorted(set(told) - _UPSERT)
    if strange:
        raise invalid(f"Invalid property: {strange[0]}")
    values, wanted = told.get("prospect"), told.get("fields")
    if not isinstance(values, dict) or not isinstance(wanted, list) or not wanted:
        raise invalid("matchEmail, prospect and fields are required")
    for name in wanted:
        if name not in schema.names(box):
            raise invalid(f"Invalid field in the fields parameter: {name}")
    email = schema.address(told.get("matchEmail"))
    row = match(box, email, restore=told.get("secondaryDeletedSearch") is True)
    parsed = schema.parse(box, values)
    done = put(box, row or new(box), {**parsed, "email": parsed.get("email", email)})
    return answer(200, _shown(done if not done["isDeleted"] else mark(box, done, deleted=False), wanted))


def match(box: Sandbox, email: str, *, restore: bool) -> Row | None:
    """Return the prospect that an address means, None where one must be made."""
    there = find(box, email)
    if there:
        return there[0]
    bin_ = find(box, email, deleted=True)
    return bin_[0] if restore and bin_ else None

"""Fields: found by the name that people see or by their key, created, and how values are spelt in each of their types.

A custom field's key (40 hexadecimal digits) differs from account to account, so a mapping names it as people do,
``Lifetime value``; its key is as good, and needed where two fields share a name. Pipedrive's own fields go by their
codes: ``name``, ``email``, ``phone``, ``owner_id``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote

from revetl.contract import Context, Reply, UnreadableReply
from revetl.destinations.pipedrive import api
from revetl.errors import DestinationError
from revetl.types import JSON, Effect, RemoteField

ENDPOINTS = {"persons": "personFields", "organizations": "organizationFields"}
ALIASES = {"email": "emails", "emails": "emails", "phone": "phones", "phones": "phones"}  # one value of a list
LABELS = "label_ids"
LINK = "org_id"
_KINDS = {
    "double": "number", "monetary": "number", "date": "date", "set": "list", "daterange": "json", "timerange": "json",
    "user": "integer", "org": "integer", "people": "integer", "int": "integer", "visible_to": "integer",
}  # fmt: skip
_LENGTHS = {"varchar": 255, "varchar_auto": 255, "phone": 255, "text": 65_535}
_SEARCHABLE = frozenset({"varchar", "varchar_auto", "text", "double", "phone"})  # what a person can be found by
_OWN = {  # what the API takes of Pipedrive's own fields
    "persons": frozenset({"name", "owner_id", "visible_to", "emails", "phones"}),
    "organizations": frozenset(
        {"name", "owner_id", "visible_to", "address", "website", "linkedin", "industry", "annual_revenue",
         "employee_count"}
    ),
}  # fmt: skip
_KEY = re.compile(r"[0-9a-f]{40}")
_WHOLE = frozenset({"annual_revenue", "employee_count"})
_CREATED_AS = {"integer": "double", "number": "double", "date": "date", "boolean": "enum", "json": "text"}


@dataclass(frozen=True, slots=True)
class Place:
    """A field as values are written into it."""

    code: str
    type: str
    custom: bool
    options: Mapping[str, int | str] = field(default_factory=dict)  # label → id


def rows(context: Context) -> Generator[Any, Reply, list[dict[str, JSON]]]:
    """Return all fields of the object as Pipedrive shows them.

    Raises:
        DestinationError: RVT-651, it does not show them.
    """
    found: list[dict[str, JSON]] = []
    path = f"/v2/{ENDPOINTS[context.object]}"
    more: tuple[tuple[str, str], ...] = ()
    while True:
        reply = yield api.read(path, {"limit": str(api.PAGE), **dict(more)}, 10)
        if not reply.ok:
            raise hidden(reply, f"the fields of {context.object}")
        page = api.data(reply)
        if not isinstance(page, list) or not all(isinstance(r, dict) and r.get("field_code") for r in page):
            raise UnreadableReply(reply.status, "data is not a list of fields")
        found += page
        more = api.following(reply)
        if not more:
            return found


def hidden(reply: Reply, what: str) -> DestinationError:
    """Return the error of a read that is refused."""
    code, reason = api.refusal(reply)
    return DestinationError("RVT-651", f"Pipedrive does not show {what}: {code}, {reason}", hint="revetl debug")


def discover(context: Context) -> Generator[Any, Reply, tuple[RemoteField, ...]]:
    """Return the object's fields under the names that the mapping uses; unmapped ones as people would name them."""
    found = yield from rows(context)
    return tuple(_field(context.object, row, name) for name, row in _named(found, context))


def _named(found: Iterable[Mapping[str, JSON]], context: Context) -> Iterable[tuple[str, Mapping[str, JSON]]]:
    """Yield each field with its spelling: as mapped (both, where both are), else name or, if that is not alone, key."""
    listed = list(found)
    own = {alias for row in listed if row.get("is_custom_field") is not True for alias in _codes(row)}
    names = Counter(str(row.get("field_name")) for row in listed if row.get("is_custom_field") is True)
    wanted = {*context.fields, context.match_field}
    for row in listed:
        spellings = _codes(row)
        name = str(row.get("field_name"))
        if row.get("is_custom_field") is True and names[name] == 1 and name not in own:
            spellings = [name, *spellings]
        used = [spelling for spelling in spellings if spelling in wanted]
        for spelling in used or spellings[:1]:
            yield spelling, row


def _codes(row: Mapping[str, JSON]) -> list[str]:
    code = str(row["field_code"])
    same = [alias for alias, known in ALIASES.items() if known == ALIASES.get(code)]
    return same or [code]


def _field(kind: str, row: Mapping[str, JSON], name: str) -> RemoteField:
    code, own_type = str(row["field_code"]), str(row.get("field_type"))
    custom = row.get("is_custom_field") is True
    choices = _options(row) if own_type in ("enum", "set") else {}
    type_ = "integer" if code in _WHOLE else _KINDS.get(own_type, "text")
    return RemoteField(
        name,
        "text" if ALIASES.get(code) else type_,
        str(row.get("field_name") or ""),
        writable=row.get("is_writable") is not False and (custom or ALIASES.get(code, code) in _OWN[kind]),
        required=code == "name",
        options=tuple(choices),
        max_length=_LENGTHS.get(own_type) if custom else None,
        unique=(custom and own_type in _SEARCHABLE) or code in ("name", *ALIASES),
    )


def _options(row: Mapping[str, JSON]) -> dict[str, int | str]:
    """Return label → id; of two options with one label the older one."""
    found: dict[str, int | str] = {}
    for option in row.get("options") or ():
        found.setdefault(str(option.get("label")), option.get("id"))
    return found


def places(found: Iterable[Mapping[str, JSON]], context: Context) -> dict[str, JSON]:
    """Return spelling → :class:`Place` (as JSON) of every field that the sync writes or matches by."""
    wanted = {*context.fields, context.match_field}
    return {name: asdict(place_of(row)) for name, row in _named(found, context) if name in wanted}


def place_of(row: Mapping[str, JSON]) -> Place:
    """Return a field of discovery as a place."""
    code = str(row["field_code"])
    return Place(ALIASES.get(code, code), str(row.get("field_type")), row.get("is_custom_field") is True, _options(row))


def place(prepared: Mapping[str, JSON], name: str) -> Place | None:
    """Return where values of the mapping's ``name`` go."""
    found = (prepared.get("fields") or {}).get(name)
    return Place(**found) if found is not None else None


def create(context: Context, wish: RemoteField) -> Generator[Any, Reply, RemoteField]:
    """Make a custom field, unless there is one of that name: Pipedrive would make a second one.

    A boolean becomes a single-option field of ``true`` and ``false``, an instant a text: there are no such types.

    Raises:
        DestinationError: RVT-651, Pipedrive refuses it, or the mapping names a key, which nobody can choose.
    """
    if _KEY.fullmatch(wish.name):
        what = f"Pipedrive chooses the keys of fields: {wish.name} cannot be made"
        raise DestinationError("RVT-651", what, hint="map to the field's name instead")
    there = yield from rows(context)
    same = next((row for row in there if row.get("is_custom_field") is True and row["field_name"] == wish.name), None)
    if same is not None:
        return _field(context.object, same, wish.name)
    options = wish.options or (("true", "false") if wish.type == "boolean" else ())
    kind = ("set" if wish.type == "list" else "enum") if options else _CREATED_AS.get(wish.type, "varchar")
    if kind == "varchar" and ((wish.max_length or 0) > _LENGTHS["varchar"] or wish.type in ("list", "json")):
        kind = "text"
    row = yield from make(context, wish.name, kind, options)
    return _field(context.object, row, wish.name)


def make(context: Context, name: str, kind: str, options: Iterable[str]) -> Generator[Any, Reply, dict[str, JSON]]:
    """Make a custom field and return it as Pipedrive shows it.

    Raises:
        DestinationError: RVT-651, Pipedrive refuses it.
    """
    body: dict[str, JSON] = {"field_name": name, "field_type": kind}
    if kind in ("enum", "set"):
        body["options"] = [{"label": label} for label in options]
    reply = yield api.write("POST", f"/v2/{ENDPOINTS[context.object]}", body, effect=Effect.ONCE)
    found = refused_or_data(reply, f"the field {name!r}")
    if not isinstance(found, dict) or not found.get("field_code"):
        raise UnreadableReply(reply.status, "data is not a field")
    return {"is_custom_field": True, **found}


def add_option(context: Context, code: str, label: str) -> Generator[Any, Reply, int | str]:
    """Add an option to a field and return its id.

    Raises:
        DestinationError: RVT-651, Pipedrive refuses it.
    """
    path = f"/v2/{ENDPOINTS[context.object]}/{quote(code, safe='')}/options"
    reply = yield api.write("POST", path, [{"label": label}], effect=Effect.ONCE)
    found = refused_or_data(reply, f"the option {label!r}")
    made = next((o for o in found if isinstance(o, dict) and o.get("label") == label), None) if found else None
    if made is None:
        raise UnreadableReply(reply.status, "data does not show the new option")
    option: int | str = made["id"]
    return option


def refused_or_data(reply: Reply, what: str) -> JSON:
    """Return the data of a reply about a field.

    Raises:
        DestinationError: RVT-651, it is a refusal.
    """
    if not reply.ok:
        code, reason = api.refusal(reply)
        hint = "make it in Pipedrive (Company settings, Data fields), or let the token's user be an admin"
        raise DestinationError("RVT-651", f"Pipedrive refuses {what}: {code}, {reason}", hint=hint)
    return api.data(reply)

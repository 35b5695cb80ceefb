"""The search index: it learns of writes only after a while, and is searched for whole values, whatever their case."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from revetl.sandbox.core import Sandbox
from revetl.sandbox.pipedrive.errors import invalid
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

SEARCHABLE = frozenset({"address", "varchar", "text", "varchar_auto", "double", "monetary", "phone"})
_FIELDS = {
    "persons": ("name", "email", "phone", "notes", "custom_fields"),
    "organizations": ("name", "address", "notes", "custom_fields"),
}
_PARAMS = {"term", "fields", "exact_match", "organization_id", "include_fields", "limit", "cursor"}


def new_index() -> dict[str, JSON]:
    """Return an empty index."""
    return {"terms": {}, "docs": {}, "waiting": []}


def changed(box: Sandbox, kind: str, number: int) -> None:
    """Let the index learn of a record's state once the lag has passed."""
    box.store["index"][kind]["waiting"].append([box.now() + box.options["lag"], number])


def _refresh(box: Sandbox, kind: str) -> None:
    index = box.store["index"][kind]
    due = [number for at, number in index["waiting"] if at <= box.now()]
    index["waiting"] = [entry for entry in index["waiting"] if entry[0] > box.now()]
    for number in dict.fromkeys(due):
        for field, value in index["docs"].pop(str(number), ()):
            index["terms"][field][value].remove(number)
        record = box.store["records"][kind].get(str(number))
        if record is not None and not record["is_deleted"]:
            terms = sorted(set(_terms(box, kind, record)))
            index["docs"][str(number)] = [list(term) for term in terms]
            for field, value in terms:
                index["terms"].setdefault(field, {}).setdefault(value, []).append(number)


def _terms(box: Sandbox, kind: str, record: dict[str, JSON]) -> Iterator[tuple[str, str]]:
    yield "name", record["name"].lower()
    for field, code in (("email", "emails"), ("phone", "phones")):
        for one in record.get(code) or ():
            yield field, one["value"].lower()
    types = {row["field_code"]: row["field_type"] for row in box.store["fields"][kind]}
    for code, value in record["custom_fields"].items():
        if types.get(code) in SEARCHABLE:
            yield "custom_fields", _text(value)


def _text(value: JSON) -> str:
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).lower()


def search(kind: str) -> Callable[..., Answer]:
    """Return the handler of ``GET /persons/search`` or its like; only exact searches are served."""

    def handle(box: Sandbox, request: Request) -> Answer:
        params = request.params
        strange = sorted(set(params) - _PARAMS)
        if strange:
            raise invalid(strange[0], f"{strange[0]!r} is not allowed")
        exact = params.get("exact_match") == "true"
        term = params.get("term", "").strip().lower()
        if len(term) < (1 if exact else 2):
            raise invalid("term", "must have at least 2 characters, 1 with exact_match")
        limit = params.get("limit", "100")
        if not limit.isdecimal() or not 1 <= int(limit) <= 100:
            raise invalid("limit", "must be from 1 to 100")
        asked = params["fields"].split(",") if "fields" in params else _FIELDS[kind]
        if set(asked) - set(_FIELDS[kind]):
            raise invalid("fields", f"must be some of {', '.join(_FIELDS[kind])}")
        _refresh(box, kind)
        ids = _found(box.store["index"][kind]["terms"], asked, term, exact=exact)
        items = [{"result_score": 0.5, "item": _item(box, kind, one)} for one in ids[: int(limit)]]
        return answer(200, {"success": True, "data": {"items": items}, "additional_data": {"next_cursor": None}})

    return handle


def _found(terms: dict[str, JSON], asked: tuple[str, ...] | list[str], term: str, *, exact: bool) -> list[int]:
    ids: list[int] = []
    for field in asked:
        known = terms.get(field, {})
        for value in [term] if exact else [one for one in known if term in one]:
            ids += known.get(value, ())
    return list(dict.fromkeys(reversed(ids)))  # not in the order of ids


def _item(box: Sandbox, kind: str, number: int) -> dict[str, JSON]:
    """Return a hit: a summary, with the values of searchable custom fields but not their keys."""
    record = box.store["records"][kind][str(number)]
    told = {"id": number, "type": kind.removesuffix("s"), "name": record["name"], "visible_to": record["visible_to"]}
    told |= {"owner": {"id": record["owner_id"]}, "notes": [], "update_time": record["update_time"]}
    told["custom_fields"] = [
        v for f, v in box.store["index"][kind]["docs"].get(str(number), ()) if f == "custom_fields"
    ]
    if kind == "persons":
        told |= {code: [one["value"] for one in record[code]] for code in ("emails", "phones")}
        told["primary_email"] = next((one["value"] for one in record["emails"] if one["primary"]), None)
        org = box.store["records"]["organizations"].get(str(record["org_id"]))
        told["organization"] = {"id": org["id"], "name": org["name"]} if org else None
    return told

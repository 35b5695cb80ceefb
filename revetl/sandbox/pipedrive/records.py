"""Persons and organizations: made, changed, deleted, shown and listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

import orjson

from revetl.sandbox.core import Sandbox
from revetl.sandbox.pipedrive import index, values
from revetl.sandbox.pipedrive.errors import invalid, missing, refuse
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

PURGE = 30 * 86_400  # seconds that a deleted record can be restored
SYNCED = frozenset({"im", "postal_address", "notes", "birthday", "job_title"})  # only with contact sync
_LIST = frozenset(
    {"filter_id", "ids", "owner_id", "org_id", "deal_id", "updated_since", "updated_until", "sort_by", "sort_direction",
     "include_fields", "custom_fields", "include_option_labels", "include_labels", "limit", "cursor"}
)  # fmt: skip
_ONE = frozenset({"include_fields", "custom_fields", "include_option_labels", "include_labels"})

Record = dict[str, JSON]


def page(params: Mapping[str, str], most: int) -> tuple[int, int]:
    """Return offset and size of the page that is asked for."""
    text = params.get("limit", "100")
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise invalid("limit", f"must be from 1 to {most}")
    cursor = params.get("cursor", "0")
    if not cursor.isdecimal():
        raise invalid("cursor", "is not one that an answer gave")
    return int(cursor), int(text)


def known(params: Mapping[str, str], names: Iterable[str]) -> None:
    """Refuse a parameter that the call does not have."""
    strange = sorted(set(params) - set(names))
    if strange:
        raise invalid(strange[0], f"{strange[0]!r} is not allowed")


def paged(rows: list[JSON], start: int, size: int) -> Answer:
    """Return one page of rows with the cursor of the next."""
    after = str(start + size) if start + size < len(rows) else None
    some = rows[start : start + size]
    return answer(200, {"success": True, "data": some, "additional_data": {"next_cursor": after}})


def list_(kind: str) -> Callable[..., Answer]:
    """Return the handler of ``GET /persons`` or its like: up to 100 ids, or all, by id or by time."""

    def handle(box: Sandbox, request: Request) -> Answer:
        params = request.params
        known(params, _LIST)
        start, size = page(params, 500)
        found = _live(box, kind)
        if "ids" in params:
            ids = params["ids"].split(",")
            if len(ids) > 100:
                raise invalid("ids", "at most 100 ids")
            found = [record for record in found if str(record["id"]) in set(ids)]
        by = params.get("sort_by", "id")
        if by not in ("id", "add_time", "update_time"):
            raise invalid("sort_by", "must be id, add_time or update_time")
        found.sort(key=lambda one: (one[by], one["id"]), reverse=params.get("sort_direction") == "desc")
        return paged([_shown(box, kind, record, params) for record in found], start, size)

    return handle


def _live(box: Sandbox, kind: str) -> list[Record]:
    return [record for record in box.store["records"][kind].values() if not record["is_deleted"]]


def _shown(box: Sandbox, kind: str, record: Record, params: Mapping[str, str]) -> Record:
    """Return a record as it is answered: chosen custom fields, and what must be asked for."""
    told = {name: value for name, value in record.items() if name != "marketing_status"}
    asked = [name for name in params.get("include_fields", "").split(",") if name]
    if "marketing_status" in asked:
        if not box.options["campaigns"] or kind != "persons":
            raise invalid("include_fields", "marketing_status is not allowed")
        told["marketing_status"] = record["marketing_status"]
    chosen = [code for code in params.get("custom_fields", "").split(",") if code]
    if len(chosen) > 15:
        raise invalid("custom_fields", "at most 15 keys")
    if chosen:
        told["custom_fields"] = {code: value for code, value in record["custom_fields"].items() if code in chosen}
    return told


def get(kind: str) -> Callable[..., Answer]:
    """Return the handler of ``GET /persons/{id}`` or its like; a deleted record is shown as such."""

    def handle(box: Sandbox, request: Request, record_id: str) -> Answer:
        known(request.params, _ONE)
        return answer(200, {"success": True, "data": _shown(box, kind, _any(box, kind, record_id), request.params)})

    return handle


def _any(box: Sandbox, kind: str, record_id: str) -> Record:
    """Return the record of that id, deleted or not; after 30 days a deleted one is not there any more."""
    record: Record | None = box.store["records"][kind].get(record_id)
    if record is None or (record["is_deleted"] and box.now() - record["deleted_at"] > PURGE):
        raise missing(kind)
    return {name: value for name, value in record.items() if name != "deleted_at"}


def create(kind: str) -> Callable[..., Answer]:
    """Return the handler of ``POST /persons`` or its like: 201 and the record. Duplicates are nobody's concern."""

    def handle(box: Sandbox, request: Request) -> Answer:
        clean, custom = _parsed(box, kind, _object(request))
        if "name" not in clean:
            raise invalid("name", "is required")
        number = box.store["next_id"]
        box.store["next_id"] += 1
        empty: Record = {"emails": [], "phones": [], "org_id": None} if kind == "persons" else {"address": None}
        if kind == "persons":
            empty["marketing_status"] = "no_consent"
        made: Record = {
            "id": number, "owner_id": 1, "visible_to": 3, "label_ids": [], "is_deleted": False, **empty, **clean,
            "add_time": stamp(box.now()), "update_time": stamp(box.now()), "custom_fields": _kept(custom),
        }  # fmt: skip
        if kind == "persons" and not made["emails"]:
            made["marketing_status"] = "no_consent"
        box.store["records"][kind][str(number)] = made
        index.changed(box, kind, number)
        return answer(201, {"success": True, "data": _answered(box, kind, made)})

    return handle


def _kept(custom: Mapping[str, JSON]) -> dict[str, JSON]:
    return {code: value for code, value in custom.items() if value is not None}


def _answered(box: Sandbox, kind: str, record: Record) -> Record:
    """Return the answer to a write: with the marketing status, where the company has Campaigns."""
    shows = box.options["campaigns"] and kind == "persons"
    return _shown(box, kind, record, {"include_fields": "marketing_status"} if shows else {})


def update(kind: str) -> Callable[..., Answer]:
    """Return the handler of ``PATCH /persons/{id}`` or its like."""

    def handle(box: Sandbox, request: Request, record_id: str) -> Answer:
        record = _any(box, kind, record_id)
        if record["is_deleted"]:
            if not box.options["shows_deleted"]:
                raise missing(kind)
            return answer(200, {"success": True, "data": _answered(box, kind, record)})
        clean, custom = _parsed(box, kind, _object(request))
        wished = clean.pop("marketing_status", None)
        if wished is not None:
            clean |= {} if box.options["consent_is_fixed"] else _consent(record, wished)
        record.update({**clean, "update_time": stamp(box.now())})
        record["custom_fields"] = _kept({**record["custom_fields"], **custom})
        box.store["records"][kind][record_id] = record
        index.changed(box, kind, int(record_id))
        return answer(200, {"success": True, "data": _answered(box, kind, record)})

    return handle


def _consent(record: Record, wished: str) -> dict[str, JSON]:
    """Return the change of a marketing status: one that may not be made leaves it as it is, without a word."""
    have = record["marketing_status"]
    if not record["emails"] or (have, wished) in (("unsubscribed", "subscribed"), ("unsubscribed", "no_consent")):
        return {}
    return {"marketing_status": wished}


def delete(kind: str) -> Callable[..., Answer]:
    """Return the handler of ``DELETE /persons/{id}`` or its like: marked as deleted, purged after 30 days."""

    def handle(box: Sandbox, _request: Request, record_id: str) -> Answer:
        record = _any(box, kind, record_id)
        if record["is_deleted"]:
            raise refuse(410, f"{kind.removesuffix('s').capitalize()} is deleted already")
        mark_deleted(box, kind, record_id)
        return answer(200, {"success": True, "data": {"id": int(record_id)}})

    return handle


def mark_deleted(box: Sandbox, kind: str, record_id: str) -> None:
    """Delete a record as a person does in the tool."""
    box.store["records"][kind][record_id] |= {"is_deleted": True, "deleted_at": box.now()}
    index.changed(box, kind, int(record_id))


def _object(request: Request) -> dict[str, JSON]:
    try:
        given = request.json()
    except orjson.JSONDecodeError as bad:
        raise refuse(400, f"Bad request: the body is not JSON ({bad})") from bad
    if not isinstance(given, dict):
        raise refuse(400, "Bad request: the body is not an object")
    return given


def _parsed(box: Sandbox, kind: str, given: Mapping[str, JSON]) -> tuple[Record, Record]:
    """Return own and custom values as they are kept."""
    locked = sorted(SYNCED & set(given))
    if locked and kind == "persons":
        raise refuse(403, f"{locked[0]} can only be set with contact sync")
    clean = {name: values.own(box, kind, name, value) for name, value in given.items() if name != "custom_fields"}
    told = given.get("custom_fields", {})
    if not isinstance(told, dict):
        raise invalid("custom_fields", "must be an object")
    by_code = {row["field_code"]: row for row in box.store["fields"][kind] if row["is_custom_field"]}
    strange = sorted(set(told) - set(by_code))
    if strange:
        raise invalid("custom_fields", f"Unknown key {strange[0]!r}")
    return clean, {code: values.custom(box, by_code[code], value) for code, value in told.items()}


def stamp(now: float) -> str:
    """Return a moment as API v2 writes it."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

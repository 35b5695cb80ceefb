"""A change's values as the body of a write, and a record's values as a mapping spells them.

Source: https://pipedrive.readme.io/docs/pipedrive-api-v2-migration-guide (custom fields by type).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from revetl.destinations.pipedrive import fields
from revetl.destinations.pipedrive.fields import Place
from revetl.types import JSON, Batch, Change

Record = Mapping[str, JSON]


class Unfit(Exception):
    """A value that its field cannot hold."""

    def __init__(self, name: str, reason: str) -> None:
        """Name the field."""
        super().__init__(f"{name}: {reason}")


def body(batch: Batch, change: Change, there: Record | None = None, *, creates: bool = False) -> dict[str, JSON]:
    """Return the body that writes a change: a new record's with the identity, a known one's without.

    ``there`` is the record as it stands: its further addresses and phone numbers are kept.

    Raises:
        Unfit: a value cannot be carried.
    """
    told = dict(change.fields)
    told.pop(batch.match_field, None)
    if creates:
        told[batch.match_field] = change.match
    made = _written(batch, told, there)
    if creates:
        made = _full(made)
        if change.consent is False and batch.prepared.get("marketing"):
            made["marketing_status"] = "unsubscribed"
    for name, link in change.links.items():
        if link.id or not creates:
            made[name] = int(link.id) if link.id else None
    return made


def cleared(batch: Batch, change: Change, there: Record | None) -> dict[str, JSON]:
    """Return the body that empties a record's fields and links; its name stays, for there is no record without one."""
    kept = {batch.match_field, "name"}
    told = {name: value for name, value in change.fields.items() if name not in kept}
    return {**_written(batch, told, there), **dict.fromkeys(change.links)}


def _full(made: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return a new record's body without what is empty in it."""
    whole = {**made, "custom_fields": {k: v for k, v in made.get("custom_fields", {}).items() if v is not None}}
    return {key: value for key, value in whole.items() if value not in (None, [], {})}


def _written(batch: Batch, told: Mapping[str, JSON], there: Record | None) -> dict[str, JSON]:
    made: dict[str, JSON] = {}
    custom: dict[str, JSON] = {}
    for name, value in told.items():
        place = fields.place(batch.prepared, name)
        if place is None:
            raise Unfit(name, "there is no such field")
        if place.code == "name" and value is None:
            raise Unfit(name, "no record can be without it: map it with on_null: keep")
        if place.code in ("emails", "phones"):
            made[place.code] = with_primary(place.code, value, there)
        else:
            (custom if place.custom else made)[place.code] = spelt(name, place, value, batch)
    return {**made, "custom_fields": custom} if custom else made


def identity(batch: Batch, match: str, there: Record, before: str | None) -> dict[str, JSON]:
    """Return the body that gives a record its new identity; of several addresses the old one is replaced.

    Raises:
        Unfit: the identity cannot be carried.
    """
    place = fields.place(batch.prepared, batch.match_field)
    if place is None or place.code not in ("emails", "phones"):
        return _written(batch, {batch.match_field: match}, None)
    kept = [row for row in there.get(place.code) or () if normal(row.get("value")) != normal(match)]
    at = next((n for n, row in enumerate(kept) if normal(row.get("value")) == normal(before)), None)
    if at is None:
        return {place.code: with_primary(place.code, match, there)}
    kept[at] = {**kept[at], "value": match}
    return {place.code: kept}


def spelt(name: str, place: Place, value: JSON, batch: Batch) -> JSON:
    """Return one value as its field takes it.

    Raises:
        Unfit: it names an option that the field does not have.
    """
    if value is None or value == []:  # Pipedrive takes no empty list
        return None
    match place.type:
        case "enum":
            return _option(name, place, value)
        case "set":
            return [_option(name, place, one) for one in (value if isinstance(value, list) else [value])]
        case "monetary" if place.custom and not isinstance(value, dict):
            return {"value": value, "currency": batch.settings.currency or batch.prepared.get("currency")}
        case "address" | "time" if not isinstance(value, dict):
            return {"value": value}
    return value


def _option(name: str, place: Place, label: JSON) -> int | str:
    text = str(label).lower() if isinstance(label, bool) else str(label)
    if text not in place.options:
        known = ", ".join(list(place.options)[:10]) or "none"
        raise Unfit(name, f"no such option there; the options are: {known}")
    return place.options[text]


def with_primary(code: str, value: JSON, there: Record | None) -> list[JSON]:
    """Return the addresses (or numbers) of a record with ``value`` as the primary one, or without any primary one."""
    known: list[dict[str, Any]] = [dict(row) for row in (there or {}).get(code) or ()]
    primary = next((row for row in known if row.get("primary")), known[0] if known else None)
    if value is None:
        return [row for row in known if row is not primary]
    others = [row for row in known if row is not primary and normal(row.get("value")) != normal(value)]
    label = (primary or {}).get("label") or "work"
    return [{"value": value, "primary": True, "label": label}, *({**row, "primary": False} for row in others)]


def lists_of(batch: Batch, change: Change) -> bool:
    """Return whether the change writes one of several addresses or numbers of a record that may have others."""
    places = (fields.place(batch.prepared, name) for name in change.fields if name != batch.match_field)
    return any(place is not None and place.code in ("emails", "phones") for place in places)


def normal(value: JSON) -> str:
    """Return an identity as Pipedrive's search compares it; a number as its shortest text."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().lower() if value is not None else ""


def identities(place: Place | None, match_field: str, record: Record) -> list[str]:
    """Return the identities under which a record stands."""
    if place is None:
        place = Place(fields.ALIASES.get(match_field, match_field), "varchar", custom=False)
    if place.code in ("emails", "phones"):
        return [normal(row.get("value")) for row in record.get(place.code) or ()]
    return [normal(read(place, record))]


def read(place: Place, record: Record) -> JSON:
    """Return the value of a field as a mapping would have sent it."""
    value = ((record.get("custom_fields") or {}) if place.custom else record).get(place.code)
    if place.code in ("emails", "phones"):
        rows = value or []
        chosen = next((row for row in rows if row.get("primary")), rows[0] if rows else {})
        return chosen.get("value")
    if place.type in ("enum", "set"):
        labels = {str(option): label for label, option in place.options.items()}
        if isinstance(value, list):
            return [labels.get(str(one), str(one)) for one in value]
        return labels.get(str(value), value) if value is not None else None
    if isinstance(value, dict) and place.type in ("monetary", "address", "time"):
        return value.get("value")
    return value

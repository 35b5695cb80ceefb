"""The records of one object type: found by id or unique value, checked, written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from revetl.sandbox.core import Sandbox
from revetl.sandbox.hubspot.errors import invalid, missing
from revetl.sandbox.hubspot.properties import DEFAULTS, READ_ONLY, STAGES, definition
from revetl.sandbox.hubspot.values import MOST_CHARACTERS, BadValueError, kept, stamp
from revetl.types import JSON

Properties = dict[str, str]
SYSTEM = frozenset(READ_ONLY)


def new_table(kind: str, extra: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return the empty records of ``kind`` with its default properties and ``extra`` ones (name → type or more)."""
    given = {**DEFAULTS[kind], **READ_ONLY, **extra}
    props = {name: definition(name, one) for name, one in given.items()}
    unique = [name for name, one in props.items() if one["hasUniqueValue"]]
    return {"properties": props, "records": {}, "index": {name: {} for name in unique}, "blocked": {}}


@dataclass(slots=True)
class Table:
    """The records of one object type of a portal, at one moment."""

    box: Sandbox
    kind: str
    store: dict[str, JSON]
    at: str
    plain: frozenset[str]  # writable properties that take any text: nearly all values, so they are looked at first

    @classmethod
    def of(cls, box: Sandbox, kind: str) -> Table:
        """Return the table of ``kind``; 404 where the portal has no such object."""
        found = box.store["objects"].get(kind)
        if found is None:
            raise missing(f"Unable to infer object type from: {kind}")
        plain = frozenset(name for name, one in found["properties"].items() if _is_plain(one))
        return cls(box, kind, found, stamp(datetime.fromtimestamp(box.now(), UTC)), plain)

    @property
    def records(self) -> dict[str, dict[str, JSON]]:
        """Return the records by id."""
        found: dict[str, dict[str, JSON]] = self.store["records"]
        return found

    def require_unique(self, name: JSON) -> None:
        """Refuse ``name`` as an idProperty unless its values are unique."""
        if not isinstance(name, str) or name not in self.store["index"]:
            what = f"Unable to perform update/upsert by non-unique {self.kind} property {name}"
            raise invalid(what, context={"propertyName": [str(name)]})

    def find(self, key: str, id_property: str | None) -> dict[str, JSON] | None:
        """Return the record with ``key`` as its id, or as its value of ``id_property``."""
        if id_property is None:
            return self.records.get(key)
        found = self.store["index"][id_property].get(normal(id_property, key))
        return None if found is None else self.records[found]

    def check(self, given: JSON) -> tuple[Properties, list[JSON]]:
        """Return the properties as HubSpot keeps them, and one error for each that it refuses."""
        clean: Properties = {}
        wrong: list[JSON] = []
        for name, value in given.items():
            if name in self.plain and type(value) is str and len(value) <= MOST_CHARACTERS:
                clean[name] = value
                continue
            if not isinstance(value, str):
                raise invalid(f"Invalid input JSON: the value of {name} must be a string")
            try:
                clean[name] = kept(self._writable(name), value)
            except BadValueError as bad:
                wrong.append({"message": str(bad), "code": bad.code, "context": {"propertyName": [name]}})
        return clean, wrong

    def _writable(self, name: str) -> dict[str, JSON]:
        found: dict[str, JSON] | None = self.store["properties"].get(name)
        if found is None:
            if self.box.options["strict_fields"]:
                raise BadValueError("PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
            found = self.store["properties"][name] = definition(name, {})
        if found["modificationMetadata"]["readOnlyValue"] or found["calculated"]:
            raise BadValueError("READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.')
        return found

    def owner(self, clean: Mapping[str, str], but: Mapping[str, JSON] | None) -> str | None:
        """Return the id of a record other than ``but`` that holds one of the unique values in ``clean``."""
        have = but["properties"] if but else {}
        for name, index in self.store["index"].items():
            value = clean.get(name)
            if value and value != have.get(name):
                found: str | None = index.get(normal(name, value))
                if found is not None and (but is None or found != but["id"]):
                    return found
        return None

    def blocked(self, clean: Mapping[str, str]) -> bool:
        """Return whether the address was erased on request and may not come back."""
        return bool(self.store["blocked"]) and clean.get("email", "") in self.store["blocked"]

    def create(self, clean: Properties) -> dict[str, JSON]:
        """Write a new record."""
        number = str(self.box.store["next_id"])
        self.box.store["next_id"] += 1
        system = {"hs_object_id": number, "createdate": self.at, "lastmodifieddate": self.at}
        record = {"id": number, "properties": system, "createdAt": self.at, "updatedAt": self.at, "archived": False}
        self.records[number] = record
        self.write(record, clean)
        if self.kind == "contacts" and clean.get("email", "").lower() in self.box.store.get("opted_out", {}):
            system["hs_email_optout"] = "true"
        return record

    def write(self, record: dict[str, JSON], clean: Properties) -> None:
        """Set properties of a record; ``""`` clears, a stage never moves back, a leading ``;`` adds to checkboxes."""
        have: Properties = record["properties"]
        for name, index in self.store["index"].items():
            if name in clean and clean[name] != have.get(name):
                index.pop(normal(name, have.get(name, "")), None)
                if clean[name]:
                    index[normal(name, clean[name])] = record["id"]
        for name, value in clean.items():
            if name == "lifecyclestage" and value and _backward(have.get(name, ""), value):
                continue
            adds = value[:1] == ";" and self.store["properties"][name]["fieldType"] == "checkbox"
            have[name] = _appended(have.get(name, ""), value) if adds else value
        have["lastmodifieddate"] = record["updatedAt"] = self.at

    def remove(self, record: Mapping[str, JSON]) -> None:
        """Take a record out of this table, its unique values, and every list."""
        for name, index in self.store["index"].items():
            index.pop(normal(name, record["properties"].get(name, "")), None)
        del self.records[record["id"]]
        for one in self.box.store["lists"].values():
            if one["kind"] == self.kind:
                one["members"].pop(record["id"], None)


def _is_plain(prop: Mapping[str, JSON]) -> bool:
    fixed = prop["modificationMetadata"]["readOnlyValue"] or prop["calculated"]
    return prop["type"] in ("string", "phone_number") and prop["name"] != "email" and not fixed


def normal(name: str, value: str) -> str:
    """Return a unique value as it is compared: addresses in lower case, all without outer spaces."""
    return value.strip().lower() if name == "email" else value.strip()


def _backward(have: str, wanted: str) -> bool:
    return have in STAGES and wanted in STAGES and STAGES.index(wanted) < STAGES.index(have)


def _appended(have: str, value: str) -> str:
    parts = [part for part in (*have.split(";"), *value.split(";")) if part]
    return ";".join(dict.fromkeys(parts))

"""People of the instance: found by any searchable field, made, changed, deleted. Several may have one address."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from revetl.sandbox.core import Sandbox
from revetl.sandbox.marketo import fields
from revetl.sandbox.marketo.errors import RowError, not_found
from revetl.types import JSON

Record = dict[str, JSON]


def normal(value: JSON) -> str:
    """Return a value as look-ups compare it."""
    return str(value).strip().lower()


class People:
    """The people in a stand-in's store."""

    def __init__(self, box: Sandbox) -> None:
        """Look into ``box``."""
        self.box = box
        self.records: dict[str, Record] = box.store["people"]
        self._index: dict[str, dict[str, list[str]]] = box.store["index"]

    def find(self, field: str, value: JSON) -> list[str]:
        """Return the ids of all who have that value, lowest first."""
        if field == "id":
            return [str(value)] if str(value) in self.records else []
        if field not in self._index:
            self._index[field] = {}
            for number, record in self.records.items():
                self._enter(field, number, record)
        return list(self._index[field].get(normal(value), ()))

    def parse(self, given: Mapping[str, JSON]) -> Record:
        """Return the values that would be kept, None for those that are cleared.

        Raises:
            RowError: a field is not there, not writable, or refuses its value.
        """
        clean: Record = {}
        for name, value in given.items():
            field = self.box.store["fields"].get(name)
            if field is None:
                raise RowError(1006, f"Field '{name}' not found")
            if field["fixed"]:
                raise RowError(1003, f"Invalid data: field '{name}' is read-only")
            if name in fields.OF_COMPANIES:
                raise RowError(1021, "Company update not allowed")
            clean[name] = fields.kept(name, field, value)
        return clean

    def create(self, clean: Record, partition: str) -> str:
        """Make somebody; return the id."""
        number = str(self.box.store["next_person"])
        self.box.store["next_person"] += 1
        now = fields.stamp(datetime.fromtimestamp(self.box.now(), UTC))
        self.records[number] = {"id": int(number), "createdAt": now, "updatedAt": now, "partition": partition}
        self.change(number, clean)
        return number

    def change(self, number: str, clean: Record) -> None:
        """Set and clear values."""
        record = self.records[number]
        for field in self._index.keys() & clean.keys():
            self._leave(field, number, record)
        record["updatedAt"] = fields.stamp(datetime.fromtimestamp(self.box.now(), UTC))
        record.update(clean)
        for name in [name for name, value in record.items() if value is None]:
            del record[name]
        for field in self._index.keys() & clean.keys():
            self._enter(field, number, record)

    def delete(self, number: str) -> None:
        """Take somebody away, off all lists too; an unknown id is a ``RowError``."""
        if number not in self.records:
            raise not_found()
        for field in self._index:
            self._leave(field, number, self.records[number])
        del self.records[number]
        for one in self.box.store["lists"].values():
            one["members"].pop(number, None)

    def _enter(self, field: str, number: str, record: Record) -> None:
        if record.get(field) is not None:
            ids = self._index[field].setdefault(normal(record[field]), [])
            ids.append(number)
            ids.sort(key=int)

    def _leave(self, field: str, number: str, record: Record) -> None:
        if record.get(field) is not None:
            self._index[field][normal(record[field])].remove(number)

"""The records of one object of an org: found by id or indexed value, checked, written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from revetl.sandbox.core import Sandbox
from revetl.sandbox.salesforce import campaigns, security
from revetl.sandbox.salesforce.errors import RowError, invalid_field, refuse
from revetl.sandbox.salesforce.schema import PREFIX, Fields
from revetl.sandbox.salesforce.values import ID, kept, stamp
from revetl.types import JSON

Record = dict[str, JSON]
_MEMBERS = ("CampaignMember", "CampaignMemberStatus")


@dataclass(slots=True)
class Table:
    """The records of one object of an org, at one moment."""

    box: Sandbox
    kind: str
    fields: Fields
    records: dict[str, Record]
    index: dict[str, dict[str, list[str]]]

    @classmethod
    def of(cls, box: Sandbox, kind: JSON) -> Table:
        """Return the table of ``kind``; 404 where the org has no such object."""
        fields = box.store["fields"].get(kind) if isinstance(kind, str) else None
        if fields is None:
            raise refuse(404, "NOT_FOUND", "The requested resource does not exist")
        shown = {name: one for name, one in fields.items() if not security.is_hidden(box, str(kind), name)}
        return cls(box, str(kind), shown, box.store["records"].setdefault(kind, {}), box.store["index"][kind])

    def normal(self, name: str, value: JSON) -> str:
        """Return an indexed value as it is compared."""
        return str(value) if self.fields[name]["caseSensitive"] else str(value).strip().lower()

    def find(self, name: str, value: JSON) -> list[str]:
        """Return the ids of the records with ``value`` in an indexed field, oldest first."""
        return self.index[name].get(self.normal(name, value), [])

    def parse(self, given: Mapping[str, JSON]) -> tuple[Record, RowError | None]:
        """Return the values as Salesforce keeps them, or why this record alone is refused; 400 for a strange name."""
        clean: Record = {}
        wrong: RowError | None = None
        for name, value in given.items():
            one = self.fields.get(name)
            if one is None:
                raise invalid_field(self.kind, name)
            try:
                clean[name] = kept(one, value)
            except RowError as error:
                wrong = wrong or error
        return clean, wrong

    def get(self, record_id: JSON) -> Record:
        """Return the record that an update or a deletion names."""
        if not isinstance(record_id, str) or not ID.fullmatch(record_id) or record_id[:3] != PREFIX[self.kind]:
            raise RowError("MALFORMED_ID", f"{self.kind} ID: id value of incorrect type: {record_id}", ["Id"])
        found = self.records.get(record_id)
        if found is None and record_id in self.box.store["deleted"]:
            raise RowError("ENTITY_IS_DELETED", "entity is deleted")
        if found is None:
            raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        return found

    def create(self, clean: Record) -> str:
        """Write a new record and return its id."""
        self._check(clean, "createable", None)
        missing = [name for name, one in self.fields.items() if _is_required(one) and clean.get(name) is None]
        if missing:
            told = f"Required fields are missing: [{', '.join(missing)}]"
            raise RowError("REQUIRED_FIELD_MISSING", told, missing)
        if self.kind == "CampaignMember":
            self._check_member(clean)
            campaigns.check_status(self, clean["CampaignId"], clean, new=True)
        if self.kind == "CampaignMemberStatus":
            campaigns.check_label(self, clean)
        if self.kind == "FieldPermissions":
            security.grant(self.box, clean)
        record_id = f"{PREFIX[self.kind]}{self.box.store['next_id']:012d}AAA"
        self.box.store["next_id"] += 1
        boxes = {name: False for name, one in self.fields.items() if one["type"] == "boolean"}
        self.records[record_id] = {"Id": record_id, "CreatedDate": self._now(), **boxes}
        self._put(record_id, clean)
        if self.kind == "Campaign":
            campaigns.begin(self.box, record_id)
        return record_id

    def update(self, record: Record, clean: Record) -> str:
        """Write values of a record and return its id."""
        if record.get("IsConverted"):
            raise RowError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        self._check(clean, "updateable", record["Id"])
        if self.kind == "CampaignMember":
            campaigns.check_status(self, record["CampaignId"], clean, new=False)
        emptied = [name for name in clean if _is_required(self.fields[name]) and clean[name] is None]
        if emptied:
            told = f"Required fields are missing: [{', '.join(emptied)}]"
            raise RowError("REQUIRED_FIELD_MISSING", told, emptied)
        self._put(record["Id"], clean)
        return str(record["Id"])

    def remove(self, record: Record) -> None:
        """Put a record, and the memberships of a person, into the recycle bin."""
        record_id = record["Id"]
        for name in self.index:
            self._unindex(name, record)
        del self.records[record_id]
        self.box.store["deleted"][record_id] = True
        if self.kind in ("Contact", "Lead", "Campaign"):
            members = Table.of(self.box, "CampaignMember")
            for member in list(members.find(f"{self.kind}Id", record_id)):
                members.remove(members.records[member])

    def _check(self, clean: Record, right: str, but: str | None) -> None:
        fixed = [name for name in clean if not self.fields[name][right]]
        if fixed:
            told = (
                f"Unable to create/update fields: {', '.join(fixed)}. Please check the security settings of this field"
            )
            raise RowError("INVALID_FIELD_FOR_INSERT_UPDATE", told, fixed)
        for name in clean:
            self._check_reference(name, clean[name])
        for name in self.index:
            if self.fields[name]["unique"] and clean.get(name) is not None:
                holder = next((one for one in self.find(name, clean[name]) if one != but), None)
                if holder is not None:
                    told = f"duplicate value found: {name} duplicates value on record with id: {holder}"
                    raise RowError("DUPLICATE_VALUE", told)

    def _check_reference(self, name: str, value: JSON) -> None:
        for kind in self.fields[name].get("referenceTo", ()) if value is not None else ():
            if value[:3] != PREFIX[kind]:
                told = f"{self.fields[name]['label']}: id value of incorrect type: {value}"
                raise RowError("FIELD_INTEGRITY_EXCEPTION", told, [name])
            if value not in self.box.store["records"].get(kind, {}):
                raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [name])

    def _check_member(self, clean: Record) -> None:
        people = [name for name in ("ContactId", "LeadId") if clean.get(name)]
        if len(people) != 1:
            raise RowError("REQUIRED_FIELD_MISSING", "Required fields are missing: [ContactId, LeadId]")
        for name in ("CampaignId", people[0]):
            try:
                Table.of(self.box, name.removesuffix("Id")).get(clean[name])
            except RowError as error:
                raise RowError(error.code, str(error), [name]) from None
        for member in self.find(people[0], clean[people[0]]):
            if self.records[member]["CampaignId"] == clean["CampaignId"]:
                raise RowError("DUPLICATE_VALUE", "Already a campaign member.")

    def _put(self, record_id: str, clean: Record) -> None:
        record = self.records[record_id]
        for name in self.index:
            if name in clean:
                self._unindex(name, record)
                if clean[name] is not None:
                    self.index[name].setdefault(self.normal(name, clean[name]), []).append(record_id)
        record.update({**clean, "LastModifiedDate": self._now()})

    def _unindex(self, name: str, record: Record) -> None:
        if record.get(name) is not None:
            self.index[name][self.normal(name, record[name])].remove(record["Id"])

    def _now(self) -> str:
        return stamp(datetime.fromtimestamp(self.box.now(), UTC))


def _is_required(one: Mapping[str, JSON]) -> bool:
    return one["createable"] and not one["nillable"] and not one["defaultedOnCreate"]


def is_indexed(kind: str, one: Mapping[str, JSON]) -> bool:
    """Return whether records are found by this field without looking at each."""
    return one["externalId"] or one["unique"] or (kind in _MEMBERS and one["type"] == "reference")

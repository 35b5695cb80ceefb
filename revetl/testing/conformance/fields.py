"""Cases about fields: found, made, written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from revetl.errors import DestinationError
from revetl.testing.conformance.base import Suite
from revetl.testing.conformance.records import RecordCases
from revetl.testing.drive import Handler, drive
from revetl.types import RemoteField

_TYPES = ("text", "integer", "number", "boolean", "date", "timestamp", "json", "list")
_WRITTEN = ("text", "integer", "number", "boolean", "date", "timestamp")


class FieldCases(RecordCases, Suite):
    """A mapped field that is missing is made as the column's type asks. ``new_field`` is a name that is free there."""

    new_field = "new_field"

    def make_field(self, service: Handler, wish: RemoteField) -> RemoteField:
        """Make a field; it must stand there afterwards as the answer says."""
        if self.thing.any_field:
            self.not_applicable("create_field", "every field name is good there")
        if self.destination.create_field is None or self.destination.discover is None:
            self.not_applicable("create_field")
        made = drive(self.destination.create_field(self.context(), wish), service).value
        assert isinstance(made, RemoteField)
        found = {f.name: f for f in drive(self.destination.discover(self.context()), service).value}
        assert found[made.name] == made
        return made

    @pytest.mark.parametrize("kind", _TYPES)
    def test_a_field_is_made(self, kind: str) -> None:
        """Under its own name, writable; and a value of that type arrives in it."""
        service = self.service()
        made = self.make_field(service, RemoteField(self.new_field, kind))
        assert (made.name, made.writable, made.required) == (self.new_field, True, False)
        if kind in _WRITTEN and self.destination.read_back is not None:
            fields = (*(f for f in self.fields(service) if f.required), made)
            (row,) = self.delivers(service, [self.change(1, fields=self.values(fields, 1))])
            self.stands(service, fields, row)

    def test_a_field_whose_answer_was_lost_is_no_second_one(self) -> None:
        """Made again, it is there once; or the vendor's refusal is told as one."""
        service = self.service()
        wish = RemoteField(self.new_field, "text")
        made = self.make_field(service, wish)
        try:
            again = self.make_field(service, wish)
        except DestinationError as error:
            assert error.code == "RVT-651"
        else:
            assert replace(again, label=made.label) == made
        assert self.destination.discover is not None
        found = drive(self.destination.discover(self.context()), service).value
        assert [field.name for field in found].count(self.new_field) == 1

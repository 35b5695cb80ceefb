"""Cases about values on their whole way: a column, its encoding, the wire, the record there."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from revetl.encode import Unencodable, encode
from revetl.encode import same as equal
from revetl.engine.fielding import kind_of
from revetl.testing.conformance.fields import FieldCases
from revetl.testing.drive import Handler, drive
from revetl.types import RemoteField, Status
from revetl.warehouse.connection import connect

Values = dict[str, tuple[str, str]]  # name → DuckDB type, SQL of the value

INTEGERS: Values = {
    "an integer": ("BIGINT", "42"),
    "the last exact integer": ("BIGINT", "9007199254740991"),
    "an integer beyond 2^53": ("BIGINT", "9007199254740993"),
    "an integer below -2^53": ("BIGINT", "-9007199254740993"),
    "an integer beyond 2^64": ("HUGEINT", "170141183460469231731687303715884105727"),
}
FRACTIONS: Values = {
    "money": ("DECIMAL(18,4)", "-1234567.8901"),
    "a long decimal": ("DECIMAL(38,10)", "1234567890123456789.0123456789"),
    "a small decimal": ("DECIMAL(10,6)", "0.000001"),
    "a float": ("DOUBLE", "0.1"),
    "no number": ("DOUBLE", "'NaN'::DOUBLE"),
    "infinity": ("DOUBLE", "'-Infinity'::DOUBLE"),
}
DAYS: Values = {
    "a leap day": ("DATE", "DATE '2024-02-29'"),
    "a day before 1970": ("DATE", "DATE '1969-12-31'"),
    "a day of 1900": ("DATE", "DATE '1900-03-01'"),
}
INSTANTS: Values = {
    "an instant before 1970": ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ '1969-12-31 23:59:59+00'"),
    "before a DST gap": ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ '2026-03-29 00:59:59+00'"),
    "after a DST gap": ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ '2026-03-29 01:00:00+00'"),
    "in the hour that comes twice": ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ '2026-10-25 02:30:00+02'"),
}
TRUTHS: Values = {
    "true": ("BOOLEAN", "true"),
    "false": ("BOOLEAN", "false"),
}
TEXTS: Values = {
    "a long text": ("VARCHAR", "repeat('ž', 300)"),
    "a very long text": ("VARCHAR", "repeat('long ', 20000)"),
    "emoji": ("VARCHAR", "'🧺 and \U0001d49e'"),
    "right to left": ("VARCHAR", "'שלום'"),
    "a formula": ("VARCHAR", "'=1+1'"),
    "markup and quotes": ("VARCHAR", "'<b>&amp;</b> \"q\" O''Brien'"),
    "a NUL": ("VARCHAR", "'a' || chr(0) || 'b'"),
}
NESTED: Values = {
    "a list": ("VARCHAR[]", "['a', 'b']"),
    "a list whose item holds the separator": ("VARCHAR[]", "['a;b', 'c,d']"),
    "a struct": ("STRUCT(a INTEGER, b VARCHAR)", "{'a': 1, 'b': 'x'}"),
    "JSON": ("JSON", '\'{"a": [1, null, "x"]}\''),
    "a UUID": ("UUID", "'3f2504e0-4f89-11d3-9a0c-0305e82c3301'"),
    "a time of day": ("TIME", "TIME '23:59:59'"),
}


@cache
def spelt(kind: str, value: str, field: RemoteField, wire: Any) -> tuple[str | None, str | None]:
    """Return (why it cannot be carried, the value as JSON text) as a run's SQL gives them."""
    try:
        encoding = encode(kind, field, wire, timezone="UTC").over("x")
    except Unencodable as error:
        return error.reason, None
    con = connect()
    try:
        why, text = con.execute(
            f"SELECT w, CASE WHEN w IS NULL THEN {encoding.value} END "  # noqa: S608 - values of this module
            f"FROM (SELECT x, {encoding.refusal or 'NULL'} AS w FROM (SELECT CAST({value} AS {kind}) AS x))"
        ).fetchall()[0]
    finally:
        con.close()
    return why, text


class ValueCases(FieldCases):
    """Every value arrives exactly, or its row is refused by name: never rounded, never dropped."""

    def field_of(self, service: Handler, kind: str) -> RemoteField:
        """Return a field of ``kind``: a new one where they can be made, else one that is there."""
        if self.destination.create_field is not None:
            return self.make_field(service, RemoteField(self.new_field, kind))
        if self.destination.discover is None or self.thing.any_field:
            return RemoteField("any_field")
        found = drive(self.destination.discover(self.context()), service).value
        left_out = {*self.thing.match, *self.avoid}
        usable = [f for f in found if f.writable and not f.unique and f.name not in left_out and not f.options]
        fits: list[RemoteField] = [field for field in usable if field.type in (kind, "any")]
        if not fits:
            self.not_applicable(f"{kind} field", f"the stand-in has no field of type {kind}, and none can be made")
        return fits[0]

    @pytest.mark.parametrize("name", list(INTEGERS))
    def test_an_integer_is_carried_exactly_or_refused_by_name(self, name: str) -> None:
        """Up to the last exact one and beyond, either sign: never rounded."""
        self.carried(*INTEGERS[name])

    @pytest.mark.parametrize("name", list(FRACTIONS))
    def test_a_decimal_is_carried_exactly_or_refused_by_name(self, name: str) -> None:
        """Decimals keep every digit; what is no number has no place in a number."""
        self.carried(*FRACTIONS[name])

    @pytest.mark.parametrize("name", list(DAYS))
    def test_a_day_is_carried_exactly_or_refused_by_name(self, name: str) -> None:
        """Leap days and days before 1970 stay the day that they are."""
        self.carried(*DAYS[name])

    @pytest.mark.parametrize("name", list(INSTANTS))
    def test_an_instant_is_carried_exactly_or_refused_by_name(self, name: str) -> None:
        """Before 1970, and on both sides of a clock change, an instant stays itself."""
        self.carried(*INSTANTS[name])

    @pytest.mark.parametrize("name", list(TEXTS))
    def test_a_text_is_carried_exactly_or_refused_by_name(self, name: str) -> None:
        """Any script, emoji, markup, formulas, and length: never cut, never changed."""
        self.carried(*TEXTS[name])

    @pytest.mark.parametrize("name", list(TRUTHS))
    def test_a_truth_is_carried_exactly_or_refused_by_name(self, name: str) -> None:
        """True is true, and false is not nothing."""
        self.carried(*TRUTHS[name])

    @pytest.mark.parametrize("name", list(NESTED))
    def test_a_nested_value_is_carried_exactly_or_refused_by_name(self, name: str) -> None:
        """Lists, structs, JSON, and what has a type of its own: whole, or not at all."""
        self.carried(*NESTED[name])

    def carried(self, kind: str, value: str) -> None:
        """Hold a value to its way: what the encoding lets pass stands there equal, or a refusal names the row."""
        service = self.service()
        field = self.field_of(service, kind_of(kind))
        why, text = spelt(kind, value, field, self.destination.wire)
        if text is None:
            assert why, "a value that is not carried has a reason"
            return
        needed = [f for f in self.fields(service) if f.required and f.name != field.name]
        values = {name: json.dumps(v) for name, v in self.values(needed, 1).items()} | {field.name: text}
        body = ",".join(f"{json.dumps(name)}:{spelling}" for name, spelling in values.items())
        row = replace(self.change(1), body=f"{{{body}}}".encode())
        (outcome,) = self.run(service, [row]).outcomes
        if outcome.status is Status.REJECTED:
            assert outcome.code
            assert outcome.reason
            return
        assert outcome.status is Status.DELIVERED
        if self.destination.read_back is not None:
            there = self.read(service, row.match, fields=[field])[row.identity].fields.get(field.name)
            same = self.destination.same or equal
            assert same(field, json.loads(text), there), f"{text[:200]} is {str(there)[:200]}"

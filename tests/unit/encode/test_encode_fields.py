"""A field's declared type, options and length decide the spelling, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from revetl.contract import WireFormat
from revetl.encode import Unencodable, encode
from revetl.types import RemoteField
from tests.unit.encode.carry import WIRE, Refused, carried, carry, column

SEMI = WireFormat(list=";", number="text", boolean="text", timestamp="epoch_ms")
TSTZ = "TIMESTAMP WITH TIME ZONE"


@pytest.mark.parametrize(
    ("kind", "text", "field", "wanted"),
    [
        ("INTEGER", "42", "text", "42"),
        ("INTEGER", "42", "number", 42),
        ("DECIMAL(6,2)", "12.00", "integer", 12),
        ("DECIMAL(6,2)", "12.50", "integer", Refused("not a whole number")),
        ("DECIMAL(2,2)", "-0.05", None, -0.05),
        ("DECIMAL(6,2)", "1.10", "text", "1.10"),
        ("DOUBLE", "3", "integer", 3),
        ("DOUBLE", "3.5", "integer", Refused("not a whole number")),
        ("DOUBLE", "1e300", "integer", Refused("integer beyond 2^53")),
        ("DOUBLE", "nan", "integer", Refused("not a finite number")),
        ("FLOAT", "0.1", "text", "0.1"),
        ("BOOLEAN", "true", None, True),
        ("BOOLEAN", "false", "text", "false"),
        ("VARCHAR", "12.5", "number", 12.5),
        ("VARCHAR", "007", "number", Refused("not a number")),
        ("VARCHAR", "1e3", "number", Refused("not a number")),
        ("VARCHAR", "9007199254740993", "integer", Refused("integer beyond 2^53")),
        ("VARCHAR", "1" + "0" * 60, "integer", Refused("integer beyond 2^53")),
        ("VARCHAR", "0.1234567890123456", "number", Refused("more than 15 digits")),
        ("VARCHAR", "TRUE", "boolean", True),
        ("VARCHAR", "yes", "boolean", Refused("neither true nor false")),
        ("VARCHAR", "2024-02-29", "date", "2024-02-29"),
        ("VARCHAR", "2023-02-29", "date", Refused("not an ISO date")),
        ("VARCHAR", "29.02.2024", "date", Refused("not an ISO date")),
        ("VARCHAR", "2024-02-29T10:00:00+02:00", "timestamp", "2024-02-29T08:00:00Z"),
        ("VARCHAR", "2024-02-29T10:00:00", "timestamp", Refused("not an ISO timestamp with its offset")),
        ("VARCHAR", '{"a": [1]}', "json", {"a": [1]}),
        ("VARCHAR", "{a}", "json", Refused("not valid JSON")),
        ("JSON", '{"a": NaN}', None, Refused("not valid JSON")),
        ("JSON", '{"a": "NaN, ]", "b\\"": "inf"}', None, {"a": "NaN, ]", 'b"': "inf"}),
        ("JSON", "[1,]", None, Refused("not valid JSON")),
        ("JSON", "null", None, Refused("a JSON null where NULL is meant")),
        ("JSON", '{"a":1}', "text", '{"a":1}'),
        ("JSON", "[1]", "list", [1]),
        ("JSON", '{"a":1}', "list", Refused("not a JSON array")),
        ("DATE", "infinity", None, Refused("an infinite date")),
        ("DATE", "0044-03-15 (BC)", None, Refused("outside the years 1 to 9999")),
        ("DATE", "12345-01-01", None, Refused("outside the years 1 to 9999")),
        ("DATE", "5000000-01-01", None, Refused("outside the years 1 to 9999")),
        (TSTZ, "2024-03-01 00:00:00+00", "date", "2024-03-01"),
        (TSTZ, "2024-03-01 01:00:00+01", "date", "2024-03-01"),
        (TSTZ, "2024-03-01 00:00:00.000001+00", "date", Refused("needs midnight")),
        (TSTZ, "-infinity", None, Refused("an infinite date")),
        (TSTZ, "10000-01-01 00:00:00+00", None, Refused("outside the years 1 to 9999")),
        ("UUID", "2d931510-d99f-494a-8c67-87feb05e1594", None, "2d931510-d99f-494a-8c67-87feb05e1594"),
        ("ENUM('a', 'it''s, (b)')", "it's, (b)", "text", "it's, (b)"),
        ("INTEGER[]", "[1, NULL, 3]", None, [1, None, 3]),
        ("INTEGER[2]", "[1, 2]", None, [1, 2]),
        ("INTEGER[][]", "[[1], [], NULL]", "list", [[1], [], None]),
        ("DOUBLE[]", "[1.5, NaN]", None, Refused("not a finite number")),
        ("VARCHAR[]", "[]", None, []),
        ('STRUCT("q""{x}" DECIMAL(4,2), b DATE, c INTEGER[])', "{'q\"{x}': 1.10, 'b': 2024-01-01, 'c': [1]}", None,
         {'q"{x}': 1.10, "b": "2024-01-01", "c": [1]}),
        ("STRUCT(a DOUBLE, b DOUBLE)", "{'a': NULL, 'b': inf}", None, Refused("not a finite number")),
        ("STRUCT(a DOUBLE, b DATE)", "{'a': NULL, 'b': NULL}", None, {"a": None, "b": None}),
        ("MAP(VARCHAR, DOUBLE)", '{"a\\"b"=1.5, c=NULL}', None, {'a"b': 1.5, "c": None}),
        ("MAP(VARCHAR, BIGINT)", "{a=9007199254740993}", None, Refused("integer beyond 2^53")),
        ("STRUCT(a STRUCT(b INTEGER)[])[]", "[{'a': [{'b': 1}]}]", None, [{"a": [{"b": 1}]}]),
        ('"NULL"', None, None, None),
    ],
)  # fmt: skip
def test_spelling(kind: str, text: str | None, field: str | None, wanted: Any) -> None:
    """Each value is carried into a field of each type exactly, or refused with this reason."""
    found = carry(kind, text, field)
    assert (found, type(found)) == (wanted, type(wanted))


@pytest.mark.parametrize(
    ("kind", "text", "field", "wanted"),
    [
        ("BIGINT", "9007199254740993", None, "9007199254740993"),
        ("DECIMAL(38,2)", "123456789012345678901234567890.10", "number", "123456789012345678901234567890.10"),
        ("BOOLEAN", "true", "boolean", "true"),
        ("VARCHAR[]", "[b, a]", "list", "b;a"),
        ("INTEGER[]", "[1, 2]", "list", "1;2"),
        ("DATE[]", "[2024-01-01]", "text", "2024-01-01"),
        ("VARCHAR[]", "[]", "list", ""),
        ("VARCHAR", "a;b", "list", "a;b"),
        (TSTZ, "1969-12-31 23:59:59.9995+00", "timestamp", "-1"),
        (TSTZ, "2024-01-01 00:00:00+00", "text", "2024-01-01T00:00:00Z"),
        ("DOUBLE[]", "[inf]", "list", Refused("not a finite number")),
    ],
)
def test_spelling_as_text(kind: str, text: str, field: str | None, wanted: Any) -> None:
    """Where numbers, booleans and lists travel as text, nothing is too large, and text fields get ISO, not epochs."""
    assert carry(kind, text, field, SEMI) == wanted


@pytest.mark.parametrize(
    ("kind", "field", "wire", "timezone"),
    [
        ("TIMESTAMP", None, WIRE, None),
        ("TIMESTAMP", None, WIRE, "Europe/Berlin'; DROP"),
        ("BLOB", None, WIRE, None),
        ("TIME", "text", WIRE, None),
        ("TIME WITH TIME ZONE", None, WIRE, None),
        ("INTERVAL", None, WIRE, None),
        ("BIT", None, WIRE, None),
        ("UNION(a INTEGER)", None, WIRE, None),
        ("my_type", None, WIRE, None),
        ("VARCHAR[]", None, WireFormat(list="refuse"), None),
        ("VARCHAR[]", "text", WIRE, None),
        ("VARCHAR", "list", WIRE, None),
        ("VARCHAR[][]", None, SEMI, None),
        ("STRUCT(a BLOB)", None, WIRE, None),
        ("STRUCT(INTEGER, INTEGER)", None, WIRE, None),
        ("STRUCT(a INTEGER)", "number", WIRE, None),
        ("JSON", None, WireFormat(json="refuse"), None),
        ("MAP(INTEGER, VARCHAR)", None, WIRE, None),
        ("INTEGER", "boolean", WIRE, None),
        ("INTEGER", "date", WIRE, None),
        ("BOOLEAN", "number", WIRE, None),
        ("DATE", "number", WIRE, None),
        ("", None, WIRE, None),
        ("MAP(INTEGER)", None, WIRE, None),
        ("VARCHAR[", None, WIRE, None),
        ("VARCHAR; DROP TABLE t", None, WIRE, None),
    ],
)
def test_never_carried(kind: str, field: str | None, wire: WireFormat, timezone: str | None) -> None:
    """A type that can never be carried is a problem of the plan, said before any row is read."""
    with pytest.raises(Unencodable) as problem:
        encode(kind, RemoteField("f", field) if field else None, wire, timezone=timezone)
    assert problem.value.reason


@pytest.mark.parametrize(
    ("local", "wanted"),
    [
        ("2024-07-01 12:00:00", "2024-07-01T10:00:00Z"),
        ("2024-01-01 12:00:00", "2024-01-01T11:00:00Z"),
        ("2024-03-31 02:30:00", Refused("a local time that Europe/Berlin skips")),
        ("2024-10-27 02:30:00", Refused("a local time that Europe/Berlin has twice")),
        ("2024-10-27 01:59:59", "2024-10-26T23:59:59Z"),
        ("2024-10-27 03:00:00", "2024-10-27T02:00:00Z"),
        ("infinity", Refused("an infinite date")),
        ("290000-01-01 00:00:00", Refused("outside the years 1 to 9999")),
    ],
)
def test_naive_timestamps(local: str, wanted: Any) -> None:
    """A naive timestamp is meant in the declared zone; a time that the zone skips or has twice is never guessed."""
    assert carry("TIMESTAMP", local, timezone="Europe/Berlin") == wanted


OPTIONS = RemoteField("f", "text", options=("a", "it's", "{x}", "7"), max_length=4)


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        ("VARCHAR", "it's", "it's"),
        ("VARCHAR", "{x}", "{x}"),
        ("VARCHAR", "A", Refused("not one of the options")),
        ("VARCHAR", "😀😀😀😀😀", Refused("longer than 4 characters")),
        ("INTEGER", "7", "7"),
        ("BOOLEAN", "true", Refused("not one of the options")),
    ],
)
def test_options(kind: str, text: str, wanted: Any) -> None:
    """A string field takes its options only, letter for letter, and no more characters than it holds."""
    assert carry(kind, text, OPTIONS) == wanted


def test_options_of_a_list() -> None:
    """Each item of a list is one of the options, whether the model joins them or we do."""
    field = RemoteField("f", "list", options=("a", "b"))
    assert carry("VARCHAR[]", "[b, a]", field, SEMI) == "b;a"
    assert carry("VARCHAR[]", "[b, c]", field, SEMI) == Refused("not one of the options")
    assert carry("VARCHAR", "a;b", field, SEMI) == "a;b"
    assert carry("VARCHAR", "a;c", field, SEMI) == Refused("not one of the options")
    assert carry("VARCHAR[]", "[a, c]", field) == Refused("not one of the options")


def test_text_limit() -> None:
    """The destination's limit on text holds beside the field's own; the shorter one counts, in code points."""
    wire = WireFormat(max_text=3)
    assert carry("VARCHAR", "€😀é", RemoteField("f", "text", max_length=9), wire) == "€😀é"
    assert carry("VARCHAR", "abcd", RemoteField("f", "text", max_length=9), wire) == Refused("longer than 3 characters")


FINE = Refused("more than 2 digits after the point: round it in the model")


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        ("DECIMAL(18,4)", "-0.1200", -0.12),
        ("DECIMAL(18,4)", "0.1201", FINE),
        ("DOUBLE", "0.07", 0.07),
        ("DOUBLE", "302493.41", 302493.41),
        ("DOUBLE", "0.30000000000000004", FINE),
        ("DOUBLE", "1e-28", FINE),
        ("DOUBLE", "1e-02", 0.01),
        ("DOUBLE", "90071992547409.93", 90071992547409.93),
        ("DOUBLE", "4e182", 4e182),
        ("FLOAT", "0.1", 0.1),
        ("FLOAT", "0.125", FINE),
        ("BIGINT", "7", 7),
        ("VARCHAR", "1.50", 1.5),
        ("VARCHAR", "1.505", FINE),
    ],
)
def test_decimals_that_a_field_would_round(kind: str, text: str, wanted: float | Refused) -> None:
    """A field that keeps two digits after the point takes what has no more, however the column spells it."""
    assert carry(kind, text, RemoteField("f", "number", decimals=2)) == wanted


EXTREMES = {
    "DATE": ["5881580-07-10", "5877642-06-25 (BC)", "infinity", "-infinity"],
    "TIMESTAMP": ["294247-01-10 04:00:54.775806", "290309-12-22 (BC) 00:00:00", "infinity", "-infinity"],
    "TIMESTAMP_S": ["290000-01-01 00:00:00", "infinity"],
    "TIMESTAMP_MS": ["290000-01-01 00:00:00", "-infinity"],
    "TIMESTAMP_NS": ["1677-09-22 00:00:00", "infinity", "-infinity"],
    TSTZ: ["294247-01-10 04:00:54.775806+00", "290309-12-22 (BC) 00:00:00+00", "infinity", "-infinity"],
    "DOUBLE": ["nan", "inf", "-inf", "1.7976931348623157e308"],
    "DECIMAL(38,0)": ["9" * 38, "-" + "9" * 38],
    "HUGEINT": [str(-(2**127)), str(2**127 - 1)],
    "UHUGEINT": [str(2**128 - 1), "0"],
    "VARCHAR": ["", "9" * 300, "-", "infinity", "0000-00-00", "9999-12-31T23:59:60Z", "99999-01-01T00:00:00Z", "null"],
}


@pytest.mark.parametrize("field", [None, "text", "integer", "number", "boolean", "date", "timestamp", "list", "json"])
@pytest.mark.parametrize("kind", EXTREMES)
@pytest.mark.parametrize("wire", [WIRE, SEMI], ids=["json", "text"])
def test_nothing_raises(kind: str, field: str | None, wire: WireFormat) -> None:
    """Neither SQL raises for any value, refused or not: one odd row must not stop the others."""
    remote = RemoteField("f", field) if field else None
    for timezone in ("UTC", "America/New_York"):
        try:
            encoding = encode(kind, remote, wire, timezone=timezone)
        except Unencodable:
            continue
        for row in column(kind, EXTREMES[kind], encoding):
            carried(row)

"""Objects made in SQL are the objects that json would make, whatever the fields are called."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revetl.contract import WireFormat
from revetl.encode import Part, Unencodable, clear_sql, constant_json, encode, object_sql
from revetl.sqltext import quote_identifier, quote_text
from tests.unit.encode.carry import CON

NAMES = ["a", "O'Brien", 'say "hi"', "back\\slash", "{x}", "{}", "{0}", "naïve 😀", "a\nb", "NUL\0",
         "'; DROP TABLE t; --",          "__proto__", "%s", "$1", "?", "\u2028"]  # fmt: skip


def selected(sql: str) -> str:
    row = CON.execute(f"SELECT {sql}").fetchone()
    assert row is not None
    return str(row[0])


def test_attack_list_of_names() -> None:
    """Every field name arrives as it is written, in the order given."""
    parts = [Part(name, f"'{i}'") for i, name in enumerate(NAMES)]
    assert list(json.loads(selected(object_sql(parts))).items()) == [(name, i) for i, name in enumerate(NAMES)]


def test_only_parts_whose_condition_holds() -> None:
    """A part is there where its condition is true; false and NULL leave it out."""
    parts = [Part("a", "'1'", "true"), Part("b", "'2'", "false"), Part("c", "'3'", "NULL"), Part("d", "'null'")]
    assert selected(object_sql(parts)) == '{"a":1,"d":null}'
    assert selected(object_sql(parts[1:3])) == "{}"
    assert selected(object_sql([])) == "{}"


def test_columns_of_any_name() -> None:
    """A column called by SQL, quotes or our own placeholder is read as that column."""
    for name in [name for name in NAMES if "\0" not in name]:
        column = quote_identifier(name)
        value = encode("VARCHAR", None, WireFormat(), timezone=None).over(column).value
        sql = object_sql([Part(name, value)])
        row = CON.execute(f"SELECT {sql} FROM (SELECT 'it''s' AS {column})").fetchone()
        assert row is not None
        assert json.loads(row[0]) == {name: "it's"}


@given(st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=200, deadline=None)
def test_any_text_is_quoted(text: str) -> None:
    """Quoted text comes back from the database as itself."""
    assert selected(quote_text(text)) == text


def test_names_that_cannot_be() -> None:
    """An empty name, a NUL or half a surrogate is refused before it reaches SQL."""
    for name in ("", "a\0b", "\ud800"):
        with pytest.raises(ValueError, match=r".+"):
            quote_identifier(name)
    with pytest.raises(Unencodable):
        object_sql([Part("\ud800", "'1'")])


def test_constants() -> None:
    """A constant is JSON text in one line; what is not JSON is refused."""
    assert constant_json({"é": [1, None, "a\n"]}) == '{"é":[1,null,"a\\n"]}'
    for value in (float("nan"), date(2024, 1, 1), b"x", "\udc00"):
        with pytest.raises(Unencodable, match="no JSON value"):
            constant_json(value)


def test_clearing() -> None:
    """What clears a field is the wire format's null."""
    assert selected(clear_sql(WireFormat())) == "null"
    assert selected(clear_sql(WireFormat(null=""))) == '""'

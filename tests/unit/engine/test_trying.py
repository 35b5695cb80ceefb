from __future__ import annotations

from typing import Any

import pytest

from revetl.config.cases import load_cases
from revetl.engine.trying import compared
from revetl.errors import ConfigError
from revetl.warehouse.given import known_type, type_of

CALL = {"call": "POST /a", "body": {"id": "x1", "rows": [1, 2]}}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"calls": {"a": [CALL]}}, {"calls": {"a": [CALL]}}),
        ({"calls": {"a": [{"call": "POST /a", "body": "*"}]}}, {"calls": {"a": [CALL]}}),
        ({"calls": {"a": [{"call": "POST /a", "body": {"id": "*", "rows": [1, 2]}}]}}, {"calls": {"a": [CALL]}}),
        ({"calls": {"a": [{"call": "B", "body": "*"}, CALL]}}, {"calls": {"a": [CALL, {"call": "B", "body": 1}]}}),
        ({"records": {"s": {}}}, {"records": {"s": {}}}),
    ],
)
def test_what_is_as_expected_shows_no_difference(wanted: Any, found: Any) -> None:
    """A star stands for anything, and calls may come in any order."""
    assert compared(wanted, found) == ()


@pytest.mark.parametrize(
    ("wanted", "found", "lines"),
    [
        ({"records": {"s": {"a": {"F": 1}}}}, {"records": {"s": {"a": {"F": "1"}}}}, {"-      F: 1", "+      F: '1'"}),
        ({"records": {"s": {}}}, {"records": {"s": {"a": {}}}}, {"-  s: {}", "+  s:", "+    a: {}"}),
        ({"calls": {"a": []}}, {"calls": {"a": [{"call": "B"}]}}, {"-  a: []", "+  a:", "+  - call: B"}),
        ({"calls": {"a": [CALL, CALL]}}, {"calls": {"a": [CALL]}}, {"-    call: POST /a"}),
        ({"records": {}}, {"records": {}, "held": {"s": ["x"]}}, {"+held:", "+  s:", "+  - x"}),
    ],
)
def test_what_differs_is_shown(wanted: Any, found: Any, lines: set[str]) -> None:
    """A value of another type, somebody too many, a call too many or too few, something held: none passes."""
    assert lines <= set(compared(wanted, found))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([None], None),
        ([1, None, 2], "BIGINT"),
        ([1, 2.5], "DOUBLE"),
        ([True], "BOOLEAN"),
        ([1, "a"], "VARCHAR"),
        (["2026-03-01"], "DATE"),
        (["2026-03-01T10:00:00Z", "2026-03-01 11:30+02:00"], "TIMESTAMPTZ"),
        (["2026-03-01 10:00"], "TIMESTAMP"),
        (["0123"], "VARCHAR"),
        ([["a"]], "VARCHAR[]"),
    ],
)
def test_rows_tell_types(values: list[Any], kind: str | None) -> None:
    """Whole numbers, dates and times are told from text; what is mixed is text."""
    assert type_of(values) == kind


def test_a_type_is_taken_only_where_duckdb_knows_it() -> None:
    """What a warehouse calls otherwise is left to the rows, and no text gets into SQL."""
    assert known_type("decimal(10,2)") == "decimal(10,2)"
    assert known_type("TIMESTAMP_NTZ(9)") is None
    assert known_type("INT); DROP TABLE x; --") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cases: []", "cases"),
        ("cases: [{given: {}}]", "name"),
        ("cases:\n  - name: a\n    expects: {}", "c.yml:3: unknown key 'expects'"),
        ("cases: [{name: a, expect: {records: {x: {y: {field: 1}}}}}]", "'field'"),
    ],
)
def test_a_file_that_is_no_file_of_cases_says_where(text: str, said: str) -> None:
    """RVT-130 names the key, its line and what is near."""
    with pytest.raises(ConfigError) as error:
        load_cases(text, path="c.yml")
    assert error.value.code == "RVT-130"
    assert said in str(error.value)

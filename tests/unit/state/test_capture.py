"""What a statement writes of the state, and by what the rows are known that it writes."""

from __future__ import annotations

import pytest

from revetl.state.capture import Write, write_of
from revetl.state.working import known_by

LOOSE = {"a": "VARCHAR", "b": "INTEGER"}


def test_rows_are_known_by_their_keys() -> None:
    """Of a sync's own tables by the key's parts, with the cohort, or by the number of the change."""
    two = {"seq": "BIGINT", "k0": "VARCHAR", "k1": "INTEGER", "cohort": "VARCHAR", "m": "VARCHAR", "k1x": "VARCHAR"}
    assert list(known_by("snap_12", two)) == ["k0", "k1"]
    assert known_by("members_1", two) == {"k0": "VARCHAR", "k1": "INTEGER", "cohort": "VARCHAR"}
    assert known_by("after_1", two) == {"seq": "BIGINT"}
    assert known_by("remote", {"sync": "A", "key": "B", "created": "C"}) == {"sync": "A", "key": "B"}
    for other in ("snap_1x", "a_snap_1", "snaps", "loose"):
        assert known_by(other, LOOSE) == LOOSE


@pytest.mark.parametrize(
    ("sql", "write"),
    [
        ("INSERT INTO {s}.meta VALUES (1)", Write("insert", "meta", "meta")),
        ("  delete from {s}.runs as r using x q where r.a = q.a", Write("delete", "runs", "r")),
        ("DELETE FROM {s}.runs WHERE run = ?", Write("delete", "runs", "runs", simple=True)),
        ("DELETE FROM {s}.runs WHERE run = ? OR run = ?", Write("delete", "runs", "runs")),
        ("UPDATE {s}.a SET b = ? WHERE c = ? AND d = ?", Write("update", "a", "a", True, frozenset({"b"}))),
        (
            "UPDATE {s}.a AS t SET b = f(1, 2), c = 3 FROM q WHERE t.d = q.d",
            Write("update", "a", "t", False, frozenset("bc")),
        ),
        ("UPDATE {s}.a SET b = 1", Write("update", "a", "a", False, frozenset("b"))),
        ("CREATE TABLE IF NOT EXISTS {s}.a (b INTEGER)", Write("create", "a", "a")),
        ("ALTER TABLE {s}.a DROP COLUMN b", Write("alter", "a", "a")),
        ("DROP TABLE IF EXISTS {s}.a", Write("drop", "a", "a")),
        ("SELECT * FROM {s}.a", None),
        ("CREATE OR REPLACE TEMP TABLE x AS SELECT * FROM {s}.a", None),
        ("INSERT INTO x SELECT * FROM {s}.a", None),
        ("COPY (SELECT * FROM {s}.a) TO 'x'", None),
        ("DELETE FROM elsewhere", None),
    ],
)  # fmt: skip
def test_what_a_statement_writes(sql: str, write: Write | None) -> None:
    """Verb, table, the name that the statement gives it, whether any engine takes it, and the columns that it sets."""
    assert write_of(sql.replace("{s}", "revetl_state")) == write


def test_a_statement_that_is_not_understood_is_shown() -> None:
    """Its beginning, not all of it."""
    sql = "TRUNCATE revetl_state.runs " + "x" * 100
    with pytest.raises(RuntimeError) as refused:
        write_of(sql)
    assert str(refused.value) == f"this statement on a shared state is not understood: {sql[:80]}"

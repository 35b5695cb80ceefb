"""What kind of change each is, for the habits of a sync."""

from __future__ import annotations

from datetime import UTC, datetime

from revetl.diff.habits import counting
from revetl.state.store import Store
from revetl.types import CONSENT
from revetl.warehouse.connection import connect
from tests.unit.diff.test_engines import everything

CHANGES = [  # key, op, cause, cohort, local, verdict
    ("a", "leave", "data", None, None, None),
    ("a", "part", "data", "vip", None, None),  # of one who leaves
    ("b", "leave", "data", None, None, "rejected"),
    ("b", "leave", "data", None, "handed_over", None),
    ("c", "upsert", "data", None, None, None),
    ("d", "upsert", "data", None, None, None),
    ("e", "upsert", "data", None, None, None),
    ("e", "upsert", "mapping", None, None, None),
    ("e", "upsert", "data", None, "quiet", None),
    ("f", "join", "data", "vip", None, None),
    ("f", "join", "data", "gold", None, None),
    ("f", "part", "data", "vip", None, None),
    ("f", "part", "mapping", "vip", None, None),
    ("f", "join", "data", f"{CONSENT}:news", None, None),
]


def test_each_change_is_of_one_kind_or_of_none() -> None:
    """Refused, handed over, mapped anew, local, of consent or of a leaver: such changes are no habit of the data."""
    _, shape = everything()
    con = connect()
    Store(con, None, lambda: datetime(2026, 11, 20, tzinfo=UTC))  # nothing of it is pending
    con.execute(
        f"CREATE TEMP TABLE changes_{shape.id} (key TEXT, op TEXT, cause TEXT, cohort TEXT, local TEXT, verdict TEXT)"
    )
    con.executemany(f"INSERT INTO changes_{shape.id} VALUES (?, ?, ?, ?, ?, ?)", CHANGES)
    con.execute(f"CREATE TEMP TABLE delta_{shape.id} AS SELECT * FROM (VALUES ('c', true), ('d', false)) t(key, known)")
    found = con.execute(counting(shape)).fetchall()
    assert sorted(found, key=str) == [
        ("changes", None, 1), ("joins", "gold", 1), ("joins", "vip", 1), ("leaves", None, 1), ("new", None, 2),
        ("parts", "vip", 1),
    ]  # fmt: skip

"""What kind of change each is, for the habits of a sync."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from revetl.diff.habits import Usual, counting, usual
from revetl.state.store import Store
from revetl.types import CONSENT, Habit
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


NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_only_runs_that_counted_a_kind_tell_of_it() -> None:
    """Of a cohort its own counts; a run that knew nothing of it, or read not all that it takes, is none of them."""
    runs = [Habit(NOON + timedelta(hours=n), n % 2 == 0, {"parts gold": n, "joins gold": n}) for n in range(16)]
    others = [Habit(NOON + timedelta(hours=n), True, {"parts": 99}) for n in range(16)]
    later = NOON + timedelta(hours=16)
    assert usual("joins", "gold", [*runs, *others], later) == Usual(16, 8, 15, 67)
    assert usual("parts", "gold", [*runs, *others], later) == Usual(8, 7, 14, 67)
    assert usual("parts", "gold", runs[:14], later) is not None
    assert usual("parts", "gold", runs[:12], later) is None


def test_runs_of_one_moment_say_nothing_of_time() -> None:
    """Where no time went by between them, none that went by since makes more usual."""
    runs = [Habit(NOON, True, {"new": 5})] * 7
    assert usual("new", None, runs, NOON + timedelta(days=9)) == Usual(7, 5, 5, 10)
    split = [*runs[:4], *[Habit(NOON + timedelta(seconds=1), True, {"new": 5})] * 4]
    assert usual("new", None, split, NOON + timedelta(days=9)) == Usual(8, 5, 5, 10)

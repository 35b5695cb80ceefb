"""Approvals: of one guard of one sync, bounded by rows and time, used up once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from revetl.state.approvals import FRESH, Approvals
from revetl.state.store import Store
from revetl.warehouse.connection import connect

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        """Begin at noon."""
        self.now = NOON

    def __call__(self) -> datetime:
        """Return the moment."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the state."""
    return Clock()


@pytest.fixture
def approvals(clock: Clock) -> Iterator[Approvals]:
    """Return the approvals of a state in memory, one of 3 rows for an hour among them."""
    store = Store(connect(), None, clock)
    made = Approvals(store)
    made.add("s", "max_leave", cohort=None, up_to=3, span=timedelta(hours=1), who="1", reason="a sale")
    store.con.execute("CREATE TEMP TABLE held AS SELECT 'k1' AS key, 'leave' AS op, NULL AS cohort")
    yield made
    store.close()


def test_it_is_recorded(approvals: Approvals) -> None:
    """Who approved what, when, until when and why can be read afterwards."""
    made = approvals.add("s", "g", cohort="c", up_to=5, span=timedelta(hours=2), who="1", reason="why")
    rows = approvals.store.rows(f"SELECT * FROM revetl_state.approvals WHERE id = '{made.id}'")
    until = NOON + timedelta(hours=2)
    assert rows == [(made.id, "s", "g", "c", None, 5, until, "1", NOON, "why", None)]
    assert (made.cohort, made.hash, made.up_to, made.until, made.at, made.who) == ("c", None, 5, until, NOON, "1")
    assert len(made.id) == 8


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (("s", "max_leave", None, 3), True),
        (("s", "max_leave", None, 4), False),
        (("t", "max_leave", None, 1), False),
        (("s", "max_null", None, 1), False),
        (("s", "max_leave", "gold", 1), False),
    ],
)
def test_it_is_of_one_guard_of_one_sync(approvals: Approvals, asked: Any, allowed: bool) -> None:
    """Another sync, guard or cohort, or more rows, is not let through, and uses nothing up."""
    assert approvals.allows(*asked) is allowed
    assert len(approvals.used) == allowed


def test_it_ends(approvals: Approvals, clock: Clock) -> None:
    """It holds until its hour is over, and no longer."""
    clock.now = NOON + timedelta(minutes=59)
    assert approvals.allows("s", "max_leave", None, 1)
    clock.now = NOON + timedelta(hours=1)
    assert not approvals.allows("s", "max_leave", None, 1)


def test_it_is_used_once_and_the_earliest_first(approvals: Approvals) -> None:
    """Of two, that which ends first is used up; one without a bound lets any number through."""
    later = approvals.add("s", "max_leave", cohort=None, up_to=None, span=timedelta(hours=5), who="1", reason="")
    assert approvals.allows("s", "max_leave", None, 2)
    assert approvals.used != [later.id]
    approvals.close("r1", "1")
    assert approvals.used == []
    assert approvals.allows("s", "max_leave", None, 999)
    assert approvals.used == [later.id]
    approvals.close("r2", "1")
    assert not approvals.allows("s", "max_leave", None, 1)
    used = approvals.store.rows("SELECT used_by FROM revetl_state.approvals ORDER BY until")
    assert used == [("r1",), ("r2",)]


def test_a_refusal_is_approved_by_its_hash(approvals: Approvals, clock: Clock) -> None:
    """For a day, for its own sync and guard; what relied on it is recorded with who ran it, and it is gone."""
    approvals.refused("h1", "s", "max_null", "held")
    approvals.refused("h1", "s", "max_null", "held")  # the same again
    assert approvals.store.rows("SELECT hash, sync, guard, key, op, cohort, ts FROM revetl_state.refused") == [
        ("h1", "s", "max_null", "k1", "leave", None, NOON)
    ]
    assert not approvals.allows("s", "max_null", None, 1, ["other"])
    assert not approvals.allows("t", "max_null", None, 1, ["h1"])
    assert not approvals.allows("s", "max_change", None, 1, ["h1"])
    clock.now = NOON + FRESH
    assert [approvals.known("h1"), approvals.known("other")] == [True, False]
    assert approvals.allows("s", "max_null", "gold", 1, ["other", "h1"])
    approvals.close("r1", "1")
    assert approvals.hashes == {}
    assert approvals.store.rows(
        "SELECT sync, guard, cohort, hash, up_to, until, who, ts, reason, used_by FROM revetl_state.approvals "
        "WHERE hash IS NOT NULL"
    ) == [("s", "max_null", "gold", "h1", 1, clock.now, "1", clock.now, "named by its hash", "r1")]
    assert not approvals.known("h1")


def test_a_refusal_of_yesterday_is_not_approved(approvals: Approvals, clock: Clock) -> None:
    """After a day its changes must be refused again."""
    approvals.refused("h1", "s", "max_null", "held")
    clock.now = NOON + FRESH + timedelta(seconds=1)
    assert not approvals.known("h1")
    assert not approvals.allows("s", "max_null", None, 1, ["h1"])

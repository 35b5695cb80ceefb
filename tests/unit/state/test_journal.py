"""The journal: what is written of what became of changes, and when it counts."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revetl.state.journal import Journal, Tally, ranges_of
from revetl.state.schema import STATE
from revetl.types import Batch, Change, Op, Outcome, Status
from tests.unit.state.looked import State, state
from tests.unit.state.written import MAIL, NOON

__all__ = ["state"]


def change(seq: int, **more: Any) -> Change:
    """Return a change of this number."""
    return Change(seq, **{"sync": MAIL, "key": f"k{seq}", "op": Op.UPSERT, "match": "A@x", "identity": "a@x", **more})


def outcome(seq: int, status: Status = Status.DELIVERED, **more: Any) -> Outcome:
    """Return what became of it."""
    return Outcome(change(seq), status, **more)


@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.sampled_from("ab"), st.sampled_from([200, 201]), st.booleans()),
        unique_by=lambda o: o[0],
    )
)
def test_ranges_are_the_deliveries(some: list[tuple[int, str, int, bool]]) -> None:
    """Each number once, of one request, in order, and no range that could go on: lost attempts are not among them."""
    given_ = [outcome(seq, request_id=req, http_status=http, repeated=again) for seq, req, http, again in some]
    found = ranges_of([*given_, outcome(99, Status.REJECTED, request_id="a")])
    said = {seq: (req, http) for seq, req, http, again in some if not again}
    told = [(seq, (first.request_id, first.http_status)) for lo, hi, first in found for seq in range(lo, hi + 1)]
    assert told == sorted(said.items())
    for (_, hi, one), (lo, _, two) in pairwise(found):
        assert lo > hi + 1 or (one.request_id, one.http_status) != (two.request_id, two.http_status)


def test_outcomes_are_durable_once_flushed(state: State) -> None:
    """Ranges, exceptions, ids and fields that were kept; counts come with them, never before, and once."""
    journal = Journal(state, "r1")
    done = [
        outcome(1, request_id="q", http_status=200, remote_id="id-1", created=True),
        outcome(2, request_id="q", http_status=200),
        outcome(3, repeated=True, http_status=200, remote_id="id-3"), outcome(4, code="IMPLIED", kept=("a", "b")),
        outcome(5, created=False), outcome(6, Status.REJECTED, code="NO", reason="no", remote_id="x", http_status=400),
        outcome(7, Status.REJECTED, repeated=True, code="NO", request_id="z"),
    ]  # fmt: skip
    journal.settle(done[:4])
    journal.settle(done[4:])
    assert journal.tallies == {}
    assert state.points == []
    journal.flush()
    journal.flush()
    assert state.points == ["before_ack", "after_ack"]
    now = NOON + timedelta(minutes=2)
    assert state.rows(f"SELECT * FROM {STATE}.acks ORDER BY lo") == [
        ("r1", 1, 2, "delivered", now, 200, "q"), ("r1", 4, 5, "delivered", now, None, None),
    ]  # fmt: skip
    assert state.rows(f"SELECT * FROM {STATE}.exceptions ORDER BY seq") == [
        ("r1", 3, "delivered", "REPEATED", "", now, 200, None), ("r1", 4, "delivered", "IMPLIED", "", now, None, None),
        ("r1", 6, "rejected", "NO", "no", now, 400, None), ("r1", 7, "rejected", "NO", "", now, None, "z"),
    ]  # fmt: skip
    assert state.rows(f"SELECT * FROM {STATE}.remote_new ORDER BY seq") == [
        ("r1", 1, "id-1", True), ("r1", 3, "id-3", None), ("r1", 5, None, False),
    ]  # fmt: skip
    assert state.rows(f"SELECT * FROM {STATE}.kept") == [("r1", 4, '{"a": null, "b": null}')]
    counts = journal.tally(MAIL).counts
    assert {status: n for status, n in counts.items() if n} == {Status.DELIVERED: 5, Status.REJECTED: 2}
    assert set(counts) == set(Status)
    journal.settle([outcome(8)])
    journal.flush()
    assert counts[Status.DELIVERED] == 6
    assert journal.tally("other") == Tally()
    assert list(journal.tallies) == [MAIL, "other"]


def test_a_reason_does_not_repeat_the_person(state: State) -> None:
    """Neither the identity there, nor the one before, nor either as it is compared."""
    journal = Journal(state, "r1")
    named = change(1, match="New@x", identity="new@x", before_match="Old@x")
    journal.settle([Outcome(named, Status.REJECTED, code="C", reason="New@x (new@x) was Old@x, not other@x")])
    journal.settle(
        [
            outcome(2, Status.REJECTED, reason="plain"),
            Outcome(change(3, match="", identity=""), Status.UNKNOWN, reason="abc"),
        ]
    )
    journal.flush()
    reasons = [row[0] for row in state.rows(f"SELECT reason FROM {STATE}.exceptions ORDER BY seq")]
    assert reasons == ["••• (•••) was •••, not other@x", "plain", "abc"]


@pytest.mark.parametrize(
    ("known", "more", "brought"),
    [
        ({}, {}, 0),
        ({}, {"remote_id": "1"}, 1),
        ({}, {"created": False}, 1),
        ({"remote_id": "1"}, {"remote_id": "1"}, 0),
        ({"remote_id": "1"}, {"remote_id": "2"}, 1),
        ({"remote_id": "1"}, {}, 0),
        ({"created": True}, {"created": True}, 0),
        ({"created": True}, {"created": False}, 1),
        ({"created": True}, {}, 0),
        ({"op": Op.IDENTITY, "remote_id": "1"}, {"remote_id": "1"}, 1),
        ({"op": Op.IDENTITY, "created": False}, {"created": False}, 1),
        ({"op": Op.IDENTITY}, {}, 0),
    ],
)
def test_whether_ids_came(state: State, known: dict[str, Any], more: dict[str, Any], brought: int) -> None:
    """An id, or word of who made it, that the change did not know or that stands after a rename."""
    journal = Journal(state, "r1")
    journal.settle([])
    journal.settle([outcome(1), Outcome.delivered(change(2, **known), **more), outcome(3)])
    assert journal.brought_ids(MAIL) == brought
    journal.settle([outcome(4, remote_id="4")])
    assert journal.brought_ids(MAIL) == brought + 1
    assert not journal.brought_ids("other")


def test_calls_and_jobs_are_noted_before_they_count(state: State) -> None:
    """Which numbers leave that must not be repeated blindly, which job carries them; and how many calls there were."""
    journal = Journal(state, "r1")
    batch = Batch(MAIL, "person", Op.UPSERT, [change(3), change(5)], None)
    journal.started(batch)
    assert state.rows(f"SELECT * FROM {STATE}.started") == [("r1", 3, 5)]
    journal.job(batch, "job-1")
    assert state.rows(f"SELECT * FROM {STATE}.jobs") == [("r1", MAIL, 3, 5, "job-1", NOON + timedelta(minutes=2))]
    assert state.points == ["before_job", "after_job"]
    assert journal.calls == 0
    for _ in range(2):
        journal.call(None, None, 200, 0.1)
    assert journal.calls == 2

"""Times and keys as people type them; flows folded in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revetl.engine.belief import fold
from revetl.engine.keytext import candidates, parts_of, spell
from revetl.engine.times import moment, parse_moment
from revetl.errors import UsageError
from revetl.state.flowlog import Flow

EAST = timezone(timedelta(hours=2))
NOW = datetime(2026, 11, 21, 0, 30, tzinfo=UTC)  # 02:30 in EAST


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20 12:00", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20T12:00:30", datetime(2026, 11, 20, 10, 0, 30, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 19, 22, tzinfo=UTC)),
        ("2026-11-20T12:00Z", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("2026-11-20 12:00-05:00", datetime(2026, 11, 20, 17, tzinfo=UTC)),
        ("yesterday 12:00", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("Yesterday at 9:05", datetime(2026, 11, 20, 7, 5, tzinfo=UTC)),
        ("today", datetime(2026, 11, 20, 22, tzinfo=UTC)),
        ("36h", NOW - timedelta(hours=36)),
        ("2 d ago", NOW - timedelta(days=2)),
        ("now", NOW),
    ],
)
def test_times_as_people_type_them(text: str, expected: datetime) -> None:
    """What has no offset is in the reader's zone, days too; what has one is not."""
    assert parse_moment(text, NOW, EAST) == expected


@pytest.mark.parametrize("text", ["", "noon", "2026-13-01", "yesterday 25:00", "999999d", "0001-01-01 00:00+02:00"])
def test_no_times(text: str) -> None:
    """What is no time, or none that can be told, is refused with examples."""
    with pytest.raises(UsageError) as caught:
        parse_moment(text, NOW, EAST)
    assert caught.value.code == "RVT-851"


def test_moments_are_shown_with_their_zone() -> None:
    """A time is shown in UTC with Z."""
    assert moment(datetime(2026, 11, 20, 12, tzinfo=EAST)) == "2026-11-20 10:00:00Z"
    assert moment(None) == "never"


@given(st.lists(st.one_of(st.text(), st.integers(), st.booleans()), min_size=1, max_size=4))
def test_keys_survive_their_spelling(parts: list[str | int | bool]) -> None:
    """A key's text, typed back as an array, is the same key."""
    assert candidates(spell(parts)) == (spell(parts),)
    assert parts_of(spell(parts)) == tuple(parts)


def test_what_a_bare_word_may_mean() -> None:
    """A word is a text key; digits may be a number too, unless no number is written so."""
    assert candidates("c-17") == ('["c-17"]',)
    assert candidates("17") == ('["17"]', "[17]")
    assert candidates("017") == ('["017"]',)


def flow(seq: int, op: str, outcome: str = "delivered", **more: object) -> Flow:
    """Return one flow of the key c1."""
    found = {
        "run": "r1", "seq": seq, "time": NOW + timedelta(seconds=seq), "sync": "s.c", "key": '["c1"]', "op": op,
        "cause": "data", "cohort": None, "identity": "x", "before_identity": None, "values": {}, "outcome": outcome,
    }  # fmt: skip
    return Flow(**{**found, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", ["rejected", "unknown", "waiting", "open"])
def test_only_deliveries_count(outcome: str) -> None:
    """What was not proven applied changes no belief."""
    assert not fold([flow(1, "upsert", outcome, values={"A": 1})]).there


def test_leaves() -> None:
    """A leave with values cleared fields and the record stays; one without ended it, memberships too."""
    begun = [flow(1, "upsert", values={"A": 1, "B": 2}), flow(2, "join", cohort="vip")]
    cleared = fold([*begun, flow(3, "leave", values={"A": None})])
    assert (cleared.there, cleared.fields["A"].value, cleared.fields["B"].value) == (True, None, 2)
    gone = fold([*begun, flow(3, "leave")])
    assert (gone.there, gone.fields, gone.cohorts) == (False, {}, ())
    assert gone.memberships[0].until == gone.left
    back = fold([*begun, flow(3, "leave"), flow(4, "upsert", values={"A": 3})])
    assert (back.there, back.left, back.since, back.cohorts) == (True, None, NOW + timedelta(seconds=4), ())


def test_identity_moves_the_match_field() -> None:
    """After a rename the match field stands by that flow, hidden where the ledger hides identities."""
    begun = [flow(1, "upsert", values={"E": "old", "A": 1}), flow(2, "identity", identity="f" * 64)]
    found = fold(begun, "E")
    assert (found.fields["E"].seq, found.fields["E"].hidden, found.identity) == (2, True, "f" * 64)
    assert found.made_by == {1, 2}
    assert (
        fold([flow(1, "upsert", values={"E": "old"}), flow(2, "identity", identity="new")], "E").fields["E"].value
        == "new"
    )


def test_joins_and_parts_make_stays() -> None:
    """Each stay in a cohort has its begin and end; joining again while a member begins nothing."""
    found = fold([
        flow(1, "join", cohort="a"), flow(2, "join", cohort="a"), flow(3, "join", cohort="b"),
        flow(4, "part", cohort="a"), flow(5, "join", cohort="a"), flow(6, "part", "local", cohort="b"),
    ])  # fmt: skip
    begin, stays = NOW, [(s.cohort, s.since, s.until) for s in found.memberships]
    at = [begin + timedelta(seconds=n) for n in range(7)]
    assert stays == [("a", at[1], at[4]), ("b", at[3], at[6]), ("a", at[5], None)]
    assert found.cohorts == ("a",)

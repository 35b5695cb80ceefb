"""Marketo's exchanges with one answer on the way refused or odd, at every call in turn: nothing is made up."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from marketo_case import CONTEXT, Instance, of

from revetl.contract import Call, Reply
from revetl.destinations.marketo import MARKETO
from revetl.errors import DestinationError
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import change
from revetl.types import Change, Cohort, OnLeave, Op, Person, Status

NO = Cohort("no", "no", "unsubscribe")
Exchange = Generator[Any, Any, Any]


def refused(code: int) -> bytes:
    """Return the body of a refusal."""
    return orjson.dumps({"success": False, "errors": [{"code": str(code), "message": "no"}]})


ODD = {
    "refused for what was sent": refused(1003),
    "refused for the list": refused(1013),
    "refused for another reason": refused(799),
    "rows of another kind": b'{"success": true, "result": [1]}',
    "rows without ids": b'{"success": true, "result": [{"status": "updated"}, {"status": "added"}]}',
    "a status that is none": b'{"success": true, "result": [{"id": 1001, "status": "paused"}]}',
    "people of other ids": b'{"success": true, "result": [{"id": 5, "status": "added"}, {"id": 6, "status": "added"}]}',
    "no rows": b'{"success": true}',
}


def peopled(name: str | None = "new") -> tuple[Instance, dict[int, Change]]:
    """Return an instance and changes of its people: known, gone, doubled, unknown to us, and a stranger."""
    instance = Instance()
    ids = {n: instance.person(f"c{n}@example.org", firstName="old") for n in (1, 2, 3, 4)}
    instance.person("c3@example.org")
    instance.ask("POST", "/rest/v1/leads/delete.json", {"input": [{"id": ids[2]}]})
    instance.person("c2@example.org")
    rows = {n: change(n, fields={"firstName": name}) for n in (1, 2, 3, 4, 5)}
    return instance, {n: replace(r, remote_id=str(ids[n]) if n < 3 else None, created=n < 3) for n, r in rows.items()}


def exchange(name: str, instance: Instance, rows: dict[int, Change]) -> Exchange:
    """Return an exchange that makes as many calls as it can."""
    run = MARKETO.actions
    every, prepared = list(rows.values()), instance.prepared()
    moves = [
        replace(
            rows[1], op=Op.IDENTITY, match="c4@example.org", identity="c4@example.org", before_match="c1@example.org"
        ),
        replace(
            rows[2], op=Op.IDENTITY, match="n2@example.org", identity="n2@example.org", before_match="c2@example.org"
        ),
    ]
    made: dict[str, Callable[[], Exchange]] = {
        "upsert": lambda: run[Op.UPSERT].run(of(every)),
        "join": lambda: run[Op.JOIN].run(of(every, Op.JOIN, prepared=prepared)),
        "part": lambda: run[Op.PART].run(of(every, Op.PART, prepared=prepared)),
        "withdraw": lambda: run[Op.JOIN].run(of(every, Op.JOIN, cohort=NO)),
        "identity": lambda: run[Op.IDENTITY].run(of(moves, Op.IDENTITY)),
        "clear": lambda: run[Op.LEAVE].run(of(every, Op.LEAVE, on_leave=OnLeave.CLEAR)),
        "delete": lambda: run[Op.LEAVE].run(of(every, Op.LEAVE, on_leave=OnLeave.DELETE)),
    }
    return made[name]()


def disturbed(name: str, at: int, body: bytes) -> tuple[Driven, Instance, bool]:
    """Run an exchange whose call ``at`` is not done and answered by ``body``; return whether there was such a call."""
    instance, rows = peopled(None if name == "clear" else "new")
    steps, count = exchange(name, instance, rows), [0]

    def answer(call: Call) -> Reply:
        count[0] += 1
        return Reply(200, body) if count[0] == at else instance(call)

    return drive(steps, answer), instance, count[0] >= at


@pytest.mark.parametrize("body", ODD.values(), ids=list(ODD))
@pytest.mark.parametrize("name", ["upsert", "join", "part", "withdraw", "identity", "clear", "delete"])
def test_a_call_that_was_not_done_delivers_nobody(name: str, body: bytes) -> None:
    """At each call in turn: one outcome a change at most, and whoever counts as delivered is as wished there."""
    for at in range(1, 20):
        seen, instance, disturbing = disturbed(name, at, body)
        if not disturbing:
            assert at > 2, "the exchange makes at least two calls"
            return
        numbers = [outcome.change.seq for outcome in seen.outcomes]
        assert len(numbers) == len(set(numbers))
        people = instance.people()
        for outcome in seen.outcomes:
            if outcome.status is Status.DELIVERED and outcome.change.seq != 5:
                assert as_wished(name, outcome.change, people, instance), (at, outcome)
    pytest.fail("it never ends")


def as_wished(name: str, row: Change, people: dict[int, dict[str, Any]], instance: Instance) -> bool:
    """Return whether what stands there is what the change wished."""
    mine = {number: one for number, one in people.items() if one["email"] == row.match}
    known = int(row.remote_id) if row.remote_id else None
    listed = bool(instance.listed() & set(mine))
    wished: dict[str, bool] = {
        "upsert": any(one.get("firstName") == row.fields.get("firstName") for one in mine.values()),
        "join": listed,
        "part": not listed,
        "withdraw": any(one.get("unsubscribed") for one in mine.values()),
        "identity": known not in people or people[known or 0]["email"] == row.match,
        "delete": known not in people if known else not mine,
        "clear": not any(one.get("firstName") for one in mine.values()),
    }
    return wished[name]


@pytest.mark.parametrize("body", ODD.values(), ids=list(ODD))
def test_an_erasure_that_was_refused_is_no_erasure(body: bytes) -> None:
    """Whoever counts as erased is gone; an answer that is odd is not understood."""
    assert MARKETO.erase is not None
    for at in (1, 2):
        instance, _ = peopled()
        count = [0]

        def answer(call: Call, at: int = at, count: list[int] = count, there: Instance = instance) -> Reply:
            count[0] += 1
            return Reply(200, body) if count[0] == at else there(call)

        seen = drive(MARKETO.erase.run(CONTEXT, [Person("c1@example.org"), Person("c3@example.org")]), answer)
        if seen.unreadable is None:
            left = {one["email"] for one in instance.people().values()}
            assert not {one.identity for one in seen.value if one.status == "erased"} & left
            assert {one.status for one in seen.value} <= {"failed", "absent"}


@pytest.mark.parametrize("body", ODD.values(), ids=list(ODD))
def test_questions_are_not_answered_by_odd_words(body: bytes) -> None:
    """Fields, lists and people: an error or an answer that is not understood, never an empty account."""
    assert MARKETO.discover
    assert MARKETO.read_back
    assert MARKETO.create_field
    ask = replace(CONTEXT, prepared={"cohorts": {"vip": "7"}})
    for question in (MARKETO.discover(CONTEXT), MARKETO.read_back.run(ask, ["c1@example.org"])):
        try:
            seen = drive(question, lambda _: Reply(200, body))
        except DestinationError as error:
            assert error.code == "RVT-651"
        else:
            assert seen.unreadable is not None

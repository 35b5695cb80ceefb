"""Marketo's nuances, before its stand-in and scripted answers: ids that go, people that are doubled, refusals."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
import pytest
from marketo_case import CONTEXT, SETTINGS, TOLD, Instance, of, people, told
from pydantic import ValidationError

from revetl.contract import Fault, Http, Reply
from revetl.destinations.marketo import MARKETO, auth
from revetl.destinations.marketo.auth import MarketoSettings
from revetl.errors import DestinationError
from revetl.testing.drive import deliver, drive
from revetl.testing.seeds import change
from revetl.types import Mode, OnLeave, Op, Person, RemoteField, Status

DONE, NO, WAITS = Status.DELIVERED, Status.REJECTED, Status.WAITING


def body(call: Any) -> Any:
    """Return a call's JSON."""
    assert isinstance(call, Http)
    return orjson.loads(call.content or b"")


def refused(code: int, message: str = "no") -> dict[str, Any]:
    """Return the envelope of a refusal."""
    return {"requestId": "1", "success": False, "errors": [{"code": str(code), "message": message}]}


# --- rows ------------------------------------------------------------------------------------------------------------


def test_rows_fail_one_by_one_by_position() -> None:
    """A wrong value and an unknown field skip their rows by code; everybody else is written by the same call."""
    rows = people(range(1, 6))
    rows[1] = change(2, fields={"visits": "many"})
    rows[3] = change(4, fields={"nothing": "x"})
    seen = Instance().run(Op.UPSERT, rows)
    assert told(seen.outcomes) == {1: (DONE, ""), 2: (NO, "1003"), 3: (DONE, ""), 4: (NO, "1006"), 5: (DONE, "")}
    assert len(seen.calls) == 1


def test_modes_are_the_vendors_actions() -> None:
    """Insert refuses who is there, update who is not; neither touches the others."""
    instance = Instance()
    instance.person("c1@example.org", firstName="old")
    rows = people(range(1, 3))
    assert told(instance.run(Op.UPSERT, rows, mode=Mode.INSERT).outcomes) == {1: (NO, "1005"), 2: (DONE, "")}
    assert [one["firstName"] for one in instance.people().values()] == ["old", "F2"]
    rows = people(range(2, 4), firstName="new")
    assert told(instance.run(Op.UPSERT, rows, mode=Mode.UPDATE).outcomes) == {2: (DONE, ""), 3: (NO, "1004")}
    assert [one["firstName"] for one in instance.people().values()] == ["old", "new"]


def test_a_partition_is_named_where_people_are_made() -> None:
    """New people go where the settings say; updates name no partition, which Marketo would refuse."""
    instance = Instance(partitions=["Default", "EU"])
    settings = MarketoSettings.model_validate({**TOLD, "partition": "EU"})
    (made,) = instance.run(Op.UPSERT, people(range(1, 2)), settings=settings).outcomes
    assert [one["partition"] for one in instance.people().values()] == ["EU"]
    known = replace(people(range(1, 2))[0], remote_id=made.remote_id)
    assert told(instance.run(Op.UPSERT, [known], settings=settings).outcomes) == {1: (DONE, "")}


def test_who_is_known_is_updated_by_id() -> None:
    """An address that was changed there makes no second person."""
    instance = Instance()
    number = instance.person("moved@example.org")
    (outcome,) = instance.run(Op.UPSERT, [replace(people(range(1, 2))[0], remote_id=str(number))]).outcomes
    assert (outcome.status, outcome.remote_id) == (DONE, str(number))
    assert [one["email"] for one in instance.people().values()] == ["c1@example.org"]


def test_an_id_that_vanished_is_found_again() -> None:
    """Deleted or merged there: the row goes again by identity, and its new id comes back."""
    instance = Instance()
    first = instance.run(Op.UPSERT, people(range(1, 4)))
    ids = {outcome.change.seq: str(outcome.remote_id) for outcome in first.outcomes}
    instance.ask("POST", "/rest/v1/leads/delete.json", {"input": [{"id": int(ids[2])}]})
    winner = instance.person("c3@example.org")
    instance.ask("POST", f"/rest/v1/leads/{winner}/merge.json", leadId=ids[3])
    known = [replace(c, remote_id=ids[c.seq], created=True) for c in people(range(1, 4), firstName="new")]
    seen = instance.run(Op.UPSERT, known)
    assert len(seen.calls) == 2
    assert [row["email"] for row in body(seen.calls[1])["input"]] == ["c2@example.org", "c3@example.org"]
    outcomes = {outcome.change.seq: outcome for outcome in seen.outcomes}
    assert (outcomes[1].remote_id, outcomes[3].remote_id) == (ids[1], str(winner))
    assert [outcomes[n].created for n in (1, 2, 3)] == [None, True, False]
    assert sorted(one["email"] for one in instance.people().values()) == [f"c{n}@example.org" for n in (1, 2, 3)]


def test_nobody_is_chosen_among_doubles() -> None:
    """Several people of one address: refused, and the ids to merge are named; nothing of them is written."""
    instance = Instance()
    ids = [instance.person("c2@example.org") for _ in range(2)]
    seen = instance.run(Op.UPSERT, people(range(1, 4)))
    assert told(seen.outcomes) == {1: (DONE, ""), 2: (NO, "1007"), 3: (DONE, "")}
    (reason,) = [outcome.reason for outcome in seen.outcomes if outcome.status is NO]
    assert all(str(number) in reason for number in ids)
    assert all("firstName" not in instance.people()[number] for number in ids)


def test_doubles_that_were_merged_meanwhile_are_written_by_id() -> None:
    """Marketo says 1007, the look-up finds one alone: that one is written."""
    answers = iter(
        [
            {"success": True, "result": [{"status": "skipped", "reasons": [{"code": "1007", "message": "m"}]}]},
            {"success": True, "result": [{"id": 7, "email": "C1@example.org"}]},
            {"success": True, "result": [{"id": 7, "status": "updated"}]},
        ]
    )
    seen = deliver(
        MARKETO.actions[Op.UPSERT], of(people(range(1, 2))), lambda _: Reply(200, orjson.dumps(next(answers)))
    )
    assert [(o.status, o.remote_id) for o in seen.outcomes] == [(DONE, "7")]


def test_known_doubles_need_no_choice() -> None:
    """Who is known by id is written, joined and ended by id, however many share the address."""
    instance = Instance()
    ids = [instance.person("c1@example.org") for _ in range(2)]
    row = replace(people(range(1, 2))[0], remote_id=str(ids[1]), created=True)
    prepared = instance.prepared()
    assert told(instance.run(Op.UPSERT, [row]).outcomes) == {1: (DONE, "")}
    assert told(instance.run(Op.JOIN, [row], prepared=prepared).outcomes) == {1: (DONE, "")}
    assert instance.listed() == {ids[1]}
    instance.run(Op.LEAVE, [replace(row, op=Op.LEAVE)], on_leave=OnLeave.DELETE)
    assert set(instance.people()) == {ids[0]}


def test_addresses_beyond_ascii_are_refused_by_name() -> None:
    """Marketo documents ASCII alone: such a row never leaves, whether the address is new or changed."""
    instance = Instance()
    rows = [change(1, match="ž@example.org"), *people(range(2, 3))]
    assert told(instance.run(Op.UPSERT, rows).outcomes) == {1: (NO, "EMAIL_NOT_ASCII"), 2: (DONE, "")}
    move = change(1, Op.IDENTITY, match="ž@example.org", before_match="c2@example.org")
    seen = instance.run(Op.IDENTITY, [move])
    assert told(seen.outcomes) == {1: (NO, "EMAIL_NOT_ASCII")}
    assert seen.calls == []


def test_a_mapped_field_beside_the_match_field_may_be_the_address() -> None:
    """By another field than the address: looked up by it, and the address is written like any value."""
    instance = Instance()
    row = change(1, match="K-7", fields={"email": "c1@example.org"})
    assert told(instance.run(Op.UPSERT, [row], match_field="customerId").outcomes) == {1: (DONE, "")}
    assert told(instance.run(Op.UPSERT, [row], match_field="customerId").outcomes) == {1: (DONE, "")}
    assert [(p["customerId"], p["email"]) for p in instance.people().values()] == [("K-7", "c1@example.org")]


# --- whole calls -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["601", "602"])
def test_dead_tokens_are_renewed(code: str) -> None:
    """Both codes mean a new token."""
    found = MARKETO.diagnose(Reply(200, orjson.dumps(refused(int(code)))))
    assert found is not None
    assert found.fault is Fault.EXPIRED


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (603, Fault.FATAL), (605, Fault.FATAL), (610, Fault.FATAL), (612, Fault.FATAL), (616, Fault.FATAL),
        (606, Fault.THROTTLED), (615, Fault.BUSY), (607, Fault.QUOTA),
        (502, Fault.UNAVAILABLE), (604, Fault.UNAVAILABLE), (608, Fault.UNAVAILABLE), (611, Fault.UNAVAILABLE),
        (614, Fault.UNAVAILABLE), (713, Fault.UNAVAILABLE),
    ],
)  # fmt: skip
def test_codes_mean_what_the_vendors_table_says(code: int, fault: Fault) -> None:
    """The HTTP status is 200 all along."""
    found = MARKETO.diagnose(Reply(200, orjson.dumps(refused(code))))
    assert found is not None
    assert (found.fault, found.code) == (fault, str(code))


@pytest.mark.parametrize("code", [609, 1003, 1006, 701])
def test_other_codes_are_for_the_exchange(code: int) -> None:
    """What may be a row's fault stops nobody; a good answer is no fault at all."""
    assert MARKETO.diagnose(Reply(200, orjson.dumps(refused(code)))) is None
    assert MARKETO.diagnose(Reply(200, b'{"success": true, "errors": [], "result": []}')) is None


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-03-01T23:59:00-06:00", "2026-03-02T00:00:00-06:00"),
        ("2026-03-02T00:01:00-06:00", "2026-03-03T00:00:00-06:00"),
        ("2026-07-01T22:00:00-05:00", "2026-07-02T01:00:00-05:00"),
    ],
)
def test_a_spent_day_ends_at_midnight_in_the_central_united_states(at: str, until: str) -> None:
    """The resume point is never before the reset; in summer it is an hour behind it."""
    reply = Reply(200, orjson.dumps(refused(607)), at=datetime.fromisoformat(at).timestamp())
    found = MARKETO.diagnose(reply)
    assert found is not None
    assert found.until == datetime.fromisoformat(until).timestamp()


def test_a_refused_call_did_nothing() -> None:
    """A code about what was sent is halved down to its row; one about a list makes all of them wait."""
    bad = Reply(200, orjson.dumps(refused(609)))
    seen = deliver(MARKETO.actions[Op.UPSERT], of(people(range(1, 4))), lambda _: bad)
    assert told(seen.outcomes) == dict.fromkeys((1, 2, 3), (NO, "609"))
    gone = Reply(200, orjson.dumps(refused(1013)))
    joins = [replace(c, op=Op.JOIN, remote_id=str(c.seq)) for c in people(range(1, 4))]
    seen = deliver(MARKETO.actions[Op.JOIN], of(joins, Op.JOIN, prepared={"cohorts": {"vip": "5"}}), lambda _: gone)
    assert told(seen.outcomes) == dict.fromkeys((1, 2, 3), (WAITS, "1013"))


def test_an_answer_about_somebody_else_proves_nothing() -> None:
    """By id, a result must name the id that was sent."""
    row = replace(people(range(1, 2))[0], remote_id="7")
    odd = Reply(200, b'{"success": true, "result": [{"id": 8, "status": "updated"}]}')
    seen = drive(MARKETO.actions[Op.UPSERT].run(of([row])), lambda _: odd)
    assert seen.unreadable is not None


# --- identity, endings, erasure --------------------------------------------------------------------------------------


def test_a_rename_keeps_one_person_whatever_the_address_was_there() -> None:
    """The known id is renamed though somebody changed its address meanwhile."""
    instance = Instance()
    number = instance.person("typed@example.org")
    move = change(1, Op.IDENTITY, match="n@example.org", before_match="c1@example.org", remote_id=str(number))
    assert told(instance.run(Op.IDENTITY, [move]).outcomes) == {1: (DONE, "")}
    assert [one["email"] for one in instance.people().values()] == ["n@example.org"]


def test_a_rename_does_not_choose_among_doubles() -> None:
    """Several under the old address, none of them known: refused by name."""
    instance = Instance()
    for _ in range(2):
        instance.person("c1@example.org")
    move = change(1, Op.IDENTITY, match="n@example.org", before_match="c1@example.org")
    assert told(instance.run(Op.IDENTITY, [move]).outcomes) == {1: (NO, "1007")}


def test_leaving_ends_no_double() -> None:
    """Nobody is deleted, or cleared, on a guess."""
    instance = Instance()
    for _ in range(2):
        instance.person("c1@example.org", firstName="x")
    for policy in (OnLeave.DELETE, OnLeave.CLEAR):
        leave = change(1, Op.LEAVE, fields={"firstName": None})
        assert told(instance.run(Op.LEAVE, [leave], on_leave=policy).outcomes) == {1: (NO, "1007")}
    assert [one["firstName"] for one in instance.people().values()] == ["x", "x"]


def test_an_erasure_takes_doubles_along() -> None:
    """Everybody of the address and the known id go; the neighbour stays."""
    instance = Instance()
    doubles = [instance.person("c1@example.org") for _ in range(2)]
    moved, neighbour = instance.person("elsewhere@example.org"), instance.person("c2@example.org")
    assert MARKETO.erase is not None
    people_ = [Person("c1@example.org", str(moved)), Person("nobody@example.org")]
    found = drive(MARKETO.erase.run(CONTEXT, people_), instance).value
    assert [(one.identity, one.status) for one in found] == [
        ("c1@example.org", "erased"),
        ("nobody@example.org", "absent"),
    ]
    assert set(instance.people()) == {neighbour}
    assert doubles


# --- fields, account, settings ---------------------------------------------------------------------------------------


def test_discovery_knows_what_may_be_written_and_matched() -> None:
    """Company fields and consent are not ours to write; look-up fields are shown as unique."""
    assert MARKETO.discover is not None
    found = {f.name: f for f in drive(MARKETO.discover(CONTEXT), Instance()).value}
    assert not {n for n in ("id", "createdAt", "company", "industry", "unsubscribed") if found[n].writable}
    assert {name for name, f in found.items() if f.unique} == {"email", "externalCompanyId", "visits", "customerId"}
    kinds = {name: found[name].type for name in ("spent", "visits", "since", "seenAt", "gift", "leadScore")}
    assert list(kinds.values()) == ["number", "integer", "date", "timestamp", "boolean", "integer"]
    assert (found["firstName"].max_length, found["note"].max_length) == (255, 30_000)


def test_a_field_is_made_with_a_label_that_marketo_takes() -> None:
    """Underscores and signs are no part of a display name; more than 255 characters need a person."""
    assert MARKETO.create_field is not None
    seen = drive(MARKETO.create_field(CONTEXT, RemoteField("ltv_band", "text", "LTV-band (€)")), Instance())
    (asked,) = body(seen.calls[0])["input"]
    assert asked == {"displayName": "LTV band", "name": "ltv_band", "dataType": "string"}
    with pytest.raises(DestinationError, match="255"):
        drive(MARKETO.create_field(CONTEXT, RemoteField("story", "text", max_length=4_000)), Instance())


def test_the_account_is_the_munchkin_id() -> None:
    """It is told only once the instance lets us in; a user without rights is told what is refused."""
    assert MARKETO.account is not None
    assert drive(MARKETO.account(SETTINGS), Instance()).value.id == "123-ABC-456"
    with pytest.raises(DestinationError, match=r"RVT-651.*709, not today"):
        drive(MARKETO.account(SETTINGS), lambda _: Reply(200, orjson.dumps(refused(709, "not today"))))


def test_a_token_is_asked_for_without_its_secret_in_a_url() -> None:
    """The form is in the body; a refusal says where to look."""
    seen = drive(auth.token(SETTINGS), lambda _: Reply(200, b'{"access_token": "t", "expires_in": 3599}'))
    (call,) = seen.calls
    assert isinstance(call, Http)
    assert (call.query, call.authenticated) == ((), False)
    assert (seen.value.value, seen.value.seconds) == ("t", 3599.0)
    with pytest.raises(DestinationError, match="No client"):
        drive(auth.token(SETTINGS), lambda _: Reply(401, b'{"error": "x", "error_description": "No client"}'))


@pytest.mark.parametrize("munchkin", ["", "123-ABC", "evil.example.com/123-ABC-456", "123-ABC-456.example.com"])
def test_a_munchkin_id_is_no_host(munchkin: str) -> None:
    """It is put into a host name, so nothing else may stand in it."""
    with pytest.raises(ValidationError):
        MarketoSettings.model_validate({**TOLD, "munchkin_id": munchkin})

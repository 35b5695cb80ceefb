"""Cohorts as Marketo's static lists, consent as its own field: found, made, repaired, waited for."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from marketo_case import CONTEXT, TOLD, Instance, of, people, told

from revetl.contract import Http, Pause, Reply
from revetl.destinations.marketo import MARKETO
from revetl.destinations.marketo.auth import MarketoSettings
from revetl.errors import DestinationError
from revetl.testing.drive import drive
from revetl.testing.seeds import change
from revetl.types import Change, Cohort, Mode, OnLeave, Op, RemoteField, Status

DONE, NO = Status.DELIVERED, Status.REJECTED


def as_op(op: Op, rows: list[Change], ids: dict[int, str | None]) -> list[Change]:
    """Return changes of that operation, with the ids that are known."""
    return [replace(row, op=op, body=b"{}", remote_id=ids.get(row.seq)) for row in rows]


def peopled(count: int) -> tuple[Instance, list[Change], dict[int, str | None]]:
    """Return an instance with so many people, their changes and ids."""
    instance = Instance()
    rows = people(range(1, count + 1))
    seen = instance.run(Op.UPSERT, rows)
    return instance, rows, {outcome.change.seq: outcome.remote_id for outcome in seen.outcomes}


def test_a_list_is_made_in_the_folder_of_the_settings() -> None:
    """Without a folder, or where none may be made, nothing is made; the message says what to write."""
    instance = Instance()
    assert instance.prepared(create=False) == {"cohorts": {}}
    bare = MarketoSettings.model_validate({name: value for name, value in TOLD.items() if name != "folder"})
    assert MARKETO.prepare is not None
    with pytest.raises(DestinationError, match="no folder is named") as refused:
        drive(MARKETO.prepare(replace(CONTEXT, settings=bare)), instance)
    assert "folder" in str(refused.value.hint)
    made = instance.prepared()
    ((number, one),) = instance.box.store["lists"].items()
    assert (made, one["folder"]) == ({"cohorts": {"vip": number}}, {"id": 1, "type": "Folder"})
    assert drive(MARKETO.prepare(replace(CONTEXT, settings=bare)), instance).value == made


def test_a_list_that_is_gone_is_made_again() -> None:
    """A stored id that leads nowhere is forgotten; a label that another list has is refused in Marketo's words."""
    instance = Instance()
    assert instance.prepared(ids={"vip": "99"}) == {"cohorts": {"vip": "2001"}}
    assert MARKETO.prepare is not None
    taken = replace(CONTEXT, cohorts=(("new", "high value"),))
    with pytest.raises(DestinationError, match="already exists"):
        drive(MARKETO.prepare(taken), instance)


def test_known_people_join_in_one_call_and_others_in_two() -> None:
    """Ids first, then the list; who is known is not looked up."""
    instance, rows, ids = peopled(3)
    prepared = instance.prepared()
    seen = instance.run(Op.JOIN, as_op(Op.JOIN, rows, ids), prepared=prepared)
    assert len(seen.calls) == 1
    seen = instance.run(Op.JOIN, as_op(Op.JOIN, rows, {1: ids[1]}), prepared=prepared)
    assert len(seen.calls) == 2
    assert isinstance(seen.calls[0], Http)
    assert b"c1%40" not in (seen.calls[0].content or b"")
    assert instance.listed() == {int(number or 0) for number in ids.values()}
    assert {o.change.seq: o.remote_id for o in seen.outcomes} == ids


def test_ids_that_vanished_are_looked_up_and_join_again() -> None:
    """Merged: whoever has the address now joins; deleted: refused by name. Parting takes both for done."""
    instance, rows, ids = peopled(3)
    prepared = instance.prepared()
    winner = instance.person("c2@example.org")
    instance.ask("POST", f"/rest/v1/leads/{winner}/merge.json", leadId=str(ids[2]))
    instance.ask("POST", "/rest/v1/leads/delete.json", {"input": [{"id": int(ids[3] or 0)}]})
    seen = instance.run(Op.JOIN, as_op(Op.JOIN, rows, ids), prepared=prepared)
    assert told(seen.outcomes) == {1: (DONE, ""), 2: (DONE, ""), 3: (NO, "1004")}
    assert instance.listed() == {int(ids[1] or 0), winner}
    assert {o.change.seq: o.remote_id for o in seen.outcomes}[2] == str(winner)
    seen = instance.run(Op.PART, as_op(Op.PART, rows, ids), prepared=prepared)
    assert told(seen.outcomes) == dict.fromkeys((1, 2, 3), (DONE, ""))
    assert instance.listed() == set()


def test_an_import_into_the_list_is_waited_for() -> None:
    """1019: the same call again after a pause; if it lasts, the changes wait for a later run."""
    importing = {"success": False, "errors": [{"code": "1019", "message": "Import in progress"}]}
    added = {"success": True, "result": [{"id": 7, "status": "added"}]}
    join = of([change(1, Op.JOIN, remote_id="7")], Op.JOIN, prepared={"cohorts": {"vip": "5"}})
    for answers, status in (([importing, added], DONE), ([importing] * 4, Status.WAITING)):
        steps, pauses, sent, left = MARKETO.actions[Op.JOIN].run(join), 0, None, list(answers)
        try:
            while True:
                item = steps.send(sent)
                pauses += isinstance(item, Pause)
                sent = Reply(200, orjson.dumps(left.pop(0))) if isinstance(item, Http) else None
        except StopIteration as end:
            assert [outcome.status for outcome in end.value] == [status]
        assert (pauses, left) == (len(answers) - 1, [])


def test_consent_is_withdrawn_and_never_restored() -> None:
    """A JOIN of that style marks people, known or not, by two calls; nobody else is touched, and no list is."""
    instance, rows, ids = peopled(3)
    no = Cohort("unsubscribe", "unsubscribe", "unsubscribe")
    seen = instance.run(Op.JOIN, as_op(Op.JOIN, rows[:2], {1: ids[1]}), cohort=no)
    assert told(seen.outcomes) == dict.fromkeys((1, 2), (DONE, ""))
    assert len(seen.calls) == 2
    found = {number: one.get("unsubscribed") for number, one in instance.people().items()}
    assert found == {int(ids[1] or 0): True, int(ids[2] or 0): True, int(ids[3] or 0): None}
    instance.run(Op.UPSERT, [replace(row, remote_id=ids[row.seq]) for row in people(range(1, 4), firstName="new")])
    assert [one.get("unsubscribed") for one in instance.people().values()] == [True, True, None]


def test_who_said_no_is_marked_under_every_record() -> None:
    """Doubles of one address are all marked; somebody who is not there is refused by name."""
    instance = Instance()
    for _ in range(2):
        instance.person("c1@example.org")
    no = Cohort("unsubscribe", "unsubscribe", "unsubscribe")
    rows = [change(n, Op.JOIN) for n in (1, 2)]
    assert told(instance.run(Op.JOIN, rows, cohort=no).outcomes) == {1: (DONE, ""), 2: (NO, "1004")}
    assert [one["unsubscribed"] for one in instance.people().values()] == [True, True]


def test_doubles_that_vanish_meanwhile_are_no_failure() -> None:
    """Between the look-up and the mark one of two is merged: the other is marked, and that is all there are."""
    answers = iter(
        [
            {"success": True, "result": [{"status": "skipped", "reasons": [{"code": "1007", "message": "m"}]}] * 3},
            {"success": True, "result": [{"id": n, "email": "c1@example.org"} for n in (7, 8)]
             + [{"id": 9, "email": "c2@example.org"}]},
            {"success": True, "result": [
                {"id": 7, "status": "updated"},
                {"status": "skipped", "reasons": [{"code": "1004", "message": "Lead not found"}]},
                {"status": "skipped", "reasons": [{"code": "1008", "message": "Access denied"}]},
            ]},
        ]
    )  # fmt: skip
    no = of([change(n, Op.JOIN) for n in (1, 2, 3)], Op.JOIN, cohort=Cohort("no", "no", "unsubscribe"))
    seen = drive(MARKETO.actions[Op.JOIN].run(no), lambda _: Reply(200, orjson.dumps(next(answers))))
    assert told(seen.outcomes) == {1: (DONE, ""), 2: (NO, "1008"), 3: (NO, "1004")}


def test_an_empty_checkbox_is_one_that_is_not_set() -> None:
    """What was cleared may be read as false; true and false are not alike, nor are an empty and a zero number."""
    assert MARKETO.same is not None
    box, number = RemoteField("gift", "boolean"), RemoteField("visits", "integer")
    assert MARKETO.same(box, None, False)
    assert MARKETO.same(box, False, None)
    assert not MARKETO.same(box, True, None)
    assert not MARKETO.same(number, None, 0)


def test_an_id_that_vanished_does_not_save_anybody_from_a_no() -> None:
    """The mark goes to whoever has the address now."""
    instance, rows, ids = peopled(1)
    winner = instance.person("c1@example.org")
    instance.ask("POST", f"/rest/v1/leads/{winner}/merge.json", leadId=str(ids[1]))
    no = Cohort("unsubscribe", "unsubscribe", "unsubscribe")
    assert told(instance.run(Op.JOIN, as_op(Op.JOIN, rows, ids), cohort=no).outcomes) == {1: (DONE, "")}
    assert instance.people()[winner]["unsubscribed"] is True


def test_new_people_who_said_no_arrive_opted_out() -> None:
    """Never opted in first, in any mode; whoever said yes, or nothing, carries no mark."""
    instance = Instance()
    rows = [replace(row, consent=answer) for row, answer in zip(people(range(1, 4)), (False, True, None), strict=True)]
    instance.run(Op.UPSERT, rows)
    instance.run(Op.UPSERT, [replace(people(range(4, 5))[0], consent=False)], mode=Mode.INSERT)
    assert [one.get("unsubscribed") for one in instance.people().values()] == [True, None, None, True]


def test_an_opt_out_is_read_back() -> None:
    """``verify`` sees it, beside fields and lists; what is empty is told as empty."""
    instance, rows, ids = peopled(2)
    prepared = instance.prepared()
    instance.run(Op.JOIN, as_op(Op.JOIN, rows[:1], ids), prepared=prepared)
    instance.ask(
        "POST",
        "/rest/v1/leads.json",
        {"action": "updateOnly", "input": [{"email": "c2@example.org", "unsubscribed": True}]},
    )
    assert MARKETO.read_back is not None
    context = replace(CONTEXT, prepared=prepared, fields=("firstName", "city"))
    seen = drive(MARKETO.read_back.run(context, ["c1@example.org", "C2@example.org ", "c3@example.org"]), instance)
    first, second = seen.value
    assert (first.identity, first.remote_id, first.opted_out) == ("c1@example.org", ids[1], False)
    assert (first.fields, first.cohorts) == ({"firstName": "F1", "city": None}, frozenset({"High Value"}))
    assert (second.opted_out, second.cohorts) == (True, frozenset())
    assert len(seen.calls) == 2


def test_a_large_read_goes_side_by_side_and_follows_pages() -> None:
    """3,000 people take ten reads; where doubles make a second page it is read as well."""
    instance = Instance(page=2)
    for _ in range(3):
        instance.person("c1@example.org")
    assert MARKETO.read_back is not None
    seen = drive(MARKETO.read_back.run(replace(CONTEXT, cohorts=()), ["c1@example.org"]), instance)
    assert ([record.remote_id for record in seen.value], len(seen.calls)) == (["1001"], 2)
    seen = drive(MARKETO.read_back.run(CONTEXT, [f"c{n}@example.net" for n in range(3_000)]), instance)
    assert (len(seen.calls), seen.side_by_side) == (10, 5)


def test_nothing_is_left_to_clear_without_a_call() -> None:
    """Leaving under clear without fields, or under keep, asks nobody to change."""
    instance, rows, ids = peopled(1)
    leaves = as_op(Op.LEAVE, rows, ids)
    for policy in (OnLeave.CLEAR, OnLeave.KEEP):
        seen = instance.run(Op.LEAVE, leaves, on_leave=policy)
        assert (told(seen.outcomes), seen.calls) == ({1: (DONE, "")}, [])

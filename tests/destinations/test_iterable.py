"""Iterable by script: what is sent, and what each answer makes of each row."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from scripted import Script

from revetl.contract import BatchRejected, Context, Fault, Reply
from revetl.destinations.iterable import ITERABLE
from revetl.destinations.iterable.api import IterableSettings
from revetl.errors import DestinationError
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import batch, change
from revetl.types import Mode, OnLeave, Op, Proof, RemoteField, Status

SETTINGS = IterableSettings.model_validate({"api_key": "k", "create_fields": False})
BULK = "POST /api/users/bulkUpdate"
GET = "GET /api/users/c1%40example.org"


def run(op: Op, changes: list[Any], script: Script, **more: Any) -> Driven:
    """Run one action against a script, to the script's end."""
    told: dict[str, Any] = {"object": "user", "match_field": "email", "prepared": {"cohorts": {"vip": "7"}}, **more}
    seen = drive(ITERABLE.actions[op].run(batch(changes, SETTINGS, op, **told)), script)
    assert not script.left
    return seen


def counts(success: int, fail: int = 0, **more: Any) -> dict[str, Any]:
    """Return the answer to a bulk call."""
    return {"successCount": success, "failCount": fail, **more}


def outcomes(seen: Driven) -> list[tuple[int, str, str]]:
    """Return number, status and code of each outcome."""
    return sorted((o.change.seq, o.status.value, o.code) for o in seen.outcomes)


def test_one_call_writes_all_and_names_nobody_twice() -> None:
    """The address at the top, the fields below; nulls clear; fields are not made unless the settings say so."""
    script = Script((BULK, 200, counts(2)))
    seen = run(Op.UPSERT, [change(1, fields={"city": "Brno", "email": "c1@example.org"}), change(2)], script)
    users = [{"email": "c1@example.org", "dataFields": {"city": "Brno"}}, {"email": "c2@example.org", "dataFields": {}}]
    assert script.bodies == [{"users": users, "createNewFields": False}]
    assert [(o.status, o.proof, o.created) for o in seen.outcomes] == [(Status.DELIVERED, Proof.ACCOUNT, None)] * 2


@pytest.mark.parametrize("kind", ["conflict", "forgotten", "invalidData", "invalid"])
def test_each_failure_is_its_own_rows(kind: str) -> None:
    """failedUpdates names rows by address, in any case; the counts prove the others."""
    answer = counts(2, 1, failedUpdates={f"{kind}Emails": ["C2@Example.org"]})
    seen = run(Op.UPSERT, [change(n) for n in (1, 2, 3)], Script((BULK, 200, answer)))
    assert outcomes(seen) == [(1, "delivered", ""), (2, "rejected", kind), (3, "delivered", "")]


def test_older_projects_name_failures_at_the_top() -> None:
    """invalidEmails without failedUpdates is understood."""
    answer = counts(1, 1, invalidEmails=["c1@example.org"], invalidUserIds=[])
    seen = run(Op.UPSERT, [change(1), change(2)], Script((BULK, 200, answer)))
    assert outcomes(seen) == [(1, "rejected", "invalid"), (2, "delivered", "")]


def test_the_identity_at_fault_may_be_the_other_one() -> None:
    """A userId among the fields that somebody else holds is named instead of the row's address."""
    answer = counts(1, 1, failedUpdates={"conflictUserIds": ["u-9"]})
    rows = [change(1, fields={"userId": "u-9"}), change(2, fields={"userId": "u-8"})]
    assert outcomes(run(Op.UPSERT, rows, Script((BULK, 200, answer)))) == [
        (1, "rejected", "conflict"),
        (2, "delivered", ""),
    ]


@pytest.mark.parametrize("answer", [counts(1), counts(1, 1), counts(2, 1), counts(3)])
def test_counts_that_leave_somebody_out_prove_nobody(answer: dict[str, Any]) -> None:
    """Too few, too many, or a failure without a name: nobody knows whose."""
    seen = run(Op.UPSERT, [change(1), change(2)], Script((BULK, 200, answer)))
    assert {o.status for o in seen.outcomes} == {Status.UNKNOWN}


def test_a_dropped_field_is_no_delivery() -> None:
    """Who carried a value in a field that the project dropped is refused; who cleared it, or had none, is not."""
    rows = [change(1, fields={"city": "Brno"}), change(2, fields={"city": None}), change(3)]
    seen = run(Op.UPSERT, rows, Script((BULK, 200, counts(3, filteredOutFields=["city"]))))
    assert outcomes(seen) == [(1, "rejected", "filteredOutFields"), (2, "delivered", ""), (3, "delivered", "")]


def test_a_value_that_does_not_fit_refuses_the_batch_without_showing_it() -> None:
    """The batch is halved by the sender; the reason names the field and its type, never the value."""
    params = {"validationErrors": {"ltv": {"expectedType": "long", "offendingValue": "canary"}}}
    answer = {"code": "RequestFieldsTypesMismatched", "msg": "Request contains canary", "params": params}
    seen = run(Op.UPSERT, [change(1), change(2)], Script((BULK, 400, answer)))
    reason = "ltv: the value is not of the field's type (long)"
    assert seen.rejected == BatchRejected("RequestFieldsTypesMismatched", reason)


@pytest.mark.parametrize(
    ("mode", "there", "status", "code"),
    [
        (Mode.UPDATE, False, "rejected", "notFound"),
        (Mode.UPDATE, True, "delivered", ""),
        (Mode.INSERT, True, "rejected", "exists"),
        (Mode.INSERT, False, "delivered", ""),
    ],
)
def test_modes_look_first(mode: Mode, there: bool, status: str, code: str) -> None:
    """A bulk call knows no mode: 200 {} says nobody."""
    steps: list[tuple[str, int, Any]] = [(GET, 200, {"user": {"email": "c1@example.org"}} if there else {})]
    steps += [(BULK, 200, counts(1))] if status == "delivered" else []
    assert outcomes(run(Op.UPSERT, [change(1)], Script(*steps), mode=mode)) == [(1, status, code)]


@pytest.mark.parametrize(("user", "created"), [({}, True), ({"user": {"email": "c1@example.org"}}, False)])
def test_whose_a_user_is_is_asked_where_it_matters(user: dict[str, Any], created: bool) -> None:
    """With on_leave delete, a user who was there before revetl is never taken for its own."""
    seen = run(Op.UPSERT, [change(1)], Script((GET, 200, user), (BULK, 200, counts(1))), on_leave=OnLeave.DELETE)
    assert [o.created for o in seen.outcomes] == [created]


def test_a_refused_look_writes_nothing() -> None:
    """If it cannot be known who is there, all wait."""
    refused = {"code": "DatabaseError", "msg": "try again"}
    seen = run(Op.UPSERT, [change(1)], Script((GET, 503, refused)), mode=Mode.UPDATE)
    assert outcomes(seen) == [(1, "waiting", "DatabaseError")]


def test_lists_take_members_and_never_opt_anybody_out() -> None:
    """Join makes no users, part touches no channel; who is gone has left, and cannot join."""
    missing = counts(0, 1, failedUpdates={"notFoundEmails": ["c1@example.org"]})
    join, part = (
        Script(("POST /api/lists/subscribe", 200, missing)),
        Script(("POST /api/lists/unsubscribe", 200, missing)),
    )
    assert outcomes(run(Op.JOIN, [change(1, Op.JOIN)], join)) == [(1, "rejected", "notFound")]
    assert outcomes(run(Op.PART, [change(1, Op.PART)], part)) == [(1, "delivered", "")]
    people = [{"email": "c1@example.org"}]
    assert join.bodies == [{"listId": 7, "subscribers": people, "updateExistingUsersOnly": True}]
    assert part.bodies == [{"listId": 7, "subscribers": people, "channelUnsubscribe": False}]


def move(created: bool | None = None) -> Any:
    """Return a change of address."""
    return change(1, Op.IDENTITY, match="n@example.org", before_match="c1@example.org", created=created)


NEW = "GET /api/users/n%40example.org"
USER: dict[str, Any] = {"user": {"email": "x@example.org"}}


def test_a_free_address_is_taken_over() -> None:
    """updateEmail moves profile and events; nothing is written twice."""
    script = Script((GET, 200, USER), (NEW, 200, {}), ("POST /api/users/updateEmail", 200, {"code": "Success"}))
    seen = run(Op.IDENTITY, [move()], script)
    assert script.bodies[-1] == {"currentEmail": "c1@example.org", "newEmail": "n@example.org"}
    assert outcomes(seen) == [(1, "delivered", "")]


def test_an_address_taken_meanwhile_is_refused() -> None:
    """Between the look and the call somebody took it: 409 refuses the row."""
    taken = {"code": "EmailAlreadyExists", "msg": "exists"}
    seen = run(
        Op.IDENTITY, [move()], Script((GET, 200, USER), (NEW, 200, {}), ("POST /api/users/updateEmail", 409, taken))
    )
    assert outcomes(seen) == [(1, "rejected", "IDENTITY_TAKEN")]


def test_the_holder_of_an_address_is_not_ours() -> None:
    """Nothing stands under the old address: done; whoever has the new one is not revetl's to delete."""
    seen = run(Op.IDENTITY, [move(created=True)], Script((GET, 200, {}), (NEW, 200, USER)))
    assert [(o.status, o.created) for o in seen.outcomes] == [(Status.DELIVERED, False)]


def test_clearing_makes_nobody() -> None:
    """A bulk call would make a user who is gone: only those there are cleared."""
    rows = [change(n, Op.LEAVE, fields={"city": None}) for n in (1, 2)]
    script = Script((GET, 200, {}), ("GET /api/users/c2%40example.org", 200, USER), (BULK, 200, counts(1)))
    seen = run(Op.LEAVE, rows, script, on_leave=OnLeave.CLEAR)
    assert script.bodies[-1]["users"] == [{"email": "c2@example.org", "dataFields": {"city": None}}]
    assert outcomes(seen) == [(1, "delivered", ""), (2, "delivered", "")]


@pytest.mark.parametrize(
    ("status", "code", "ends"),
    [(200, "Success", "delivered"), (400, "UnknownEmailError", "delivered"), (400, "BadParams", "rejected"),
     (500, "GenericError", "waiting")],
)  # fmt: skip
def test_deletions_are_judged_one_by_one(status: int, code: str, ends: str) -> None:
    """Accepted and gone already are done; a refusal is the row's, a failure waits. A slash is escaped."""
    leave = change(1, Op.LEAVE, match="a/b@example.org")
    script = Script(("DELETE /api/users/a%2Fb%40example.org", status, {"code": code, "msg": "said"}))
    seen = run(Op.LEAVE, [leave], script, on_leave=OnLeave.DELETE)
    assert [(o.status.value, o.proof) for o in seen.outcomes] == [
        (ends, Proof.ACCEPTED if ends == "delivered" else None)
    ]


def prepare(lists: list[dict[str, Any]], *more: tuple[str, int, Any], **told: Any) -> Any:
    """Return what is prepared for one cohort where these lists stand."""
    context = Context("s", "user", SETTINGS, cohorts=(("vip", "High Value"),), **told)
    assert ITERABLE.prepare
    script = Script(("GET /api/lists", 200, {"lists": lists}), *more)
    found = drive(ITERABLE.prepare(context), script).value
    assert not script.left
    return found["cohorts"]


def row(number: int, name: str = "High Value", kind: str = "Standard") -> dict[str, Any]:
    """Return a list as listing shows one."""
    return {"id": number, "name": name, "listType": kind, "createdAt": 0}


def test_lists_are_found_by_id_then_by_name_then_made() -> None:
    """A stored id wins over any name, since nothing renames a list; of equal names the oldest; else a new one."""
    assert prepare([row(9), row(4), row(3, kind="Dynamic")]) == {"vip": "4"}
    assert prepare([row(4), row(9, "Former Name")], ids={"vip": "9"}) == {"vip": "9"}
    assert prepare([row(2, "Other")], ("POST /api/lists", 200, {"listId": 12}), ids={"vip": "8"}) == {"vip": "12"}
    assert prepare([], create=False) == {}


def test_a_list_that_follows_a_query_takes_nobody() -> None:
    """RVT-652 names what it is."""
    with pytest.raises(DestinationError, match="Dynamic") as refused:
        prepare([row(3, kind="Dynamic")])
    assert refused.value.code == "RVT-652"


def test_fields_are_shown_as_they_take_values() -> None:
    """Nested names are one object; what is Iterable's, or the person's choice, is read-only; new ones where allowed."""
    shown = {"ltv": "double", "address.city": "string", "unsubscribedChannelIds": "array", "seen": "date"}
    open_ = SETTINGS.model_copy(update={"create_fields": True})
    found: dict[bool, dict[str, RemoteField]] = {}
    for settings in (SETTINGS, open_):
        context = Context("s", "user", settings, fields=("ltv", "brand_new"))
        assert ITERABLE.discover
        listed = drive(ITERABLE.discover(context), Script(("GET /api/users/getFields", 200, {"fields": shown}))).value
        found[settings.create_fields] = {field.name: field for field in listed}
    closed = found[False]
    assert {name: field.type for name, field in closed.items() if name not in ("email", "userId")} == {
        "ltv": "number", "address": "json", "unsubscribedChannelIds": "list", "seen": "timestamp"
    }  # fmt: skip
    assert not closed["unsubscribedChannelIds"].writable
    assert set(found[True]) - set(closed) == {"brand_new"}


def test_the_data_centre_is_a_setting() -> None:
    """EU projects have a host of their own."""
    europe = IterableSettings.model_validate({"api_key": "k", "region": "eu"})
    assert (ITERABLE.base_url(SETTINGS), ITERABLE.base_url(europe)) == (
        "https://api.iterable.com",
        "https://api.eu.iterable.com",
    )


@pytest.mark.parametrize(
    ("status", "fault"), [(429, Fault.THROTTLED), (401, Fault.FATAL), (403, Fault.FATAL), (400, None), (200, None)]
)
def test_replies_about_the_account(status: int, fault: Fault | None) -> None:
    """429 waits a second, bad keys stop, the rest is about rows."""
    found = ITERABLE.diagnose(Reply(status, orjson.dumps({"code": "X", "msg": "said"})))
    assert (found.fault if found else None) == fault
    if status == 429:
        assert found
        assert found.after == 1.0


def test_opt_outs_are_read() -> None:
    """Who left a channel is reported so."""
    shown = {"user": {"email": "c1@example.org", "dataFields": {"unsubscribedChannelIds": [3], "emailListIds": [7]}}}
    context = Context("s", "user", SETTINGS, match_field="email", cohorts=(("vip", "High Value"),), ids={"vip": "7"})
    assert ITERABLE.read_back
    (found,) = drive(ITERABLE.read_back.run(context, ["C1@example.org"]), Script((GET, 200, shown))).value
    assert (found.identity, found.opted_out, found.cohorts) == ("c1@example.org", True, {"High Value"})


@pytest.mark.parametrize(
    ("ours", "theirs", "equal"),
    [
        ("2024-02-29 10:00:00 +00:00", "2024-02-29T11:00:00+01:00", True),
        ("2024-02-29 10:00:00 +00:00", "2024-02-29 10:00:01 +00:00", False),
        (None, None, True), (None, "x", False), (12.0, 12, True), (True, 1, False), ("12", 12, False),
        ({"a": [1]}, {"a": [1]}, True),
    ],
)  # fmt: skip
def test_what_is_the_same(ours: Any, theirs: Any, equal: bool) -> None:
    """Instants are compared as such, all else as JSON."""
    assert ITERABLE.same
    assert ITERABLE.same(None, ours, theirs) is equal

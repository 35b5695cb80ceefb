"""Sailthru one by one: signatures, keys, opt-outs, endings, lists, refusals, limits."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest
from sailthru_case import Account, outcomes
from scripted import Script

from revetl.contract import Context, Fault, Http, Reply
from revetl.destinations.sailthru import SAILTHRU, api
from revetl.errors import DestinationError
from revetl.testing.drive import drive
from revetl.testing.seeds import batch, change
from revetl.types import Cohort, Mode, OnLeave, Op, Person, Proof

OUT = Cohort("consent", "unsubscribe", "unsubscribe")
USER: dict[str, Any] = {"object": "user", "match_field": "email"}
GOOD: dict[str, Any] = {"ok": True, "keys": {"sid": "5f1"}}


def context(**more: Any) -> Context:
    """Return what generators are told."""
    settings = api.SailthruSettings.model_validate({"api_key": "k", "secret": "s"})
    return Context("test.customer", "user", settings, match_field="email", **more)


def test_the_text_that_is_signed_is_the_text_that_is_sent() -> None:
    """MD5 of the secret and the sorted values, over the JSON exactly as it stands in form and query."""
    assert SAILTHRU.auth is not None
    settings = api.SailthruSettings.model_validate({"api_key": "k", "secret": "s3"})
    text = '{"id":"žofie+1@example.org","vars":{"a":"x & y"}}'
    for call in (
        Http("POST", "/user", content=text.encode(), content_type=api.FORM),
        Http("GET", "/user", query=(("json", text),)),
    ):
        sent = SAILTHRU.auth.apply(settings, None, call)
        form = parse_qs(sent.content.decode()) if sent.content else {n: [v] for n, v in sent.query}
        assert form["json"] == [text]
        wanted = hashlib.md5(("s3" + "".join(sorted(["k", "json", text]))).encode(), usedforsecurity=False)
        assert form["sig"] == [wanted.hexdigest()]


def test_keys_stand_apart_from_variables_and_never_merge() -> None:
    """extid and sms identify; a conflict is an error, never a merger of two people."""
    script = Script(("POST /user", 200, GOOD))
    fields = {"email": "c1@example.org", "extid": "17", "city": "Brno", "gone": None}
    work = batch([change(1, fields=fields)], context().settings, **USER)
    drive(SAILTHRU.actions[Op.UPSERT].run(work), script)
    assert script.bodies == [{
        "id": "c1@example.org", "key": "email", "keys": {"extid": "17"}, "keysconflict": "error",
        "vars": {"city": "Brno", "gone": None}, "fields": {"keys": 1},
    }]  # fmt: skip


def test_two_people_are_not_joined_by_a_key_of_both() -> None:
    """The second one with the same extid is refused by name; both stand."""
    account = Account()
    seen = account.run(Op.UPSERT, [change(n, fields={"extid": "17"}) for n in (1, 2)])
    assert outcomes(seen) == [(1, "delivered", ""), (2, "rejected", "99")]
    assert account.user("c1@example.org") is not None
    assert not account.flags


def test_a_key_cannot_be_emptied() -> None:
    """A null key is refused by name, and no call is made about it."""
    account = Account()
    seen = account.run(Op.UPSERT, [change(1, fields={"sms": None}), change(2, fields={"city": None})])
    assert outcomes(seen) == [(1, "rejected", "KEY_EMPTY"), (2, "delivered", "")]
    assert account.labels == ["POST /user"]


@pytest.mark.parametrize(
    ("mode", "there", "expected"),
    [
        (Mode.UPDATE, False, (1, "rejected", "notFound")),
        (Mode.UPDATE, True, (1, "delivered", "")),
        (Mode.INSERT, True, (1, "rejected", "exists")),
        (Mode.INSERT, False, (1, "delivered", "")),
    ],
)
def test_modes_look_first(mode: Mode, there: bool, expected: tuple[int, str, str]) -> None:
    """A call about a user knows no mode: the user is looked for, and who may not be written is not."""
    account = Account()
    if there:
        account.run(Op.UPSERT, [change(1, fields={"city": "Brno"})])
    before = account.user("c1@example.org")
    seen = account.run(Op.UPSERT, [change(1, fields={"city": "Praha"})], mode=mode)
    assert outcomes(seen) == [expected]
    assert (account.user("c1@example.org") == before) is (expected[1] == "rejected")


@pytest.mark.parametrize("level", ["blast", "basic", "all"])
def test_without_consent_a_new_user_starts_opted_out(level: str) -> None:
    """As far as the settings say, with the very call that makes the user."""
    account = Account(told={"opt_out": level})
    account.run(Op.UPSERT, [change(1, fields={"city": "Brno"}, consent=False), change(2, consent=True)])
    found = [account.user(f"c{n}@example.org") for n in (1, 2)]
    assert [one and one["optout_email"] for one in found] == [level, "none"]


@pytest.mark.parametrize("level", ["blast", "basic", "all"])
def test_nobody_is_ever_opted_in_again(level: str) -> None:
    """Who is opted out further stays so, through writes and withdrawals alike; who has consent is not touched."""
    account = Account(told={"opt_out": level})
    for n, out in enumerate(("none", "blast", "basic", "all"), 1):
        body = orjson.dumps({"id": f"c{n}@example.org", "optout_email": out})
        assert account(Http("POST", "/user", content=body, content_type=api.FORM)).ok
    account.run(Op.UPSERT, [change(n, fields={"a": n}, consent=n % 2 == 0) for n in range(1, 5)])
    seen = account.run(Op.JOIN, [change(n, Op.JOIN) for n in (*range(1, 5), 9)], cohort=OUT, prepared={})
    assert {status for _, status, _ in outcomes(seen)} == {"delivered"}
    wanted = [max((level, out), key=api.RANK.__getitem__) for out in ("none", "blast", "basic", "all")]
    assert [(account.user(f"c{n}@example.org") or {})["optout_email"] for n in range(1, 5)] == wanted
    assert account.user("c9@example.org") is None
    assert "an opt-out was taken back" not in account.flags


def test_joining_and_parting_make_nobody() -> None:
    """By sid where it is known; a sid that is gone is looked up; who is nowhere cannot join, and has parted."""
    account = Account()
    made = account.run(Op.UPSERT, [change(n) for n in (1, 2)])
    sids = {o.change.seq: o.remote_id for o in made.outcomes}
    account.labels.clear()
    rows = [change(1, Op.JOIN, remote_id=sids[1]), change(2, Op.JOIN, remote_id="5f" * 12), change(3, Op.JOIN)]
    account.box.store["lists"]["High Value"] = {"name": "High Value", "type": "normal", "list_id": "1"}
    assert outcomes(account.run(Op.JOIN, rows)) == [
        (1, "delivered", ""),
        (2, "delivered", ""),
        (3, "rejected", "notFound"),
    ]
    assert account.labels == ["POST /user", "POST /user", "GET /user", "GET /user", "POST /user"]
    parts = [change(n, Op.PART, remote_id=sids.get(n)) for n in (1, 2, 3)]
    assert {status for _, status, _ in outcomes(account.run(Op.PART, parts))} == {"delivered"}
    assert [(account.user(f"c{n}@example.org") or {}).get("lists") for n in (1, 2, 3)] == [{}, {}, None]
    assert not account.flags


def test_lists_are_found_by_id_before_label_and_made_only_if_told() -> None:
    """A list renamed in Sailthru goes on; a smart list of the label is refused; nothing is made where that is off."""
    account = Account(options={"lists": [{"name": "VIP"}, {"name": "Clever", "type": "smart"}]})
    assert SAILTHRU.prepare is not None
    (vip, _) = account.box.store["lists"].values()
    assert drive(SAILTHRU.prepare(context(cohorts=(("vip", "VIP"),))), account).value == {
        "cohorts": {"vip": vip["list_id"]},
        "names": {"vip": "VIP"},
    }
    ids = {"vip": vip["list_id"]}
    found = drive(SAILTHRU.prepare(context(cohorts=(("vip", "High Value"),), ids=ids)), account).value
    assert found["names"] == {"vip": "VIP"}
    nothing = drive(SAILTHRU.prepare(context(cohorts=(("new", "New"),), create=False)), account).value
    assert nothing == {"cohorts": {}, "names": {}}
    assert "New" not in account.box.store["lists"]
    with pytest.raises(DestinationError) as refused:
        drive(SAILTHRU.prepare(context(cohorts=(("c", "Clever"),))), account)
    assert refused.value.code == "RVT-652"


def test_an_address_changes_without_leaving_a_double() -> None:
    """By sid, with the conflict as an error: one user, variables and lists kept."""
    account = Account()
    account.run(Op.UPSERT, [change(1, fields={"city": "Brno"})])
    moved = change(1, Op.IDENTITY, match="n1@example.org", before_match="c1@example.org", created=True)
    assert outcomes(account.run(Op.IDENTITY, [moved])) == [(1, "delivered", "")]
    assert account.user("c1@example.org") is None
    assert (account.user("n1@example.org") or {})["vars"] == {"city": "Brno"}
    assert len(account.box.store["users"]) == 1


def test_a_conflict_that_comes_between_is_not_merged() -> None:
    """409 after the looking: somebody took the address meanwhile; the row is refused by name."""
    absent = {"error": 99, "errormsg": "User not found with email: n@example.org"}
    there = {"keys": {"sid": "5f1", "email": "c1@example.org"}}
    script = Script(
        ("GET /user", 200, there), ("GET /user", 400, absent), ("POST /user", 409, {"error": 99, "errormsg": "x"})
    )
    moved = change(1, Op.IDENTITY, match="n@example.org", before_match="c1@example.org", created=True)
    seen = drive(SAILTHRU.actions[Op.IDENTITY].run(batch([moved], context().settings, **USER)), script)
    assert outcomes(seen) == [(1, "rejected", "IDENTITY_TAKEN")]
    assert script.bodies[2]["keysconflict"] == "error"


def test_clearing_empties_variables_and_leaves_keys() -> None:
    """The user stays who they are; nobody comes into being to be cleared."""
    account = Account()
    account.run(Op.UPSERT, [change(1, fields={"city": "Brno", "extid": "17", "age": 7})])
    wish = {"city": None, "extid": None}
    leaves = [change(n, Op.LEAVE, fields=wish) for n in (1, 2)]
    seen = account.run(Op.LEAVE, leaves, on_leave=OnLeave.CLEAR)
    assert {status for _, status, _ in outcomes(seen)} == {"delivered"}
    left = account.user("c1@example.org") or {}
    assert (left["vars"], left["keys"]["extid"]) == ({"age": 7}, "17")
    assert account.user("c2@example.org") is None


def test_an_erasure_follows_the_person_by_sid() -> None:
    """Whose address changed in Sailthru is deleted all the same; who is not there is absent; a refusal is told."""
    account = Account()
    (made,) = account.run(Op.UPSERT, [change(1)]).outcomes
    body = orjson.dumps({"id": made.remote_id, "key": "sid", "keys": {"email": "x@example.org"}})
    assert account(Http("POST", "/user", content=body, content_type=api.FORM)).ok
    assert SAILTHRU.erase is not None
    people = [Person("c1@example.org", made.remote_id), Person("c2@example.org")]
    done = drive(SAILTHRU.erase.run(context(), people), account).value
    assert [(one.identity, one.status) for one in done] == [("c1@example.org", "erased"), ("c2@example.org", "absent")]
    assert account.box.store["users"] == {}
    no = Script(("DELETE /user", 409, {"error": 41, "errormsg": "Unable to delete c3@example.org"}))
    (failed,) = drive(SAILTHRU.erase.run(context(), [Person("c3@example.org")]), no).value
    assert (failed.status, failed.code, failed.reason) == ("failed", "41", "Unable to delete (the person)")


@pytest.mark.parametrize(("number", "said"), [(11, "not valid"), (34, "may not be written"), (35, "bounce")])
def test_refusals_are_told_by_number_and_name_nobody(number: int, said: str) -> None:
    """The vendor's sentence may change, and may hold the address: ours is shown."""
    refusal = {"error": number, "errormsg": "c1@example.org was refused"}
    script = Script(("POST /user", 403, refusal), ("POST /user", 200, GOOD))
    work = batch([change(1), change(2)], context().settings, **USER)
    seen = drive(SAILTHRU.actions[Op.UPSERT].run(work), script)
    assert outcomes(seen) == [(1, "rejected", str(number)), (2, "delivered", "")]
    reason = next(o.reason for o in seen.outcomes if o.code)
    assert said in reason
    assert "c1@" not in reason


@pytest.mark.parametrize(
    ("status", "number", "fault"),
    [
        (401, 3, Fault.FATAL), (401, 5, Fault.FATAL), (403, 4, Fault.FATAL), (403, 22, Fault.FATAL),
        (200, 3, Fault.FATAL), (500, 9, Fault.UNAVAILABLE), (400, 11, None), (403, 35, None), (400, 99, None),
    ],
)  # fmt: skip
def test_the_number_decides_what_a_refusal_means(status: int, number: int, fault: Fault | None) -> None:
    """Credentials stop the destination, an internal error may have been applied, the rest is about a row."""
    found = SAILTHRU.diagnose(Reply(status, orjson.dumps({"error": number, "errormsg": "x"})))
    assert (found and found.fault) == fault


def test_too_many_calls_wait_for_the_next_minute() -> None:
    """43 is a throttle until the reset that the header names, never longer than the minute that is counted."""
    said = orjson.dumps({"error": 43, "errormsg": "Too many POST requests this minute to /user API"})
    for reset, after in (("1000020", 20.0), ("999000", 1.0), ("", 60.0), ("9999999", 60.0)):
        found = SAILTHRU.diagnose(Reply(429, said, {"x-rate-limit-reset": reset}, at=1_000_000.0))
        assert found is not None
        assert (found.fault, found.after) == (Fault.THROTTLED, after)


def test_99_is_nobody_only_where_it_says_so() -> None:
    """The number covers many things: a look that is refused for another reason writes nothing."""
    script = Script(("GET /user", 400, {"error": 99, "errormsg": "Invalid key type"}))
    work = batch([change(1)], context().settings, **USER, mode=Mode.UPDATE)
    assert outcomes(drive(SAILTHRU.actions[Op.UPSERT].run(work), script)) == [(1, "waiting", "99")]


def test_names_are_bounded_before_anything_is_sent() -> None:
    """33 characters refuse the mapping by name; 32 do not, and what is mapped is there."""
    assert SAILTHRU.discover is not None
    with pytest.raises(DestinationError, match="aaa"):
        drive(SAILTHRU.discover(context(fields=("a" * 33,))), Script())
    found = drive(SAILTHRU.discover(context(fields=("a" * 32, "extid"))), Script()).value
    assert {field.name for field in found} == {"a" * 32, "email", "extid", "sms"}


def test_the_account_is_its_number() -> None:
    """GET /settings shows it; a wrong secret opens none, and says why."""
    assert SAILTHRU.account is not None
    account = Account()
    assert drive(SAILTHRU.account(account.settings), account).value.id == "99999"
    with pytest.raises(DestinationError, match="secret"):
        drive(SAILTHRU.account(account.settings), Account(told={"secret": "other"}))


def test_what_stands_there_is_read_with_cohorts_and_opt_outs() -> None:
    """Empty things come as null; labels are the model's, whatever the list is called there."""
    account = Account(told={"opt_out": "blast"}, options={"lists": [{"name": "VIP"}]})
    account.run(Op.UPSERT, [change(1, fields={"city": "Brno"}), change(2, consent=False)])
    account.run(Op.JOIN, [change(1, Op.JOIN)], prepared={"names": {"vip": "VIP"}})
    (vip,) = account.box.store["lists"].values()
    assert SAILTHRU.read_back is not None
    told = context(cohorts=(("vip", "High Value"),), ids={"vip": vip["list_id"]})
    people = ["c1@example.org", "c2@example.org", "c3@example.org"]
    first, second = drive(SAILTHRU.read_back.run(told, people), account).value
    assert (first.fields, first.cohorts, first.opted_out) == (
        {"city": "Brno", "email": "c1@example.org"},
        frozenset({"High Value"}),
        False,
    )
    assert (second.identity, second.cohorts, second.opted_out) == ("c2@example.org", frozenset(), True)


def test_one_odd_answer_leaves_its_neighbours_alone() -> None:
    """A good status without ok, or without a sid, proves nothing of its row, and nothing against the others."""
    script = Script(("POST /user", 200, {"ok": True}), ("POST /user", 200, b"<html>"), ("POST /user", 200, GOOD))
    work = batch([change(n) for n in (1, 2, 3)], context().settings, **USER)
    seen = drive(SAILTHRU.actions[Op.UPSERT].run(work), script)
    assert outcomes(seen) == [(1, "unknown", "UNREADABLE"), (2, "unknown", "UNREADABLE"), (3, "delivered", "")]
    assert [o.proof for o in seen.outcomes if not o.code] == [Proof.ROW]

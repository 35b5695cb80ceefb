"""Customer.io: what is sent to which API, what each answer makes of each row, and what stands there afterwards."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

import pytest
from scripted import Script

from revetl.contract import BatchRejected, Context, Fault, Http, Reply
from revetl.destinations.customerio import CUSTOMERIO, api
from revetl.destinations.customerio.read import same
from revetl.errors import DestinationError
from revetl.sandbox import make
from revetl.sandbox.core import Sandbox
from revetl.testing.conformance import stand_in
from revetl.testing.drive import Driven, Handler, drive
from revetl.testing.seeds import batch, change
from revetl.types import Cohort, Mode, OnLeave, Op, Person, Proof, Status

KEYS = {"site_id": "sandbox", "track_key": "sandbox", "app_key": "sandbox"}
SETTINGS = api.CustomerioSettings.model_validate(KEYS)
BATCH, SHOW = "POST /api/v2/batch", "POST /v1/customers/attributes"
OUT = Cohort("consent", "unsubscribe", "unsubscribe")


def run(op: Op, changes: list[Any], service: Handler, **more: Any) -> Driven:
    """Run one action."""
    told: dict[str, Any] = {"object": "person", "match_field": "id", "prepared": {"cohorts": {"vip": "7"}}, **more}
    return drive(CUSTOMERIO.actions[op].run(batch(changes, SETTINGS, op, **told)), service)


def outcomes(seen: Driven) -> list[tuple[int, str, str]]:
    """Return number, status and code of each outcome."""
    return sorted((o.change.seq, o.status.value, o.code) for o in seen.outcomes)


def workspace(box: Sandbox) -> Handler:
    """Return a service that is ``box``."""
    return stand_in(CUSTOMERIO, SETTINGS, lambda m, p, q, h, b: box.handle(m, p, urlencode(q), h, b))


def person(n: int, op: Op = Op.UPSERT, **more: Any) -> Any:
    """Return a change of the person ``p<n>``."""
    return change(n, op, match=f"p{n}", identity=f"p{n}", **more)


def people(box: Sandbox) -> dict[str, dict[str, Any]]:
    """Return attributes by id."""
    return {one["attributes"]["id"]: one["attributes"] for one in box.store["people"].values()}


def context(**more: Any) -> Context:
    """Return what generators are told."""
    return Context("test.customer", "person", SETTINGS, match_field="id", **more)


@pytest.mark.parametrize("region", ["us", "eu"])
def test_each_api_has_its_host_and_its_key(region: str) -> None:
    """Track takes Basic, App takes Bearer, each in the account's region; the hosts are on the list."""
    settings = api.CustomerioSettings.model_validate({**KEYS, "region": region})
    assert CUSTOMERIO.auth is not None
    write = CUSTOMERIO.auth.apply(settings, None, api.track("/api/v2/batch", {}))
    read = CUSTOMERIO.auth.apply(settings, None, api.app("GET", "/v1/segments"))
    basic = base64.b64encode(b"sandbox:sandbox").decode()
    assert (write.origin, dict(write.headers)["authorization"]) == (None, f"Basic {basic}")
    assert dict(read.headers)["authorization"] == "Bearer sandbox"
    suffix = "-eu" if region == "eu" else ""
    assert (CUSTOMERIO.base_url(settings), read.origin) == (
        f"https://track{suffix}.customer.io",
        f"https://api{suffix}.customer.io",
    )


def test_one_batch_writes_all() -> None:
    """An operation a person; the id stands among the identifiers alone."""
    script = Script((BATCH, 200, {}))
    seen = run(Op.UPSERT, [person(1, fields={"id": "p1", "city": "Brno", "gone": ""}), person(2)], script)
    rows = [
        {
            "type": "person",
            "identifiers": {"id": "p1"},
            "action": "identify",
            "attributes": {"city": "Brno", "gone": ""},
        },
        {"type": "person", "identifiers": {"id": "p2"}, "action": "identify", "attributes": {}},
    ]
    assert script.bodies == [{"batch": rows}]
    assert [(o.status, o.proof) for o in seen.outcomes] == [(Status.DELIVERED, Proof.ACCEPTED)] * 2


def test_207_names_rows_by_index() -> None:
    """All other requests are accepted; the reason shows field and words, not the person."""
    errors = [{"batch_index": 1, "reason": "invalid", "field": "email", "message": "p2 is wrong"}]
    seen = run(Op.UPSERT, [person(n) for n in (1, 2, 3)], Script((BATCH, 207, {"errors": errors})))
    assert outcomes(seen) == [(1, "delivered", ""), (2, "rejected", "invalid"), (3, "delivered", "")]
    assert next(o.reason for o in seen.outcomes if o.code) == "email: (the person) is wrong"


@pytest.mark.parametrize("errors", [[{"reason": "x"}], [{"batch_index": 9}], [{"batch_index": "0"}]])
def test_an_error_that_names_no_row_leaves_all_in_doubt(errors: list[Any]) -> None:
    """Somebody was refused, nobody knows who."""
    seen = run(Op.UPSERT, [person(1), person(2)], Script((BATCH, 207, {"errors": errors})))
    assert {o.status for o in seen.outcomes} == {Status.UNKNOWN}


def test_a_whole_refusal_is_halved() -> None:
    """400 with the vendor's words, in either envelope."""
    errors = {"errors": [{"reason": "invalid", "field": "batch", "message": "too large"}]}
    assert run(Op.UPSERT, [person(1)], Script((BATCH, 400, errors))).rejected == BatchRejected("400", "too large")
    path = "POST /api/v1/segments/7/add_customers"
    seen = run(Op.JOIN, [person(1, Op.JOIN)], Script((path, 400, {"meta": {"errors": ["no such segment"]}})))
    assert seen.rejected == BatchRejected("400", "no such segment")


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
    """A write knows no mode: people are looked for, and who may not be written is not."""
    box = make("customerio")
    if there:
        run(Op.UPSERT, [person(1, fields={"city": "Brno"})], workspace(box))
    before = box.dump()["store"]["people"]
    assert outcomes(run(Op.UPSERT, [person(1, fields={"city": "Praha"})], workspace(box), mode=mode)) == [expected]
    assert (box.dump()["store"]["people"] == before) is (expected[1] == "rejected")


def test_nobody_is_ever_subscribed_again() -> None:
    """No consent starts unsubscribed, a withdrawal makes nobody, a consent that is there writes nothing."""
    box = make("customerio")
    run(Op.UPSERT, [person(1, consent=False), person(2, consent=True)], workspace(box))
    assert people(box) == {"p1": {"id": "p1", "unsubscribed": True}, "p2": {"id": "p2"}}
    seen = run(Op.JOIN, [person(2, Op.JOIN), person(9, Op.JOIN)], workspace(box), cohort=OUT, prepared={})
    assert {o.status for o in seen.outcomes} == {Status.DELIVERED}
    run(Op.UPSERT, [person(1, consent=True, fields={"city": "Brno"})], workspace(box))
    assert {name: one["unsubscribed"] for name, one in people(box).items()} == {"p1": True, "p2": True}
    assert not [note for entry in box.journal for note in entry["flags"]]


def test_clearing_and_deleting_make_nobody() -> None:
    """Those to be cleared are looked for; a deletion of nobody is no operation there."""
    box = make("customerio")
    run(Op.UPSERT, [person(1, fields={"a": "x", "b": "y"})], workspace(box))
    leaves = [person(n, Op.LEAVE, fields={"a": ""}) for n in (1, 2)]
    seen = run(Op.LEAVE, leaves, workspace(box), on_leave=OnLeave.CLEAR)
    assert {o.status for o in seen.outcomes} == {Status.DELIVERED}
    assert people(box) == {"p1": {"id": "p1", "b": "y"}}
    run(Op.LEAVE, leaves, workspace(box), on_leave=OnLeave.DELETE)
    assert people(box) == {}


def test_an_id_changes_by_cio_id() -> None:
    """One person, attributes kept; a second time changes nothing; an answer without cio_id is not understood."""
    box = make("customerio")
    run(Op.UPSERT, [change(1, match="old", identity="old", fields={"city": "Brno"})], workspace(box))
    moved = change(1, Op.IDENTITY, match="new", identity="new", before_match="old", before_identity="old")
    for _ in range(2):
        assert outcomes(run(Op.IDENTITY, [moved], workspace(box))) == [(1, "delivered", "")]
    assert people(box) == {"new": {"id": "new", "city": "Brno"}}
    seen = run(Op.IDENTITY, [moved], Script((SHOW, 200, {"customers": [{"id": "old"}]})))
    assert seen.unreadable is not None


def test_segments_are_found_by_id_before_name_and_made_only_if_told() -> None:
    """Names may repeat: the oldest; a data-driven one is refused; nothing is made where that is off."""
    box = make("customerio", segments=[{"name": "VIP"}, {"name": "VIP"}, {"name": "Clever", "type": "dynamic"}])
    assert CUSTOMERIO.prepare is not None
    found = drive(CUSTOMERIO.prepare(context(cohorts=(("vip", "VIP"), ("new", "New")))), workspace(box)).value
    assert found == {"cohorts": {"vip": "1", "new": "4"}}
    told = context(cohorts=(("vip", "Top"),), ids={"vip": "2"}, create=False)
    assert drive(CUSTOMERIO.prepare(told), workspace(box)).value == {"cohorts": {"vip": "2"}}
    nothing = context(cohorts=(("x", "Nowhere"),), create=False)
    assert drive(CUSTOMERIO.prepare(nothing), workspace(box)).value == {"cohorts": {}}
    with pytest.raises(DestinationError) as refused:
        drive(CUSTOMERIO.prepare(context(cohorts=(("c", "Clever"),))), workspace(box))
    assert refused.value.code == "RVT-652"


def test_members_are_read_page_by_page() -> None:
    """A segment's members come in pages; who is in it is known of everybody asked for."""
    first = {"identifiers": [{"id": "p1"}], "next": "abc"}
    second = {"identifiers": [{"id": "p9"}], "next": ""}
    shown = {"customers": [{"id": f"p{n}", "identifiers": {"cio_id": f"a{n}"}, "attributes": {}} for n in (1, 2)]}
    path = "GET /v1/segments/7/membership"
    script = Script((SHOW, 200, shown), (path, 200, first), (path, 200, second))
    assert CUSTOMERIO.read_back is not None
    told = context(cohorts=(("vip", "VIP"),), ids={"vip": "7"})
    found = drive(CUSTOMERIO.read_back.run(told, ["p1", "p2"]), script).value
    assert [(one.identity, one.remote_id, sorted(one.cohorts)) for one in found] == [
        ("p1", "a1", ["VIP"]),
        ("p2", "a2", []),
    ]
    assert script.queries[2]["start"] == "abc"


def test_the_account_is_the_workspaces_number() -> None:
    """Keys of the other region are named; wrong ones say that they are refused."""
    assert CUSTOMERIO.account is not None
    assert drive(CUSTOMERIO.account(SETTINGS), workspace(make("customerio"))).value.id == "3"
    with pytest.raises(DestinationError, match="region eu"):
        drive(CUSTOMERIO.account(SETTINGS), workspace(make("customerio", region="eu")))
    with pytest.raises(DestinationError, match="401"):
        drive(CUSTOMERIO.account(SETTINGS), workspace(make("customerio", track_key="other")))


def test_names_are_bounded_and_choices_are_not_overwritten() -> None:
    """A long name is refused by name; unsubscribed can never be mapped."""
    assert CUSTOMERIO.discover is not None
    with pytest.raises(DestinationError, match="aaa"):
        drive(CUSTOMERIO.discover(context(fields=("a" * 151,))), Script())
    found = {field.name: field for field in drive(CUSTOMERIO.discover(context(fields=("city",))), Script()).value}
    assert (found["city"].writable, found["unsubscribed"].writable) == (True, False)


def test_erasing_looks_first_and_never_suppresses() -> None:
    """Who is there is deleted, who is not is absent; a refusal is told."""
    box = make("customerio")
    run(Op.UPSERT, [person(1)], workspace(box))
    assert CUSTOMERIO.erase is not None
    seen = drive(CUSTOMERIO.erase.run(context(), [Person("p1"), Person("p2")]), workspace(box))
    assert {one.identity: one.status for one in seen.value} == {"p1": "erased", "p2": "absent"}
    assert not [call for call in seen.calls if isinstance(call, Http) and b"suppress" in (call.content or b"")]
    found = {"customers": [{"id": "p1"}]}
    script = Script((SHOW, 200, found), (BATCH, 400, {"errors": ["no"]}))
    (failed,) = drive(CUSTOMERIO.erase.run(context(), [Person("p1")]), script).value
    assert (failed.status, failed.reason) == ("failed", "no")


@pytest.mark.parametrize(
    ("status", "fault"), [(401, Fault.FATAL), (403, Fault.FATAL), (429, Fault.THROTTLED), (400, None)]
)
def test_what_a_refusal_means_beyond_its_rows(status: int, fault: Fault | None) -> None:
    """Keys stop the destination, rates wait a second or as long as the answer says."""
    found = CUSTOMERIO.diagnose(Reply(status, b"{}", {"retry-after": "7"}))
    assert (found and found.fault) == fault
    if fault is Fault.THROTTLED:
        assert found is not None
        assert found.after == 7.0


@pytest.mark.parametrize(
    ("ours", "theirs", "agree"),
    [
        (13.5, "13.5", True), (7, "7", True), (True, "true", True), (True, "1", False), ("", None, True),
        ("7", "7", True), (["a"], '["a"]', True), ("x", None, False), (7, "seven", False),
    ],
)  # fmt: skip
def test_everything_is_read_back_as_text(ours: Any, theirs: Any, agree: bool) -> None:
    """Numbers, booleans and lists are compared as what they are."""
    assert same(None, ours, theirs) is agree

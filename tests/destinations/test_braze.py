"""Braze: what is sent, what each answer makes of each row, and what stands in the workspace afterwards."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from pydantic import ValidationError
from scripted import Script

from revetl.contract import BatchRejected, Call, Context, Fault, Http, Reply
from revetl.destinations.braze import BRAZE
from revetl.destinations.braze.api import BrazeSettings
from revetl.destinations.braze.read import same
from revetl.errors import DestinationError
from revetl.sandbox import make
from revetl.sandbox.core import Sandbox
from revetl.testing.conformance import stand_in
from revetl.testing.drive import Driven, Handler, drive
from revetl.testing.seeds import batch, change
from revetl.types import Cohort, Mode, OnLeave, Op, Person, Proof, Status

SETTINGS = BrazeSettings.model_validate({"api_key": "sandbox", "endpoint": "rest.iad-01.braze.com"})
TRACK, EXPORT = "POST /users/track", "POST /users/export/ids"
OUT = Cohort("consent", "unsubscribe", "unsubscribe")


def run(op: Op, changes: list[Any], service: Handler, **more: Any) -> Driven:
    """Run one action."""
    told: dict[str, Any] = {"object": "user", "match_field": "external_id", "prepared": {"cohorts": {"vip": "VIP"}}}
    return drive(BRAZE.actions[op].run(batch(changes, SETTINGS, op, **{**told, **more})), service)


def outcomes(seen: Driven) -> list[tuple[int, str, str]]:
    """Return number, status and code of each outcome."""
    return sorted((o.change.seq, o.status.value, o.code) for o in seen.outcomes)


def workspace(box: Sandbox) -> Handler:
    """Return a service that is ``box``."""
    return stand_in(BRAZE, SETTINGS, lambda m, p, q, h, b: box.handle(m, p, urlencode(q), h, b))


def user(n: int, **fields: Any) -> Any:
    """Return a change of the user ``u<n>``."""
    return change(n, match=f"u{n}", identity=f"u{n}", fields=fields)


def taken(count: int, *errors: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a write."""
    return {"message": "success", "attributes_processed": count, **({"errors": list(errors)} if errors else {})}


def about(index: int) -> dict[str, Any]:
    """Return the error of a row."""
    return {"type": "no", "input_array": "attributes", "index": index}


def test_one_call_writes_all_by_external_id() -> None:
    """Fields beside the id, nulls clear, whoever is not there is made."""
    script = Script((TRACK, 201, taken(2)))
    seen = run(Op.UPSERT, [user(1, city="Brno", gone=None, external_id="u1"), user(2)], script)
    rows = [{"external_id": "u1", "city": "Brno", "gone": None}, {"external_id": "u2"}]
    assert script.bodies == [{"attributes": rows}]
    assert [(o.status, o.proof) for o in seen.outcomes] == [(Status.DELIVERED, Proof.ACCOUNT)] * 2


def test_errors_name_rows_by_index() -> None:
    """The others are proven by the count."""
    seen = run(Op.UPSERT, [user(n) for n in (1, 2, 3)], Script((TRACK, 201, taken(2, about(1)))))
    assert outcomes(seen) == [(1, "delivered", ""), (2, "rejected", "INVALID"), (3, "delivered", "")]


@pytest.mark.parametrize(
    "answer",
    [
        taken(1),
        taken(3),
        taken(1, {"type": "somebody is wrong"}),
        taken(1, {**about(1), "input_array": "events"}),
        taken(1, about(7)),
        {"message": "success"},
    ],
)
def test_counts_that_leave_somebody_out_prove_nobody(answer: dict[str, Any]) -> None:
    """Too few, too many, or an error without a row: nobody knows whose."""
    seen = run(Op.UPSERT, [user(1), user(2)], Script((TRACK, 201, answer)))
    assert {o.status for o in seen.outcomes} == {Status.UNKNOWN}


def test_what_is_queued_under_maintenance_is_in_doubt() -> None:
    """202 queued: it may be done later, and is sent again until an answer counts it."""
    seen = run(Op.UPSERT, [user(1)], workspace(make("braze", maintenance=True)))
    assert outcomes(seen) == [(1, "unknown", "QUEUED")]


def test_a_whole_refusal_is_halved_and_never_shows_people() -> None:
    """400 refuses the call; an error of a row is told without the id it may hold."""
    seen = run(Op.UPSERT, [user(1)], Script((TRACK, 400, {"message": "Max Input Length Exceeded"})))
    assert seen.rejected == BatchRejected("400", "Max Input Length Exceeded")
    seen = run(Op.UPSERT, [user(1)], Script((TRACK, 201, taken(0, {**about(0), "type": "u1 is blocked"}))))
    assert [o.reason for o in seen.outcomes] == ["(the user) is blocked"]


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
    """Braze is silent about a user it leaves out: users are looked for, and update makes nobody even so."""
    found = {"message": "success", "users": [{"external_id": "u1"}] if there else [], "invalid_user_ids": ["u1"]}
    found = {name: value for name, value in found.items() if name != "invalid_user_ids" or not there}
    steps: list[tuple[str, int, Any]] = [(EXPORT, 201, found)]
    steps += [(TRACK, 201, taken(1))] if expected[1] == "delivered" else []
    script = Script(*steps)
    assert outcomes(run(Op.UPSERT, [user(1)], script, mode=mode)) == [expected]
    assert not script.left
    if expected[1] == "delivered":
        assert ("_update_existing_only" in script.bodies[1]["attributes"][0]) is (mode is Mode.UPDATE)


def test_a_null_inside_an_object_is_refused_by_name() -> None:
    """Braze would drop the whole object without a word; an attribute that is null itself is cleared."""
    seen = run(Op.UPSERT, [user(1, a={"b": [1, None]}), user(2, a=None)], Script((TRACK, 201, taken(1))))
    assert outcomes(seen) == [(1, "rejected", "NESTED_NULL"), (2, "delivered", "")]


def test_without_consent_people_are_unsubscribed_and_never_back() -> None:
    """A new user starts unsubscribed, a withdrawal makes nobody, and a consent that is there writes nothing."""
    box = make("braze")
    service = workspace(box)
    rows = [change(n, match=f"u{n}", identity=f"u{n}", consent=n == 2) for n in (1, 2)]
    run(Op.UPSERT, rows, service)
    found = {one["external_id"]: one["fields"] for one in box.store["users"].values()}
    assert found == {"u1": {"email_subscribe": "unsubscribed"}, "u2": {}}
    joins = [change(n, Op.JOIN, match=f"u{n}", identity=f"u{n}") for n in (2, 9)]
    assert {status for _, status, _ in outcomes(run(Op.JOIN, joins, service, cohort=OUT, prepared={}))} == {"delivered"}
    run(Op.UPSERT, [change(3, match="u1", identity="u1", consent=True, fields={"city": "Brno"})], service)
    found = {one["external_id"]: one["fields"] for one in box.store["users"].values()}
    assert found == {name: {"email_subscribe": "unsubscribed"} for name in ("u1", "u2")}
    assert not [note for entry in box.journal for note in entry["flags"]]


def test_parting_and_clearing_make_nobody() -> None:
    """Both say so to Braze, which leaves out who is not there."""
    box = make("braze")
    for seen in (
        run(Op.PART, [change(1, Op.PART, match="u1", identity="u1")], workspace(box)),
        run(Op.LEAVE, [change(2, Op.LEAVE, match="u2", fields={"a": None})], workspace(box), on_leave=OnLeave.CLEAR),
    ):
        assert {o.status for o in seen.outcomes} == {Status.DELIVERED}
    assert box.store["users"] == {}


def move(created: bool | None = None) -> Any:
    """Return a change of external id."""
    return change(
        1, Op.IDENTITY, match="new", identity="new", before_match="old", before_identity="old", created=created
    )


def test_a_rename_leaves_no_old_id() -> None:
    """Renamed, then removed: nobody is found under the old id; a second time changes nothing."""
    box = make("braze")
    run(Op.UPSERT, [change(1, match="old", identity="old", fields={"city": "Brno"})], workspace(box))
    for _ in range(2):
        assert outcomes(run(Op.IDENTITY, [move()], workspace(box))) == [(1, "delivered", "")]
    assert list(box.store["ids"]) == ["new"]
    assert [one["custom"] for one in box.store["users"].values()] == [{"city": "Brno"}]


def test_an_old_id_that_a_lost_answer_left_is_removed() -> None:
    """Renamed by a call whose answer was lost: the old id is neither shown nor invalid, and goes."""
    box = make("braze")
    run(Op.UPSERT, [change(1, match="old", identity="old")], workspace(box))
    body = {"external_id_renames": [{"current_external_id": "old", "new_external_id": "new"}]}
    assert workspace(box)(Http("POST", "/users/external_ids/rename", content=orjson.dumps(body))).ok
    assert outcomes(run(Op.IDENTITY, [move()], workspace(box))) == [(1, "delivered", "")]
    assert list(box.store["ids"]) == ["new"]


def test_a_rename_elsewhere_is_no_matter_of_ours() -> None:
    """The old id was renamed in Braze to a third one: it is left alone, and the row is refused by name."""
    box = make("braze")
    run(Op.UPSERT, [change(1, match="old", identity="old")], workspace(box))
    body = {"external_id_renames": [{"current_external_id": "old", "new_external_id": "third"}]}
    workspace(box)(Http("POST", "/users/external_ids/rename", content=orjson.dumps(body)))
    assert outcomes(run(Op.IDENTITY, [move()], workspace(box))) == [(1, "rejected", "IDENTITY_MOVED")]
    assert sorted(box.store["ids"]) == ["old", "third"]


def test_a_rename_that_is_refused_is_told() -> None:
    """What Braze says of it goes into the reason; the old user stays."""
    there = {"message": "success", "users": [{"external_id": "old"}], "invalid_user_ids": ["new"]}
    refused = {"message": "success", "external_ids": [], "rename_errors": [[0, "already in use"]]}
    seen = run(Op.IDENTITY, [move()], Script((EXPORT, 201, there), ("POST /users/external_ids/rename", 201, refused)))
    assert [(o.status, o.code) for o in seen.outcomes] == [(Status.REJECTED, "RENAME")]
    assert "already in use" in seen.outcomes[0].reason


def context(**more: Any) -> Context:
    """Return what generators are told."""
    return Context("test.customer", "user", more.pop("settings", SETTINGS), match_field="external_id", **more)


def test_attributes_are_found_page_by_page_with_their_types() -> None:
    """120 attributes are three calls; blocklisted ones and people's choices cannot be written."""
    kinds = {f"a{n:03}": "Number" for n in range(118)} | {"seen": "Time (Automatically Detected)", "gift": "Boolean"}
    box = make("braze", attributes=kinds, blocklisted=["gone"])
    assert BRAZE.discover is not None
    seen = drive(BRAZE.discover(context(fields=("fresh",))), workspace(box))
    found = {field.name: field for field in seen.value}
    assert len(seen.calls) == 3
    assert [found[name].type for name in ("a000", "seen", "gift", "email", "dob")] == [
        "number",
        "timestamp",
        "boolean",
        "text",
        "date",
    ]
    assert not any(found[name].writable for name in ("gone", "email_subscribe", "push_subscribe", "braze_id"))
    assert "fresh" not in found
    may = SETTINGS.model_copy(update={"create_fields": True})
    found = {
        f.name: f for f in drive(BRAZE.discover(context(fields=("fresh", "$no"), settings=may)), workspace(box)).value
    }
    assert (found["fresh"].type, "$no" in found) == ("any", False)


def test_cohorts_land_in_attributes_that_can_hold_them() -> None:
    """A name of another type, one of Braze's own, or a blocklisted one is refused; a new label keeps the old name."""
    box = make("braze", attributes={"City": "String", "VIP": "Boolean"}, blocklisted=["Gone"])
    assert BRAZE.prepare is not None
    found = drive(BRAZE.prepare(context(cohorts=(("vip", "Top"), ("new", "New")), ids={"vip": "VIP"})), workspace(box))
    assert found.value == {"cohorts": {"vip": "VIP", "new": "New"}}
    only = drive(BRAZE.prepare(context(cohorts=(("vip", "VIP"), ("new", "New")), create=False)), workspace(box)).value
    assert only == {"cohorts": {"vip": "VIP"}}
    for label in ("City", "email", "$x", "Gone"):
        with pytest.raises(DestinationError) as refused:
            drive(BRAZE.prepare(context(cohorts=(("c", label),))), workspace(box))
        assert refused.value.code == "RVT-652"


def test_erasing_looks_first() -> None:
    """Who is there is deleted, who is not is absent, and a refused look fails all."""
    box = make("braze")
    run(Op.UPSERT, [user(1)], workspace(box))
    assert BRAZE.erase is not None
    people = [Person("u1"), Person("u2")]
    done = drive(BRAZE.erase.run(context(), people), workspace(box)).value
    assert {one.identity: one.status for one in done} == {"u1": "erased", "u2": "absent"}
    assert box.store["users"] == {}
    done = drive(BRAZE.erase.run(context(), people), Script((EXPORT, 400, {"message": "no"}))).value
    assert {one.status for one in done} == {"failed"}


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_key_that_opens_nothing_stops_the_destination(status: int) -> None:
    """Unknown keys are 401 or 404, accounts that may not are 403."""
    found = BRAZE.diagnose(Reply(status, b'{"message": "Invalid API key"}'))
    assert found is not None
    assert (found.fault, found.reason) == (Fault.FATAL, "Invalid API key")


def test_too_many_calls_wait_for_the_reset() -> None:
    """The header is an epoch; without one, the window of writes is three seconds wide."""
    for reset, after in (("1000020", 20.0), ("", 3.0), ("999", 1.0)):
        found = BRAZE.diagnose(Reply(429, b"{}", {"x-ratelimit-reset": reset}, at=1_000_000.0))
        assert found is not None
        assert (found.fault, found.after) == (Fault.THROTTLED, after)


@pytest.mark.parametrize(
    ("ours", "theirs", "agree"),
    [
        ("2024-02-29", "2024-02-29T00:00:00.000Z", True),
        ("2024-02-29T10:00:00Z", "2024-02-29T10:00:00.000Z", True),
        ("2024-02-29", "2024-02-28T23:00:00.000Z", False),
        (["a", "b", "a"], ["b", "a"], True),
        (["a"], ["a", "b"], False),
        (True, 1, False),
        (None, None, True),
        ("x", None, False),
    ],
)
def test_what_is_read_back_is_compared_as_braze_keeps_it(ours: Any, theirs: Any, agree: bool) -> None:
    """A day is its midnight, an array is a set, what is empty is not shown."""
    assert same(None, ours, theirs) is agree


@pytest.mark.parametrize(
    "endpoint", ["https://rest.iad-01.braze.com", "evil.example.com", "rest.iad-01.braze.com.evil.org"]
)
def test_the_endpoint_is_one_of_brazes(endpoint: str) -> None:
    """A host name of the vendor's, nothing else."""
    with pytest.raises(ValidationError):
        BrazeSettings.model_validate({"api_key": "k", "endpoint": endpoint})


def test_smaller_batches_are_the_accounts_own() -> None:
    """Accounts of the newer plan take 50 users a call."""
    fewer = BrazeSettings.model_validate({"api_key": "k", "endpoint": "rest.iad-01.braze.com", "max_records": 50})
    assert [BRAZE.actions[Op.UPSERT].room(one) for one in (SETTINGS, fewer)] == [75, 50]


def test_a_look_that_is_refused_writes_nothing() -> None:
    """If it cannot be known who is there, all wait."""

    def down(_: Call) -> Reply:
        return Reply(503, b"{}")

    assert outcomes(run(Op.UPSERT, [user(1)], down, mode=Mode.UPDATE)) == [(1, "waiting", "503")]

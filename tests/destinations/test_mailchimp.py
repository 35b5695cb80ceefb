"""Mailchimp's nuances, call by call."""

from __future__ import annotations

from hashlib import md5
from typing import Any

import orjson
import pytest
from pydantic import ValidationError
from scripted import Script

from revetl.contract import Context, Fault, Http, Reply, Settled
from revetl.destinations.mailchimp import MAILCHIMP
from revetl.destinations.mailchimp.api import MailchimpSettings, NewStatus
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import batch, change
from revetl.types import Mode, OnLeave, Op, Proof, Status

SETTINGS = MailchimpSettings.model_validate({"api_key": "0123456789abcdef-us6", "list_id": "a1b2c3"})
POST = "POST /lists/a1b2c3"


def person(address: str, **more: Any) -> dict[str, Any]:
    """Return a member as an answer shows one."""
    return {
        "email_address": address,
        "id": md5(address.encode(), usedforsecurity=False).hexdigest(),
        "contact_id": f"k-{address}",
        **more,
    }


def answer(new: tuple[str, ...] = (), old: tuple[str, ...] = (), errors: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Return the answer to a batch call."""
    shown = {"new_members": [person(a) for a in new], "updated_members": [person(a) for a in old]}
    return {**shown, "errors": [{"email_address": a, "error": e, "error_code": c, "field": f} for a, e, c, f in errors]}


def run(op: Op, changes: list[Any], script: Script, **more: Any) -> Driven:
    """Run one action against a script, to the script's end."""
    seen = drive(MAILCHIMP.actions[op].run(batch(changes, SETTINGS, op, object="member", **more)), script)
    assert not script.left
    return seen


def hash_of(address: str) -> str:
    """Return the member's path."""
    return f"/lists/a1b2c3/members/{md5(address.encode(), usedforsecurity=False).hexdigest()}"


# --- upsert ---------------------------------------------------------------------------------------------------------


def test_people_who_are_there_are_updated_in_one_call_without_a_status() -> None:
    """Consent belongs to the person: nothing about it is said of anybody whom revetl has written before."""
    script = Script((POST, 200, answer(old=("c1@example.org", "c2@example.org"))))
    people = [change(1, fields={"FNAME": "A"}, created=True), change(2, fields={"FNAME": ""}, created=False)]
    seen = run(Op.UPSERT, people, script)
    assert script.bodies[0]["update_existing"] is True
    assert [sorted(m) for m in script.bodies[0]["members"]] == [["email_address", "merge_fields"]] * 2
    assert script.bodies[0]["members"][1]["merge_fields"] == {"FNAME": ""}
    assert script.queries[0]["skip_merge_validation"] == "true"
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.DELIVERED}
    assert [o.created for o in seen.outcomes] == [None, None]


def test_new_people_take_one_call_that_cannot_touch_anybody_else() -> None:
    """The status of new people travels in a call that creates only."""
    script = Script((POST, 200, answer(new=("c1@example.org",))))
    seen = run(Op.UPSERT, [change(1)], script)
    assert script.bodies[0] == {
        "members": [{"email_address": "c1@example.org", "status": "subscribed"}],
        "update_existing": False,
    }
    assert "skip_merge_validation" not in script.queries[0]
    assert seen.outcomes[0].created is True
    assert seen.outcomes[0].remote_id == "k-c1@example.org"


def test_somebody_who_is_there_already_is_updated_without_a_status_and_not_owned() -> None:
    """ERROR_CONTACT_EXISTS sends the person to an update; an unsubscribed one stays so, and is not ours to archive."""
    script = Script(
        (POST, 200, answer(errors=(("c1@example.org", "exists", "ERROR_CONTACT_EXISTS", ""),))),
        (POST, 200, answer(old=("c1@example.org",))),
    )
    seen = run(Op.UPSERT, [change(1, fields={"FNAME": "A"})], script)
    assert script.bodies[1] == {
        "members": [{"email_address": "c1@example.org", "merge_fields": {"FNAME": "A"}}],
        "update_existing": True,
    }
    assert seen.outcomes[0].created is False


def test_somebody_who_was_deleted_there_is_created_again() -> None:
    """A known person whom the update does not find is created, with the status for new people."""
    script = Script(
        (POST, 200, answer(old=("c2@example.org",), errors=(("c1@example.org", "bad", "ERROR_GENERIC", "status"),))),
        (POST, 200, answer(new=("c1@example.org",))),
    )
    seen = run(Op.UPSERT, [change(1, created=True), change(2, created=True)], script)
    assert [m["email_address"] for m in script.bodies[1]["members"]] == ["c1@example.org"]
    assert script.bodies[1]["update_existing"] is False
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.DELIVERED}


def test_a_bad_value_of_a_known_person_costs_no_second_call() -> None:
    """An error that names a merge field is the row's own; it is reported with field and words."""
    script = Script((POST, 200, answer(errors=(("c1@example.org", "not a number", "ERROR_GENERIC", "AGE"),))))
    seen = run(Op.UPSERT, [change(1, created=True, fields={"AGE": "x"})], script)
    assert (seen.outcomes[0].code, seen.outcomes[0].reason) == ("ERROR_GENERIC", "not a number · AGE")


def test_an_error_without_a_field_on_somebody_who_exists_is_reported_as_it_was() -> None:
    """The first refusal stands when the second call shows that the person is there."""
    script = Script(
        (POST, 200, answer(errors=(("c1@example.org", "fake or invalid", "ERROR_GENERIC", ""),))),
        (POST, 200, answer(errors=(("c1@example.org", "exists", "ERROR_CONTACT_EXISTS", ""),))),
    )
    seen = run(Op.UPSERT, [change(1, created=True)], script)
    assert seen.outcomes[0].reason == "fake or invalid"


def test_answers_are_matched_by_address_whatever_its_case() -> None:
    """Mailchimp answers the address as it stores it."""
    script = Script((POST, 200, answer(new=("c1@example.org",))))
    assert run(Op.UPSERT, [change(1, match=" C1@Example.org")], script).statuses() == {1: Status.DELIVERED}


def test_a_person_whom_the_answer_does_not_name_is_left_without_an_outcome() -> None:
    """HTTP 200 proves nothing about a row."""
    script = Script((POST, 200, answer(old=("c1@example.org",))))
    seen = run(Op.UPSERT, [change(1, created=True), change(2, created=True)], script)
    assert seen.statuses() == {1: Status.DELIVERED}


def test_a_refused_call_speaks_of_what_is_not_settled_yet() -> None:
    """Known people are acknowledged before the refusal of the call with the new ones is handed on."""
    script = Script((POST, 200, answer(old=("c1@example.org",))), (POST, 400, {"title": "Invalid Resource"}))
    seen = run(Op.UPSERT, [change(1, created=True), change(2)], script)
    assert seen.statuses() == {1: Status.DELIVERED}
    assert seen.rejected is not None
    assert seen.rejected.code == "Invalid Resource"


def test_what_is_proven_is_acknowledged_before_the_next_call() -> None:
    """The next call may be lost: what the first one proved must not become unknown with it."""
    exchange = MAILCHIMP.actions[Op.UPSERT].run(batch([change(1, created=True), change(2)], SETTINGS, object="member"))
    next(exchange)
    settled = exchange.send(Reply(200, orjson.dumps(answer(old=("c1@example.org",)))))
    assert isinstance(settled, Settled)
    assert [o.change.seq for o in settled.outcomes] == [1]


def test_an_audience_that_is_gone_leaves_everybody_waiting() -> None:
    """404 on the call as a whole says that nothing was applied, to known and new people alike."""
    script = Script((POST, 404, {"title": "Resource Not Found"}))
    seen = run(Op.UPSERT, [change(1, created=True), change(2)], script)
    assert seen.statuses() == {1: Status.WAITING, 2: Status.WAITING}


@pytest.mark.parametrize(("mode", "status", "update"), [(Mode.UPDATE, False, True), (Mode.INSERT, True, False)])
def test_modes_take_one_call(mode: Mode, status: bool, update: bool) -> None:
    """Update never creates and insert never updates; what that leaves out is refused by name."""
    errors = (("c1@example.org", "no", "ERROR_CONTACT_EXISTS" if status else "ERROR_GENERIC", ""),)
    script = Script((POST, 200, answer(errors=errors)))
    seen = run(Op.UPSERT, [change(1)], script, mode=mode)
    assert ("status" in script.bodies[0]["members"][0], script.bodies[0]["update_existing"]) == (status, update)
    assert seen.statuses() == {1: Status.REJECTED}


def test_the_members_own_fields_stand_beside_merge_fields() -> None:
    """language, email_type and vip are no merge fields; vip is a JSON boolean, and cleared it is false."""
    script = Script((POST, 200, answer(old=("c1@example.org", "c2@example.org"))))
    first = {"email_address": "c1@example.org", "language": "cs", "vip": "true", "email_type": "text", "LTV": 3}
    run(Op.UPSERT, [change(1, fields=first, created=True), change(2, fields={"vip": ""}, created=True)], script)
    assert script.bodies[0]["members"] == [
        {
            "email_address": "c1@example.org",
            "language": "cs",
            "vip": True,
            "email_type": "text",
            "merge_fields": {"LTV": 3},
        },
        {"email_address": "c2@example.org", "vip": False},
    ]


def test_the_status_of_new_people_is_the_users_choice() -> None:
    """``status_if_new`` is what new people get."""
    settings = SETTINGS.model_copy(update={"status_if_new": NewStatus.PENDING})
    script = Script((POST, 200, answer(new=("c1@example.org",))))
    drive(MAILCHIMP.actions[Op.UPSERT].run(batch([change(1)], settings, object="member")), script)
    assert script.bodies[0]["members"][0]["status"] == "pending"


# --- a new address --------------------------------------------------------------------------------------------------

RENAME = change(1, Op.IDENTITY, match="new@example.org", before_match="Old@example.org", created=True)


def test_a_new_address_goes_to_the_old_hash() -> None:
    """The member keeps everything but the address; the hash is of the old one in lower case."""
    script = Script((f"PATCH {hash_of('old@example.org')}", 200, person("new@example.org")))
    assert run(Op.IDENTITY, [RENAME], script).statuses() == {1: Status.DELIVERED}
    assert script.bodies == [{"email_address": "new@example.org"}]


def test_nobody_under_the_old_address_is_done() -> None:
    """404: nothing can stay behind."""
    script = Script((f"PATCH {hash_of('old@example.org')}", 404, {"title": "Resource Not Found"}))
    assert run(Op.IDENTITY, [RENAME], script).statuses() == {1: Status.DELIVERED}


def test_what_revetl_made_under_the_old_address_goes_where_the_new_one_is_taken() -> None:
    """Member Exists: our old record is archived, and the other person's record does not become ours."""
    path = hash_of("old@example.org")
    script = Script((f"PATCH {path}", 400, {"title": "Member Exists"}), (f"DELETE {path}", 204, b""))
    seen = run(Op.IDENTITY, [RENAME], script)
    assert (seen.outcomes[0].status, seen.outcomes[0].created) == (Status.DELIVERED, False)


def test_a_taken_address_is_refused_where_the_old_record_is_not_ours() -> None:
    """Two people's records are not merged behind their back."""
    rename = change(1, Op.IDENTITY, match="new@example.org", before_match="old@example.org", created=False)
    script = Script((f"PATCH {hash_of('old@example.org')}", 400, {"title": "Member Exists"}))
    assert run(Op.IDENTITY, [rename], script).outcomes[0].code == "IDENTITY_TAKEN"


def test_an_answer_about_somebody_else_proves_nothing() -> None:
    """The reply must show the new address."""
    script = Script((f"PATCH {hash_of('old@example.org')}", 200, person("old@example.org")))
    assert run(Op.IDENTITY, [RENAME], script).outcomes == []


# --- leaving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [204, 404, 405])
def test_archiving_somebody_who_is_gone_or_archived_is_done(status: int) -> None:
    """204 archived, 404 nobody, 405 archived (or bounced, or pending) before."""
    script = Script((f"DELETE {hash_of('c1@example.org')}", status, b""))
    seen = run(Op.LEAVE, [change(1, Op.LEAVE, created=True)], script, on_leave=OnLeave.ARCHIVE)
    assert seen.statuses() == {1: Status.DELIVERED}


def test_deleting_uses_the_permanent_action() -> None:
    """``delete`` is for good."""
    script = Script((f"POST {hash_of('c1@example.org')}/actions/delete-permanent", 204, b""))
    seen = run(Op.LEAVE, [change(1, Op.LEAVE)], script, on_leave=OnLeave.DELETE)
    assert seen.statuses() == {1: Status.DELIVERED}


def test_clearing_tells_somebody_gone_from_somebody_refused() -> None:
    """The batch call refuses both in the same words; a read of each says which it is."""
    errors = tuple((f"c{n}@example.org", "no", "ERROR_GENERIC", "") for n in (1, 2))
    script = Script(
        (POST, 200, answer(errors=errors)),
        (f"GET {hash_of('c1@example.org')}", 404, {}),
        (f"GET {hash_of('c2@example.org')}", 200, person("c2@example.org")),
    )
    leaves = [change(n, Op.LEAVE, fields={"FNAME": ""}) for n in (1, 2)]
    seen = run(Op.LEAVE, leaves, script, on_leave=OnLeave.CLEAR)
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.REJECTED}
    assert "status" not in script.bodies[0]["members"][0]


# --- tags -----------------------------------------------------------------------------------------------------------

SEGMENT = "POST /lists/a1b2c3/segments/77"
PREPARED = {"cohorts": {"vip": "77"}}


def tagged(key: str, *addresses: str, errors: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Return the answer to a change of a segment."""
    empty: dict[str, Any] = {"members_added": [], "members_removed": [], "total_removed": 0}
    total = {"total_removed": len(addresses)} if key == "members_removed" else {}
    return {**empty, key: [person(a) for a in addresses], "errors": list(errors), **total}


def test_joining_takes_one_call_for_all() -> None:
    """500 people a call, by address."""
    script = Script((SEGMENT, 200, tagged("members_added", "c1@example.org", "c2@example.org")))
    seen = run(Op.JOIN, [change(1, Op.JOIN), change(2, Op.JOIN)], script, prepared=PREPARED)
    assert script.bodies == [{"members_to_add": ["c1@example.org", "c2@example.org"]}]
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.DELIVERED}


def test_whom_the_join_passes_over_is_read() -> None:
    """An address that wears the tag already, and one that is nobody's, are passed over alike."""
    script = Script(
        (SEGMENT, 200, tagged("members_added", "c1@example.org")),
        (f"GET {hash_of('c2@example.org')}", 200, person("c2@example.org", tags=[{"id": 77, "name": "High Value"}])),
        (f"GET {hash_of('c3@example.org')}", 404, {}),
    )
    seen = run(Op.JOIN, [change(n, Op.JOIN) for n in (1, 2, 3)], script, prepared=PREPARED)
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.DELIVERED, 3: Status.REJECTED}
    assert seen.of(change(3))[0].code == "NOT_IN_AUDIENCE"


def test_parting_somebody_unknown_is_done() -> None:
    """A complete removal that does not name a person as failed proves that the person wears no tag."""
    script = Script((SEGMENT, 200, tagged("members_removed", "c1@example.org")))
    seen = run(Op.PART, [change(1, Op.PART), change(2, Op.PART)], script, prepared=PREPARED)
    assert [o.proof for o in seen.outcomes] == [Proof.ROW, Proof.ACCOUNT]


def test_a_removal_whose_total_disagrees_proves_nothing_of_the_rest() -> None:
    """Whoever is not named is read."""
    body = {**tagged("members_removed", "c1@example.org"), "total_removed": 2}
    still = person("c2@example.org", tags=[{"id": 77, "name": "High Value"}])
    script = Script((SEGMENT, 200, body), (f"GET {hash_of('c2@example.org')}", 200, still))
    seen = run(Op.PART, [change(1, Op.PART), change(2, Op.PART)], script, prepared=PREPARED)
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.REJECTED}


def context(**more: Any) -> Context:
    """Return what ``prepare`` and ``read_back`` are told."""
    return Context("test.customer", "member", SETTINGS, match_field="email_address", **more)


LISTED = "GET /lists/a1b2c3/segments"


@pytest.mark.parametrize(
    ("ids", "steps", "expected"),
    [
        ({}, [("POST /lists/a1b2c3/segments", 200, {"id": 90, "name": "High Value"})], "90"),
        ({"vip": "5"}, [("PATCH /lists/a1b2c3/segments/5", 200, {"id": 5, "name": "High Value"})], "5"),
        ({"vip": "404"}, [("POST /lists/a1b2c3/segments", 200, {"id": 90})], "90"),
    ],
    ids=["created", "renamed", "gone and created"],
)
def test_a_cohort_finds_its_tag(ids: dict[str, str], steps: list[Any], expected: str) -> None:
    """By the id of earlier runs, which outlives a new label; else it is created."""
    script = Script((LISTED, 200, {"segments": [{"id": 5, "name": "Old Label"}], "total_items": 1}), *steps)
    assert MAILCHIMP.prepare is not None
    seen = drive(MAILCHIMP.prepare(context(cohorts=(("vip", "High Value"),), ids=ids)), script)
    assert seen.value == {"cohorts": {"vip": expected}}
    assert script.left == []


def test_a_tag_of_the_same_label_is_taken_over_without_a_write() -> None:
    """One read finds all tags."""
    script = Script((LISTED, 200, {"segments": [{"id": 5, "name": "High Value"}], "total_items": 1}))
    assert MAILCHIMP.prepare is not None
    seen = drive(MAILCHIMP.prepare(context(cohorts=(("vip", "High Value"),))), script)
    assert seen.value == {"cohorts": {"vip": "5"}}


# --- reading --------------------------------------------------------------------------------------------------------


def test_reading_back_takes_the_list_where_that_is_shorter_and_passes_over_the_archived() -> None:
    """Three people of a small audience are one call; fields are flat, tags are labels, opt-outs are seen."""
    people = [
        person("c1@example.org", status="unsubscribed", merge_fields={"FNAME": "A"}, tags=[{"id": 7, "name": "VIP"}]),
        person("c2@example.org", status="archived", merge_fields={}, tags=[]),
    ]
    script = Script(("GET /lists/a1b2c3/members", 200, {"members": people, "total_items": 2}))
    assert MAILCHIMP.read_back is not None
    found = drive(MAILCHIMP.read_back.run(context(), ["c1@example.org", "c2@example.org", "c3@x.org"]), script).value
    assert [(r.identity, r.fields["FNAME"], r.cohorts, r.opted_out) for r in found] == [
        ("c1@example.org", "A", frozenset({"VIP"}), True)
    ]


def test_reading_back_few_people_of_a_large_audience_asks_for_each() -> None:
    """One person of a million does not cost a thousand calls."""
    script = Script(
        ("GET /lists/a1b2c3/members", 200, {"members": [], "total_items": 1_000_000}),
        (f"GET {hash_of('c1@example.org')}", 200, person("c1@example.org", status="subscribed", merge_fields={})),
    )
    assert MAILCHIMP.read_back is not None
    found = drive(MAILCHIMP.read_back.run(context(), ["c1@example.org"]), script).value
    assert [record.identity for record in found] == ["c1@example.org"]


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (403, b"Forbidden", Fault.THROTTLED),
        (403, b'{"title": "Forbidden"}', Fault.FATAL),
        (401, b'{"title": "API Key Invalid"}', Fault.FATAL),
        (429, b'{"title": "Too Many Requests"}', Fault.BUSY),
        (400, b'{"title": "Invalid Resource"}', None),
        (500, b"oops", None),
    ],
)
def test_replies_are_understood(status: int, body: bytes, fault: Fault | None) -> None:
    """A 403 without JSON is a throttle; with JSON it is a refusal."""
    found = MAILCHIMP.diagnose(Reply(status, body))
    assert (found.fault if found else None) == fault


@pytest.mark.parametrize("key", ["0123456789", "abc-us6.evil.example", "abc-", "abc-us6/x", "abc-@example.org"])
def test_a_key_cannot_lead_to_another_host(key: str) -> None:
    """The data center is letters and digits, or the settings are refused without showing the key."""
    with pytest.raises(ValidationError, match="data center") as refused:
        MailchimpSettings.model_validate({"api_key": key, "list_id": "a1"})
    assert key not in str(refused.value)


def test_labels_show_no_address_and_no_id() -> None:
    """What messages may show is the path's template."""
    seen = run(
        Op.LEAVE,
        [change(1, Op.LEAVE)],
        Script((f"DELETE {hash_of('c1@example.org')}", 204, b"")),
        on_leave=OnLeave.ARCHIVE,
    )
    call = seen.calls[0]
    assert isinstance(call, Http)
    assert call.label == "DELETE /lists/{list_id}/members/{id}"

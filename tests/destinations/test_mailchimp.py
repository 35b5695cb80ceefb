"""Mailchimp's people: created, updated, renamed, ended, call by call."""

from __future__ import annotations

import orjson
import pytest
from mailchimp_case import POST, SETTINGS, answer, hash_of, person, run
from scripted import Script

from revetl.contract import Reply, Settled
from revetl.destinations.mailchimp import MAILCHIMP
from revetl.destinations.mailchimp.api import NewStatus
from revetl.testing.drive import drive
from revetl.testing.seeds import batch, change
from revetl.types import Mode, OnLeave, Op, Status

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


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("c1@example.org is in a compliance state due to unsubscribe and cannot be subscribed.", "COMPLIANCE_STATE"),
        ("c1@example.org was permanently deleted and cannot be re-imported.", "FORGOTTEN"),
        ("c1@example.org looks fake or invalid", "ERROR_GENERIC"),
    ],
)
def test_a_refusal_that_is_an_opt_out_has_a_code_of_its_own(said: str, code: str) -> None:
    """Mailchimp calls all of them ERROR_GENERIC; those whom only they themselves can bring back are told apart."""
    script = Script((POST, 200, answer(errors=(("c1@example.org", said, "ERROR_GENERIC", ""),))))
    (outcome,) = run(Op.UPSERT, [change(1)], script).outcomes
    assert (outcome.status, outcome.code) == (Status.REJECTED, code)
    assert (code in MAILCHIMP.opted_out) is (code != "ERROR_GENERIC")


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

"""What is read from Mailchimp, and what its replies and settings mean."""

from __future__ import annotations

import pytest
from mailchimp_case import context, hash_of, person, run
from pydantic import ValidationError
from scripted import Script

from revetl.contract import Fault, Http, Reply
from revetl.destinations.mailchimp import MAILCHIMP
from revetl.destinations.mailchimp.api import MailchimpSettings
from revetl.testing.drive import drive
from revetl.testing.seeds import change
from revetl.types import OnLeave, Op

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

"""The webhook: what it sends, signs, and makes of answers."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import orjson
import pytest
from pydantic import ValidationError
from scripted import Script

from revetl.contract import Http
from revetl.destinations.webhook import WEBHOOK, WebhookSettings
from revetl.testing.drive import drive
from revetl.testing.seeds import batch, change
from revetl.types import OnLeave, Op, Proof, Status

URL = "https://hooks.example.org/in/t0ken?key=s3cret"
SETTINGS = WebhookSettings.model_validate({"url": URL, "secret": "k", "headers": {"X-Team": "growth-t3am"}})


def send(script: Script, op: Op = Op.UPSERT, settings: Any = SETTINGS, **more: Any) -> Any:
    """Two changes of ``op`` through the webhook."""
    changes = [change(n, op, fields={"name": f"N{n}"}) for n in (1, 2)]
    return drive(WEBHOOK.actions[op].run(batch(changes, settings, object="record", **more)), script)


def test_a_batch_is_one_signed_post() -> None:
    """The signature is over the very bytes of the body; the idempotency key is theirs too."""
    script = Script(("POST ", 204, b""))
    call = send(script).calls[0]
    assert orjson.loads(call.content) == {
        "sync": "test.customer",
        "object": "record",
        "op": "upsert",
        "mode": "upsert",
        "records": [
            {"id": '["c-1"]', "match": "c1@example.org", "fields": {"name": "N1"}},
            {"id": '["c-2"]', "match": "c2@example.org", "fields": {"name": "N2"}},
        ],
    }
    headers = dict(call.headers)
    assert headers["x-revetl-signature"] == "sha256=" + hmac.new(b"k", call.content, hashlib.sha256).hexdigest()
    assert headers["idempotency-key"] == hashlib.sha256(call.content).hexdigest()


def test_leaves_and_joins_say_what_they_are() -> None:
    """The policy of a leave and the cohort of a join travel with them."""
    script = Script(("POST ", 200, b""), ("POST ", 200, b""))
    send(script, Op.LEAVE, on_leave=OnLeave.DELETE)
    send(script, Op.JOIN)
    assert script.bodies[0]["on_leave"] == "delete"
    assert script.bodies[1]["cohort"] == {"name": "vip", "label": "High Value"}
    assert script.bodies[1]["records"][0]["fields"] == {"name": "N1"}  # what the membership carries


def test_rows_that_the_answer_names_are_refused_and_the_others_proven() -> None:
    """A list of errors accounts for all rows."""
    errors = {"errors": [{"id": '["c-2"]', "code": "BAD", "message": "no"}]}
    seen = send(Script(("POST ", 200, errors)))
    assert [(o.status, o.proof, o.code) for o in seen.outcomes] == [
        (Status.DELIVERED, Proof.ACCOUNT, ""),
        (Status.REJECTED, None, "BAD"),
    ]


@pytest.mark.parametrize("answer", [b"", b"ok", b'{"received": 2}'])
def test_a_plain_2xx_is_an_acceptance(answer: bytes) -> None:
    """No more is claimed than was said."""
    assert {o.proof for o in send(Script(("POST ", 200, answer))).outcomes} == {Proof.ACCEPTED}


@pytest.mark.parametrize("errors", [[{"id": "who"}], "all", [1]])
def test_an_error_list_that_makes_no_sense_proves_nothing(errors: Any) -> None:
    """A stranger's id, or no list: no row is delivered on it."""
    seen = send(Script(("POST ", 200, {"errors": errors})))
    assert seen.unreadable is not None
    assert seen.outcomes == []


def test_refusals_and_detours_deliver_nothing() -> None:
    """400 comes again in halves; a redirect is not followed."""
    assert send(Script(("POST ", 400, b""))).rejected is not None
    assert set(send(Script(("POST ", 302, b""))).statuses().values()) == {Status.WAITING}


def test_smaller_batches_are_the_users_choice() -> None:
    """``max_records`` bounds every batch, so that small ones go out side by side; beyond 500 it means 500."""
    for op, action in WEBHOOK.actions.items():
        assert action.room(SETTINGS.model_copy(update={"max_records": 1})) == 1, op
        assert action.room(SETTINGS.model_copy(update={"max_records": 10_000})) == 500, op


def test_the_secret_parts_of_the_url_join_last() -> None:
    """Neither token, key nor header stands in the call itself; authentication adds them."""
    call = send(Script(("POST ", 200, b""))).calls[0]
    assert not any(secret in repr(call) for secret in ("t0ken", "s3cret", "growth-t3am"))
    assert isinstance(call, Http)
    assert WEBHOOK.auth is not None
    sent = WEBHOOK.auth.apply(SETTINGS, None, call)
    assert WEBHOOK.base_url(SETTINGS) == "https://hooks.example.org/in/t0ken"
    assert sent.query == (("key", "s3cret"),)
    assert dict(sent.headers)["X-Team"] == "growth-t3am"
    assert WEBHOOK.account_key(SETTINGS) == "hooks.example.org"


@pytest.mark.parametrize(
    "url", ["http://example.org/x", "https://user:pw@example.org/", "file:///etc/passwd", "https://", "ftp://x.org"]
)
def test_unsafe_urls_are_refused(url: str) -> None:
    """Only https goes, but for this machine; nothing of the URL is in the message."""
    with pytest.raises(ValidationError) as refused:
        WebhookSettings.model_validate({"url": url})
    assert "user:pw" not in str(refused.value)


def test_this_machine_may_be_reached_in_clear() -> None:
    """A receiver under development needs no certificate."""
    assert WebhookSettings.model_validate({"url": "http://127.0.0.1:8000/"}).max_records == 500


def test_headers_cannot_smuggle_lines() -> None:
    """A line break in a header's value is refused."""
    with pytest.raises(ValidationError):
        WebhookSettings.model_validate({"url": URL, "headers": {"X-A": "1\r\nX-B: 2"}})

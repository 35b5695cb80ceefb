"""A webhook of one's own: JSON batches over HTTPS, signed, with an answer for each row if the receiver likes.

The receiver gets ``{"sync", "object", "op", "mode", "on_leave", "cohort", "records": [{"id", "match", "fields", …}]}``
with the headers ``X-Revetl-Signature: sha256=<HMAC-SHA256 of the body, hex>`` and ``Idempotency-Key`` (SHA-256 of the
body). It answers 2xx: with ``{"errors": [{"id", "code", "message"}]}`` the rows named are refused and the others are
delivered; without, the batch is accepted. 400, 409, 413 and 422 refuse a batch for some row in it: it comes again in
halves.

A record of an upsert has ``links`` where some changed (name → the ``id`` it points to, and those that it points to no
more) and ``consent`` where the sync has such a column; ``new_as`` says how new records start. Joins with ``"consent":
"unsubscribe"`` in place of a cohort name people who said no. An erasure comes as ``{"sync", "object", "op": "erase",
"records": [{"match"}]}``, signed the same way; there ``errors`` name the ``match``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from revetl.contract import (
    Action,
    Auth,
    BatchRejected,
    CohortStyle,
    Context,
    Destination,
    Diagnosis,
    Erase,
    Exchange,
    Fault,
    Http,
    LinkStyle,
    Object,
    Reply,
    Token,
    UnreadableReply,
    WireFormat,
)
from revetl.types import JSON, Batch, Change, Erased, OnLeave, Op, Outcome, Person, Proof, RemoteField

_ROWS = 500
_CONSENT = "unsubscribe"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class WebhookSettings(BaseModel):
    """Where a program of your own listens."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: Annotated[
        SecretStr,
        Field(description="Where batches are posted; a secret, because many services put a token into its path."),
    ]
    secret: Annotated[SecretStr | None, Field(description="Signs each body (HMAC-SHA256).")] = None
    max_records: Annotated[int, Field(ge=1, le=_ROWS, description="Records in a call.")] = _ROWS
    headers: Annotated[
        dict[str, SecretStr], Field(description="Go along with each call; their values are secrets.")
    ] = {}

    @field_validator("url")
    @classmethod
    def _must_be_safe(cls, url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if not parts.hostname or parts.username is not None or parts.fragment:
            raise ValueError("url must be https://host/path, without a user name and without #")
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("url must be https:// (http:// only for this machine)")
        return url

    @field_validator("headers")
    @classmethod
    def _must_be_headers(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            if not name.replace("-", "").isalnum() or not name.isascii():
                raise ValueError(f"{name!r} is not the name of a header")
            if not value.get_secret_value().isprintable() or not value.get_secret_value().isascii():
                raise ValueError(f"the value of header {name} has characters that a header cannot carry")
        return headers


def _base_url(settings: WebhookSettings) -> str:
    parts = urlsplit(settings.url.get_secret_value())
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _account_key(settings: WebhookSettings) -> str:
    return urlsplit(settings.url.get_secret_value()).netloc


def _authorise(settings: WebhookSettings, _: Token | None, call: Http) -> Http:
    """Return the call with the URL's query and the user's headers: what may be secret joins it last."""
    query = parse_qsl(urlsplit(settings.url.get_secret_value()).query, keep_blank_values=True)
    given = [(name, value.get_secret_value()) for name, value in settings.headers.items()]
    return replace(call, query=(*call.query, *query), headers=(*call.headers, *given))


def _diagnose(reply: Reply) -> Diagnosis | None:
    if reply.status in (401, 403, 404, 405, 410):
        return Diagnosis(Fault.FATAL, f"the webhook answers HTTP {reply.status}", str(reply.status))
    return None


def _send(batch: Batch) -> Exchange:
    """Post the batch, which has no more records than the settings allow."""
    if not batch.changes:
        return []
    reply = yield _call(batch, batch.changes)
    if reply.status in (400, 409, 413, 422):
        return BatchRejected(str(reply.status), f"the webhook answers HTTP {reply.status}")
    return _judge(reply, batch.changes)


def _call(batch: Batch, group: Sequence[Change]) -> Http:
    body: dict[str, JSON] = {"sync": batch.sync, "object": batch.object, "op": batch.op.value}
    if batch.op is Op.UPSERT:
        body["mode"] = batch.mode.value
    if batch.op is Op.LEAVE:
        body["on_leave"] = batch.on_leave.value
    if batch.new_as is not None:
        body["new_as"] = batch.new_as
    if batch.cohort is not None and batch.cohort.style == _CONSENT:
        body["consent"] = _CONSENT  # all these people said no
    elif batch.cohort is not None:
        body["cohort"] = {"name": batch.cohort.name, "label": batch.cohort.label}
    return _signed(batch.settings, {**body, "records": [_record(change) for change in group]})


def _signed(settings: WebhookSettings, body: dict[str, JSON]) -> Http:
    content = orjson.dumps(body)
    headers = [("idempotency-key", hashlib.sha256(content).hexdigest())]
    if settings.secret is not None:
        key = settings.secret.get_secret_value().encode()
        headers.append(("x-revetl-signature", f"sha256={hmac.new(key, content, hashlib.sha256).hexdigest()}"))
    path = urlsplit(settings.url.get_secret_value()).path
    below = "/" if path.endswith("/") or not path else ""  # the rest of the URL is the base URL
    return Http("POST", below, content=content, headers=tuple(headers), template="(webhook)")


def _record(change: Change) -> dict[str, JSON]:
    record: dict[str, JSON] = {"id": change.key, "match": change.match}
    if change.op in (Op.UPSERT, Op.LEAVE) or change.body != b"{}":
        record["fields"] = orjson.Fragment(change.body)  # byte for byte what the ledger holds
    if change.links:
        record["links"] = {name: {"id": link.id, "ended": list(link.ended)} for name, link in change.links.items()}
    if change.consent is not None:
        record["consent"] = change.consent
    if change.before_match is not None:
        record["before_match"] = change.before_match
    return record


def _judge(reply: Reply, group: Sequence[Change]) -> list[Outcome]:
    if not reply.ok:
        code = str(reply.status)
        return [Outcome.waiting(c, code=code, reason=f"the webhook answers HTTP {code}") for c in group]
    errors = _errors(reply)
    if errors is None:
        return [_delivered(change, Proof.ACCEPTED) for change in group]
    refused = {str(error.get("id")): error for error in errors}
    if not refused.keys() <= {change.key for change in group}:
        raise UnreadableReply(reply.status, "errors name an id that was not sent")
    return [_row(change, refused.get(change.key)) for change in group]


def _errors(reply: Reply) -> list[dict[str, JSON]] | None:
    """Return the rows that the answer refuses, None where it speaks of the whole batch alone."""
    try:
        found = orjson.loads(reply.content)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict) or "errors" not in found:
        return None
    errors = found["errors"]
    if not isinstance(errors, list) or not all(isinstance(error, dict) for error in errors):
        raise UnreadableReply(reply.status, "errors is not a list of objects")
    return errors


def _delivered(change: Change, proof: Proof) -> Outcome:
    """Return a delivery; the id by which links name the record is the one it was sent with."""
    new = change.op is Op.UPSERT and change.remote_id is None
    return Outcome.delivered(change, proof=proof, remote_id=change.key if new else None)


def _row(change: Change, error: dict[str, JSON] | None) -> Outcome:
    if error is None:
        return _delivered(change, Proof.ACCOUNT)
    code = str(error.get("code") or "REFUSED")
    return Outcome.rejected(change, code=code, reason=str(error.get("message") or code))


def _erase(context: Context, people: Sequence[Person]) -> Generator[Any, Any, list[Erased]]:
    if not people:
        return []
    told = {"sync": context.sync, "object": context.object, "op": "erase"}
    reply: Reply = yield _signed(context.settings, {**told, "records": [{"match": p.identity} for p in people]})
    if not reply.ok:
        reason = f"the webhook answers HTTP {reply.status}"
        return [Erased(p.identity, "failed", str(reply.status), reason) for p in people]
    refused = {str(error.get("match")): error for error in _errors(reply) or ()}
    if not refused.keys() <= {p.identity for p in people}:
        raise UnreadableReply(reply.status, "errors name a match that was not sent")
    return [_forgotten(p, refused.get(p.identity)) for p in people]


def _forgotten(person: Person, error: dict[str, JSON] | None) -> Erased:
    if error is None:
        return Erased(person.identity, "erased", reason="the receiver has the message; what it does is its own")
    code = str(error.get("code") or "REFUSED")
    return Erased(person.identity, "failed", code, str(error.get("message") or code))


_ACTION = Action(
    _send, max_records=_ROWS, proof=Proof.ACCEPTED, max_bytes=4_000_000, fits=lambda settings: settings.max_records
)

WEBHOOK = Destination(
    name="webhook",
    title="Webhook",
    settings=WebhookSettings,
    base_url=_base_url,
    hosts=("*",),  # the URL is the user's own choice; it must be https
    auth=Auth(_authorise),
    objects={
        "record": Object(
            match=("id", "*"),
            normalise="exact",
            cohorts={
                "message": CohortStyle(
                    "message", "join and part messages that name the cohort", fields=(RemoteField("*"),)
                )
            },
            links={"*": LinkStyle("record", "under `links` in the record: the `id` of the other one")},
            consent={_CONSENT: CohortStyle(_CONSENT, "join messages with `consent: unsubscribe`")},
            new_as=("subscribed", "pending"),
            on_leave=frozenset(OnLeave),
            any_field=True,
        )
    },
    actions=dict.fromkeys(Op, _ACTION),
    wire=WireFormat(),
    account_key=_account_key,
    erase=Erase(_erase, max_records=_ROWS, what="Sends a signed erase message; the receiver must do what it says."),
    diagnose=_diagnose,
    rehearsal={"url": "https://hooks.example.org/revetl"},
)

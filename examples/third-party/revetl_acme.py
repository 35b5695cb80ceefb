"""Acme CRM, a made-up tool with one batch endpoint: a whole destination.

``POST /v1/people/batch`` takes up to 50 ``{"email", "fields"}`` and answers 200 with ``{"results": [{"email", "id",
"error"}]}``, one for each person; ``error`` is null or ``{"code", "message"}``. 100 calls are allowed per 10 seconds.
"""

from __future__ import annotations

from dataclasses import replace

import orjson
from pydantic import BaseModel, ConfigDict, SecretStr

from revetl.contract import (
    Action,
    Auth,
    Destination,
    Diagnosis,
    Exchange,
    Fault,
    Http,
    Limit,
    Object,
    Reply,
    Token,
    UnreadableReply,
    WireFormat,
)
from revetl.types import JSON, Batch, Change, Op, Outcome


class AcmeSettings(BaseModel):
    """``api_key`` is made in Acme under Settings; ``subdomain`` is the part before ``.acme.example``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_key: SecretStr
    subdomain: str


def authorise(settings: AcmeSettings, _: Token | None, call: Http) -> Http:
    """Return the call with the key on it: the last thing that happens to a call."""
    key = settings.api_key.get_secret_value()
    return replace(call, headers=(*call.headers, ("authorization", f"Bearer {key}")))


def diagnose(reply: Reply) -> Diagnosis | None:
    """Return what a reply means beyond its rows; the sender knows 429 and 5xx by itself."""
    if reply.status in (401, 403):
        return Diagnosis(Fault.FATAL, "Acme refuses the API key", str(reply.status))
    return None


def upsert(batch: Batch) -> Exchange:
    """Write people; the reply names each of them."""
    if not batch.changes:
        return []
    people = [{"email": change.match, "fields": change.fields} for change in batch.changes]
    reply = yield Http("POST", "/v1/people/batch", content=orjson.dumps({"people": people}))
    if not reply.ok:
        code = str(reply.status)
        return [Outcome.waiting(change, code=code, reason=f"Acme answers HTTP {code}") for change in batch.changes]
    return [_judge(change, _results(reply).get(change.match)) for change in batch.changes]


def _results(reply: Reply) -> dict[JSON, dict[str, JSON]]:
    body = reply.json()
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        raise UnreadableReply(reply.status, "no results")
    return {result.get("email"): result for result in body["results"] if isinstance(result, dict)}


def _judge(change: Change, result: dict[str, JSON] | None) -> Outcome:
    if result is None:  # not named, so nothing is proved
        return Outcome.unknown(change, code="NOT_NAMED", reason="Acme's answer does not name the row")
    if result.get("error"):
        return Outcome.rejected(change, code=result["error"]["code"], reason=result["error"]["message"])
    return Outcome.delivered(change, remote_id=str(result["id"]))


ACME = Destination(
    name="acme",
    title="Acme CRM",
    settings=AcmeSettings,
    base_url=lambda settings: f"https://{settings.subdomain}.acme.example",
    hosts=("*.acme.example",),
    auth=Auth(authorise),
    objects={"person": Object(match=("email",), any_field=True)},
    actions={Op.UPSERT: Action(upsert, max_records=50)},
    limits=lambda _: (Limit("burst", 100, seconds=10),),
    wire=WireFormat(),
    account_key=lambda settings: settings.subdomain,
    diagnose=diagnose,
)

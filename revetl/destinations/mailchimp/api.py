"""What every Mailchimp exchange shares: settings, paths, calls, and what a refusal says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from revetl.contract import BatchRejected, Diagnosis, Fault, Http, Reply, Settled, Token, UnreadableReply
from revetl.types import JSON, Change, Effect, Outcome

SIDE_BY_SIDE = 10  # calls of one exchange in flight: what the account allows at all
_DATA_CENTER = re.compile(r"[a-z]{2,8}[0-9]{1,4}")


class NewStatus(StrEnum):
    """The consent status of a person whom revetl creates. Nobody who is there already is ever given one."""

    SUBSCRIBED = "subscribed"
    PENDING = "pending"
    UNSUBSCRIBED = "unsubscribed"
    TRANSACTIONAL = "transactional"


class MailchimpSettings(BaseModel):
    """An audience, and how people are made in it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_key: Annotated[
        SecretStr, Field(description="An API key, which ends in its data center (-us6), or an OAuth token.")
    ]
    list_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,40}$"), Field(description="The audience's id.")]
    data_center: Annotated[str, Field(description="Such as us6; only for an OAuth token, which does not name it.")] = ""
    status_if_new: Annotated[NewStatus, Field(description="With which status people are made.")] = NewStatus.SUBSCRIBED
    skip_merge_validation: Annotated[
        bool, Field(description="Creates people although a required merge field has no value.")
    ] = False

    @model_validator(mode="before")
    @classmethod
    def _find_data_center(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("data_center"):
            return given
        key = given.get("api_key", "")
        text = key.get_secret_value() if isinstance(key, SecretStr) else str(key)
        return {**given, "data_center": text.rpartition("-")[2] if "-" in text else ""}

    @model_validator(mode="after")
    def _know_data_center(self) -> MailchimpSettings:
        if not _DATA_CENTER.fullmatch(self.data_center):
            raise ValueError(
                "api_key does not end in -<data center>, such as -us6; give data_center for an OAuth token"
            )
        return self


def authorise(settings: MailchimpSettings, _: Token | None, call: Http) -> Http:
    """Return the call with the API key, or OAuth token, on it."""
    return replace(call, headers=(*call.headers, ("authorization", f"Bearer {settings.api_key.get_secret_value()}")))


def diagnose(reply: Reply) -> Diagnosis | None:
    """Return what a reply means beyond its rows.

    Heavy abuse is answered by a bare 403 without JSON, and there are no rate headers at all:
    https://mailchimp.com/developer/marketing/docs/fundamentals/#throttling
    """
    if reply.ok:
        return None
    code, reason = refusal(reply)
    if reply.status == 429:
        return Diagnosis(Fault.BUSY, reason, code)
    if reply.status == 403 and not reply.problem():
        return Diagnosis(Fault.THROTTLED, "403 without JSON: Mailchimp blocks for a while", "THROTTLED", after=10.0)
    if reply.status in (401, 403):
        return Diagnosis(Fault.FATAL, reason, code)
    return None


def refusal(reply: Reply) -> tuple[str, str]:
    """Return code and sentence of a refusal: the problem's title and detail, with the fields it names."""
    document = reply.problem()
    named = document.get("errors")
    named = named if isinstance(named, list) else []
    fields = [f"{e.get('field')}: {e.get('message')}" for e in named if isinstance(e, dict)]
    reason = " · ".join([str(document.get("detail") or f"HTTP {reply.status}"), *fields])
    return str(document.get("title") or reply.status), reason


def refuse_all(reply: Reply, changes: Sequence[Change]) -> BatchRejected | list[Outcome]:
    """Return what a refusal of a whole call makes of its changes: nothing of it was applied."""
    code, reason = refusal(reply)
    if reply.status in (400, 413, 422):
        return BatchRejected(code, reason)
    return [Outcome.waiting(change, code=code, reason=reason) for change in changes]


def rows(reply: Reply, of: dict[str, JSON], name: str) -> list[dict[str, JSON]]:
    """Return the list of objects under ``name``.

    Raises:
        UnreadableReply: there is no such list.
    """
    found = of.get(name)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise UnreadableReply(reply.status, f"{name} is not a list of objects")
    return found


def normal(address: JSON) -> str:
    """Return an address as Mailchimp compares it."""
    return str(address).strip().lower()


def list_call(settings: MailchimpSettings, method: str, below: str, body: JSON = None, **query: str) -> Http:
    """Return a call to ``below`` the audience (such as ``/segments``); a GET is a read."""
    return Http(
        method,
        f"/lists/{settings.list_id}{below}",
        content=None if body is None else orjson.dumps(body),
        query=tuple(query.items()),
        effect=Effect.READ if method == "GET" else Effect.REPEATABLE,
        template=f"/lists/{{list_id}}{re.sub(r'(?<=/)([0-9a-f]{32}|[0-9]+)(?=/|$)', '{id}', below)}",
    )


def member_call(settings: MailchimpSettings, method: str, address: str, body: JSON = None, *, then: str = "") -> Http:
    """Return a call about one member, who is named by the MD5 of the address in lower case, as the API asks."""
    # surrogatepass: a broken address must be refused by name there, not break its whole batch here
    name = hashlib.md5(normal(address).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    return list_call(settings, method, f"/members/{name}{then}", body)


def chunks(changes: Sequence[Change]) -> list[Sequence[Change]]:
    """Return the changes in groups that may be in flight together."""
    return [changes[at : at + SIDE_BY_SIDE] for at in range(0, len(changes), SIDE_BY_SIDE)]


def remote_id(member: dict[str, JSON]) -> str | None:
    """Return the id that outlives a change of address, where the reply has it (``id`` is the address's MD5)."""
    found = member.get("contact_id")
    return str(found) if found else None


def settle(outcomes: list[Outcome]) -> Generator[Settled, None, None]:
    """Acknowledge what is proven before the next call, which may be lost."""
    if outcomes:
        yield Settled(tuple(outcomes))

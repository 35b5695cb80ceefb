"""What every Intercom exchange shares: settings, limits, calls, and what a refusal says."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from revetl.contract import Diagnosis, Fault, Http, Limit, Reply, Settled, Token, UnreadableReply
from revetl.errors import DestinationError
from revetl.types import JSON, Change, Effect, Outcome

_T = TypeVar("_T")

VERSION = "2.15"
SIDE_BY_SIDE = 15  # calls of one exchange in flight; as many records as one search finds
_SLICE = 10.0  # seconds: allowances are handed out in slices of a sixth of a minute
_REFUSALS = frozenset({400, 404, 409, 410, 413, 422})  # what speaks of the one record of a call


class Region(StrEnum):
    """Where the workspace's data is hosted: its calls go there."""

    US = "us"
    EU = "eu"
    AU = "au"


HOSTS: Mapping[Region, str] = {
    Region.US: "api.intercom.io",
    Region.EU: "api.eu.intercom.io",
    Region.AU: "api.au.intercom.io",
}


class IntercomSettings(BaseModel):
    """A workspace, and what its app is allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    access_token: Annotated[SecretStr, Field(description="The token of a private app, or of OAuth.")]
    region: Annotated[Region, Field(description="Where the workspace is hosted: us, eu or au.")] = Region.US
    workspace: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9_]{0,64}$"),
        Field(description="Its id: tells the limits of two workspaces apart."),
    ] = ""
    calls_per_minute: Annotated[int, Field(ge=60, le=100_000, description="The app's allowance.")] = 10_000


def limits(settings: IntercomSettings) -> tuple[Limit, ...]:
    """Return the app's allowance by slice; what the workspace's other apps take is seen in the headers.

    Source: https://developers.intercom.com/docs/references/rest-api/errors/rate-limiting
    """
    return (
        Limit(
            "calls",
            max(1, settings.calls_per_minute // 6),
            seconds=_SLICE,
            remaining_header="x-ratelimit-remaining",
            reset_header="x-ratelimit-reset",
            reset_is="epoch",
        ),
    )


def authorise(settings: IntercomSettings, _: Token | None, call: Http) -> Http:
    """Return the call with the token and the version of the API on it."""
    told = (
        ("authorization", f"Bearer {settings.access_token.get_secret_value()}"),
        ("intercom-version", VERSION),
        ("accept", "application/json"),  # 406 without it
    )
    return replace(call, headers=(*call.headers, *told))


def diagnose(reply: Reply) -> Diagnosis | None:
    """Return what a reply means beyond its record: 429 lasts until ``X-RateLimit-Reset``."""
    code, reason = refusal(reply)
    if reply.status == 429:
        return Diagnosis(Fault.THROTTLED, reason, code, after=_until_reset(reply))
    if reply.status in (401, 402, 403) or code == "intercom_version_invalid":
        return Diagnosis(Fault.FATAL, reason, code)
    return None


def _until_reset(reply: Reply) -> float:
    given = reply.headers.get("x-ratelimit-reset", "")
    left = float(given) - reply.at if given.isdecimal() else _SLICE
    return min(max(left, 1.0), 60.0)


def refusal(reply: Reply) -> tuple[str, str]:
    """Return code and sentence of a refusal: the first error's code, and the words of all."""
    errors = reply.problem().get("errors")
    rows = [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []
    words = [" ".join(str(e[k]) for k in ("field", "message") if e.get(k)) for e in rows]
    code = next((str(e["code"]) for e in rows if e.get("code")), str(reply.status))
    return code, " · ".join(word for word in words if word) or f"HTTP {reply.status}"


def declined(change: Change, reply: Reply) -> Outcome:
    """Return what a refusal makes of the one change that its call was about: nothing was applied."""
    code, reason = refusal(reply)
    if reply.status in _REFUSALS:
        return Outcome.rejected(change, code=code, reason=reason)
    return Outcome.waiting(change, code=code, reason=reason)


def call(method: str, path: str, body: JSON = None, *, effect: Effect | None = None, template: str = "") -> Http:
    """Return a call; a GET is a read."""
    how = effect or (Effect.READ if method == "GET" else Effect.REPEATABLE)
    content = None if body is None else orjson.dumps(body)
    return Http(method, path, content=content, effect=how, template=template)


def contact_call(method: str, contact: str, then: str = "", body: JSON = None, *, below: str = "") -> Http:
    """Return a call about one contact, by Intercom's id: ``then`` (``/tags``), and the id ``below`` that."""
    tail, shape = (f"/{segment(below)}", "/{id}") if below else ("", "")
    path, template = f"/contacts/{segment(contact)}{then}{tail}", f"/contacts/{{contact_id}}{then}{shape}"
    return call(method, path, body, template=template)


def segment(text: str) -> str:
    """Return ``text`` as one segment of a path."""
    return quote(text, safe="")


def expect(reply: Reply, what: str) -> dict[str, JSON]:
    """Return the JSON object that a read is.

    Raises:
        DestinationError: RVT-651, it was refused.
    """
    if not reply.ok:
        code, reason = refusal(reply)
        raise DestinationError("RVT-651", f"Intercom does not show {what}: {code}, {reason}", hint="revetl debug")
    return reply.document()


def rows(reply: Reply, of: dict[str, JSON], name: str = "data") -> list[dict[str, JSON]]:
    """Return the list of objects under ``name``.

    Raises:
        UnreadableReply: there is no such list.
    """
    found = of.get(name)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise UnreadableReply(reply.status, f"{name} is not a list of objects")
    return found


def shown(reply: Reply) -> dict[str, JSON]:
    """Return the object that a 2xx shows; empty where it is no readable one, which proves nothing."""
    try:
        return reply.document()
    except UnreadableReply:
        return {}


def shown_id(reply: Reply) -> str:
    """Return the id of the object that a reply shows, empty where there is none."""
    found = shown(reply).get("id")
    return str(found) if isinstance(found, str | int) else ""


def chunks(items: Sequence[_T], size: int = SIDE_BY_SIDE) -> list[Sequence[_T]]:
    """Return ``items`` in groups whose calls may be in flight together."""
    return [items[at : at + size] for at in range(0, len(items), size)]


def settle(outcomes: Iterable[Outcome | None]) -> Generator[Any, Any, None]:
    """Acknowledge what is proven before the next call, which may be lost; None is an answer that proves nothing."""
    proven = tuple(outcome for outcome in outcomes if outcome is not None)
    if proven:
        yield Settled(proven)

"""What every Braze exchange shares: settings, limits, calls, and what a refusal says.

Facts come from the vendor's API documentation (users/track, users/export/ids, users/delete, external id migration,
errors, rate limits).
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from revetl.contract import BatchRejected, Diagnosis, Fault, Http, Limit, Reply, Token, UnreadableReply
from revetl.errors import DestinationError
from revetl.types import JSON, Change, Effect, Outcome

MOST = 75  # users of one write
LOOK = 50  # users of one read, rename, removal or deletion
BYTES = 3_900_000


class BrazeSettings(BaseModel):
    """A workspace, and what it allows."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_key: Annotated[SecretStr, Field(description="A REST API key of the workspace.")]
    endpoint: Annotated[
        str,
        Field(pattern=r"^rest\.[a-z0-9-]+\.braze\.(com|eu)$"),
        Field(description="The REST host of the workspace's instance, such as rest.iad-01.braze.com."),
    ]
    workspace: Annotated[str, Field(description="Any name: tells the limits of two workspaces apart.")] = ""
    create_fields: Annotated[
        bool, Field(description="Lets a mapped attribute that is not there come into being with its first value.")
    ] = False
    max_records: Annotated[
        int, Field(ge=1, le=MOST, description='Users in a call; 50 for accounts on "Monthly Active Users CY 24-25".')
    ] = MOST


def limits(_: BrazeSettings) -> tuple[Limit, ...]:
    """Return the published rates of a workspace; the headers know of others."""
    headers: dict[str, Any] = {
        "remaining_header": "x-ratelimit-remaining", "reset_header": "x-ratelimit-reset", "reset_is": "epoch",
        "default_cost": 0,
    }  # fmt: skip
    return (
        Limit("track", 3_000, seconds=3, **headers),
        Limit("export", 250, seconds=60, **headers),
        Limit("delete", 20_000, seconds=60, **headers),
        Limit("ids", 1_000, seconds=60, **headers),
        Limit("attributes", 1_000, seconds=3_600, **headers),
    )


def authorise(settings: BrazeSettings, _: Token | None, call: Http) -> Http:
    """Return the call with the key on it."""
    return replace(call, headers=(*call.headers, ("authorization", f"Bearer {settings.api_key.get_secret_value()}")))


def post(path: str, body: JSON, limit: str, *, effect: Effect = Effect.REPEATABLE) -> Http:
    """Return a call."""
    return Http("POST", path, content=orjson.dumps(body), effect=effect, cost={limit: 1})


def diagnose(reply: Reply) -> Diagnosis | None:
    """Return what a reply means beyond its rows; an unknown key is 401, or 404."""
    if reply.status == 429:
        given = reply.headers.get("x-ratelimit-reset", "")
        left = float(given) - reply.at if given.isdecimal() else 3.0
        return Diagnosis(Fault.THROTTLED, refusal(reply)[1], "429", after=min(max(left, 1.0), 3_600.0))
    if reply.status in (401, 403, 404):
        code, reason = refusal(reply)
        return Diagnosis(Fault.FATAL, reason, code)
    return None


def refusal(reply: Reply) -> tuple[str, str]:
    """Return code and sentence of a refusal of a whole call."""
    said = reply.problem().get("message")
    return str(reply.status), str(said or f"HTTP {reply.status}")


def refuse_all(reply: Reply, changes: Sequence[Change]) -> BatchRejected | list[Outcome]:
    """Return what a refusal of a whole call makes of its changes: nothing of it was applied."""
    code, reason = refusal(reply)
    if reply.status in (400, 409, 413, 422):
        return BatchRejected(code, reason)
    return [Outcome.waiting(change, code=code, reason=reason) for change in changes]


def document(reply: Reply) -> dict[str, JSON]:
    """Return the JSON object of a reply that says ``success``.

    Raises:
        UnreadableReply: it is none, or says something else.
    """
    found = reply.document()
    if found.get("message") != "success":
        raise UnreadableReply(reply.status, "the reply does not say success")
    return found


def expect(reply: Reply, what: str) -> dict[str, JSON]:
    """Return the object that a reply is.

    Raises:
        DestinationError: RVT-651, it is a refusal.
    """
    if not reply.ok:
        code, reason = refusal(reply)
        raise DestinationError("RVT-651", f"Braze refuses {what}: {code}, {reason}", hint="revetl debug")
    return document(reply)


def chunks(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Return ``items`` in groups that one call takes."""
    return (items[at : at + LOOK] for at in range(0, len(items), LOOK))


User = dict[str, JSON]
Users = dict[str, User | None]  # asked for → who it is; None: an old id of somebody, not removed yet
_SHOWN = (
    "external_id", "braze_id", "email", "first_name", "last_name", "phone", "country", "language", "time_zone", "dob",
    "gender", "home_city", "email_subscribe", "custom_attributes",
)  # fmt: skip


def find(ids: Iterable[str]) -> Generator[Any, Any, Users | Reply]:
    """Return those who are there of ``ids``; or the reply that refuses the reading.

    An id is absent if Braze calls it invalid. One that is neither shown nor invalid was renamed: it is good still.
    """
    found: Users = {}
    for group in chunks(list(dict.fromkeys(ids))):
        body = {"external_ids": list(group), "fields_to_export": list(_SHOWN)}
        reply = yield post("/users/export/ids", body, "export", effect=Effect.READ)
        if not reply.ok:
            refused: Reply = reply
            return refused
        shown = document(reply)
        rows, invalid = shown.get("users"), shown.get("invalid_user_ids") or []
        if not isinstance(rows, list) or not isinstance(invalid, list):
            raise UnreadableReply(reply.status, "the reply shows no users")
        by_id = {str(row.get("external_id")): row for row in rows if isinstance(row, dict)}
        found |= {one: by_id.get(one) for one in group if one not in invalid}
    return found

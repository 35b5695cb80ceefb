"""What stands in a project: its fields, its users and their lists."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import datetime
from typing import Any

from revetl.contract import Context, Http, Reply, UnreadableReply
from revetl.destinations.iterable import api
from revetl.errors import DestinationError
from revetl.types import JSON, Effect, RemoteField, RemoteRecord

_TYPES = {
    "string": "text", "long": "integer", "double": "number", "boolean": "boolean", "date": "timestamp",
    "object": "json", "geo_location": "json", "array": "list", "string_array": "list",
}  # fmt: skip
_IDENTITIES = ("email", "userId")
# Iterable's own; of these, the subscriptions are the person's choice, which a field never overwrites.
_SYSTEM = frozenset({
    "emailListIds", "profileUpdatedAt", "itblInternal", "itblUserId", "signupSource", "devices",
    "unsubscribedChannelIds", "unsubscribedMessageTypeIds", "subscribedMessageTypeIds",
})  # fmt: skip


def discover(context: Context) -> Generator[Any, Reply, tuple[RemoteField, ...]]:
    """Return the users' fields; where fields may be created, the mapped ones that are not there yet too.

    Raises:
        DestinationError: RVT-651, Iterable does not show them.
    """
    reply = yield Http("GET", "/api/users/getFields", effect=Effect.READ, cost={"fields": 1})
    found = _expect(reply, "the users' fields").get("fields")
    if not isinstance(found, dict):
        raise UnreadableReply(reply.status, "fields is not an object")
    kinds = dict.fromkeys(_IDENTITIES, "text")
    for name, kind in found.items():
        top, dot, _ = name.partition(".")
        if top not in _IDENTITIES:
            kinds[top] = "json" if dot else _TYPES.get(str(kind), "any")
    if context.settings.create_fields:
        kinds |= {name: "any" for name in context.fields if name not in kinds}
    return tuple(RemoteField(n, t, writable=n not in _SYSTEM, unique=n in _IDENTITIES) for n, t in kinds.items())


def _expect(reply: Reply, what: str) -> dict[str, JSON]:
    if not reply.ok:
        code, reason = api.refusal(reply)
        raise DestinationError("RVT-651", f"Iterable does not show {what}: {code}, {reason}", hint="revetl debug")
    return reply.document()


def read_back(context: Context, identities: Sequence[str]) -> Generator[Any, Any, list[RemoteRecord]]:
    """Return the users of ``identities`` that are there, with the cohorts' lists they are on."""
    found = yield from api.find(context.match_field, identities)
    if isinstance(found, Reply):
        _expect(found, "users")
        raise UnreadableReply(found.status, "a user cannot be read")
    ids = context.prepared.get("cohorts") or context.ids
    labels = {str(ids[name]): label for name, label in context.cohorts if name in ids}
    return [_record(identity, user, labels) for identity, user in found.items()]


def _record(identity: str, user: dict[str, JSON], labels: dict[str, str]) -> RemoteRecord:
    held = user.get("dataFields")
    own: dict[str, JSON] = dict(held) if isinstance(held, dict) else {}
    own |= {name: user[name] for name in _IDENTITIES if user.get(name) is not None}
    lists = {str(one) for one in own.get("emailListIds") or ()}
    cohorts = frozenset(label for list_id, label in labels.items() if list_id in lists)
    return RemoteRecord(identity, None, own, cohorts, opted_out=bool(own.get("unsubscribedChannelIds")))


def same(field: RemoteField | None, ours: JSON, theirs: JSON) -> bool:
    """Return whether ``theirs`` stands for our wire value: JSON is kept as sent, but for the spelling of instants."""
    if ours in (None, "") or theirs in (None, ""):
        return ours in (None, "") and theirs in (None, "")
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    dated = field is None or field.type in ("timestamp", "date", "any")
    if dated and isinstance(ours, str) and isinstance(theirs, str):
        left, right = _moment(ours), _moment(theirs)
        if left is not None and right is not None:
            return left == right
    return bool(ours == theirs)


def _moment(text: str) -> datetime | None:
    """Return the instant that a text is; Iterable sets a space before the offset."""
    try:
        found = datetime.fromisoformat(text.replace(" +", "+").replace(" -", "-"))
    except ValueError:
        return None
    return found if found.tzinfo else None

"""What stands in a workspace: its attributes, its users."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from typing import Any

from revetl.contract import Context, Http, Reply, UnreadableReply
from revetl.destinations.braze import api
from revetl.types import JSON, Effect, RemoteField, RemoteRecord

STANDARD = {
    "external_id": "text", "email": "text", "first_name": "text", "last_name": "text", "phone": "text",
    "country": "text", "language": "text", "time_zone": "text", "dob": "date", "gender": "text", "home_city": "text",
    "email_subscribe": "text", "push_subscribe": "text", "braze_id": "text", "user_alias": "json",
    "subscription_groups": "list", "push_tokens": "list", "created_at": "timestamp", "random_bucket": "integer",
}  # fmt: skip
_OWN = frozenset({  # Braze's, or the person's choice, which a field never overwrites
    "email_subscribe", "push_subscribe", "subscription_groups", "braze_id", "user_alias", "push_tokens", "created_at",
    "random_bucket",
})  # fmt: skip
_TYPES = {
    "string": "text", "number": "number", "boolean": "boolean", "time": "timestamp", "date": "timestamp",
    "array": "list", "object array": "list", "object": "json",
}  # fmt: skip
_NEXT = re.compile(r'<[^>]*[?&]cursor=([^>&]+)[^>]*>;\s*rel="?next"?')
_MOST_PAGES = 200  # 10,000 attributes


def attributes() -> Generator[Any, Reply, dict[str, tuple[str, bool]]]:
    """Return the custom attributes: name → (type, whether it can be written).

    Raises:
        DestinationError: RVT-651, Braze does not show them.
    """
    found: dict[str, tuple[str, bool]] = {}
    query: tuple[tuple[str, str], ...] = ()
    for _ in range(_MOST_PAGES):
        reply = yield Http("GET", "/custom_attributes", query=query, effect=Effect.READ, cost={"attributes": 1})
        rows = api.expect(reply, "its attributes").get("attributes")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UnreadableReply(reply.status, "attributes is not a list of objects")
        found |= {str(row.get("name")): (_kind(row), row.get("status") != "Blocklisted") for row in rows}
        more = _NEXT.search(reply.headers.get("link", ""))
        if more is None:
            break
        query = (("cursor", more[1]),)
    return found


def _kind(row: dict[str, JSON]) -> str:
    """Return our word for a type; Braze may add that it detected it by itself."""
    return _TYPES.get(str(row.get("data_type")).partition(" (")[0].lower(), "any")


def discover(context: Context) -> Generator[Any, Reply, tuple[RemoteField, ...]]:
    """Return users' fields; where they may be created, the mapped ones that are not there yet too."""
    custom = yield from attributes()
    kinds = {**{name: kind for name, (kind, _) in custom.items()}, **STANDARD}
    if context.settings.create_fields:
        kinds |= {name: "any" for name in context.fields if name not in kinds and not name.startswith("$")}
    locked = _OWN | {name for name, (_, writable) in custom.items() if not writable}
    return tuple(RemoteField(n, t, writable=n not in locked, unique=n == "external_id") for n, t in kinds.items())


def read_back(context: Context, identities: Sequence[str]) -> Generator[Any, Any, list[RemoteRecord]]:
    """Return the users of ``identities`` that are there, with the cohorts whose attribute is true."""
    found = yield from api.find(identities)
    if isinstance(found, Reply):
        api.expect(found, "to show users")
        raise UnreadableReply(found.status, "users cannot be read")
    named = context.prepared.get("cohorts") or context.ids
    labels = [(named.get(cohort, label), label) for cohort, label in context.cohorts]
    return [_record(identity, user, labels) for identity, user in found.items() if user is not None]


def _record(identity: str, user: api.User, labels: list[tuple[str, str]]) -> RemoteRecord:
    custom = user.get("custom_attributes")
    custom = custom if isinstance(custom, dict) else {}
    fields = {**custom, **{name: user[name] for name in STANDARD if user.get(name) is not None}}
    cohorts = frozenset(label for attribute, label in labels if custom.get(attribute) is True)
    out = user.get("email_subscribe") == "unsubscribed"
    return RemoteRecord(identity, user.get("braze_id"), fields, cohorts, opted_out=out)


def same(_: RemoteField | None, ours: JSON, theirs: JSON) -> bool:
    """Return whether ``theirs`` stands for our wire value: a day is its midnight there, an array is a set."""
    if ours in (None, "") or theirs in (None, ""):
        return ours in (None, "") and theirs in (None, "")
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(theirs) == len([one for at, one in enumerate(ours) if one not in ours[:at]]) and all(
            one in theirs for one in ours
        )
    if isinstance(ours, str) and isinstance(theirs, str) and ours != theirs:
        left, right = _moment(ours), _moment(theirs)
        return left is not None and left == right
    return bool(ours == theirs)


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)

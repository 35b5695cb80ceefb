"""Channels, and what users are out of: ``GET /api/channels`` and ``POST /api/users/bulkUpdateSubscriptions``."""

from __future__ import annotations

from revetl.sandbox.core import Sandbox
from revetl.sandbox.iterable.bulk import rows_of
from revetl.sandbox.iterable.people import People, key_of
from revetl.sandbox.iterable.problems import bad
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

CHANNELS = (
    {"id": 1, "name": "Marketing Channel", "channelType": "Marketing", "messageMedium": "Email"},
    {"id": 2, "name": "Transactional Channel", "channelType": "Transactional", "messageMedium": "Email"},
    {"id": 3, "name": "Push Marketing Channel", "channelType": "Marketing", "messageMedium": "Push"},
    {"id": 4, "name": "Newsletter Channel", "channelType": "Marketing", "messageMedium": "Email"},
)
_TAKEN = frozenset(
    {
        "email", "userId", "emailListIds", "unsubscribedChannelIds", "unsubscribedMessageTypeIds", "campaignId",
        "subscribedMessageTypeIds", "templateId", "validateChannelAlignment",
    }
)  # fmt: skip


def listing(_box: Sandbox, _request: Request) -> Answer:
    """GET /api/channels."""
    return answer(200, {"channels": list(CHANNELS)})


def update(box: Sandbox, request: Request) -> Answer:
    """POST /api/users/bulkUpdateSubscriptions: what is given replaces what stands there."""
    rows = rows_of(request.json(), "updateSubscriptionsRequests")
    for row in rows:
        _check(row)
    people = People(box)
    invalid: dict[str, list[str]] = {"Emails": [], "UserIds": []}
    failed: dict[str, list[str]] = {"Emails": [], "UserIds": []}
    for row in rows:
        key = key_of(row)
        person = people.find(key)
        if not key.valid:
            invalid[key.plural].append(key.value)
        elif person is None:
            failed[key.plural].append(key.value)
        elif row.get("unsubscribedChannelIds") is not None:
            person["optouts"] = sorted(row["unsubscribedChannelIds"])
    wrong = sum(len(some) for named in (invalid, failed) for some in named.values())
    told: dict[str, JSON] = {"successCount": len(rows) - wrong, "failCount": wrong}
    told |= {"invalidEmails": invalid["Emails"], "invalidUserIds": invalid["UserIds"]}
    told |= {"validEmailFailures": failed["Emails"], "validUserIdFailures": failed["UserIds"]}
    return answer(200, told)


def _check(row: dict[str, JSON]) -> None:
    strange = set(row) - _TAKEN
    if strange:
        raise bad(f"Unknown properties: {', '.join(sorted(strange))}")
    if "email" in row and "userId" in row:
        raise bad("Either email or userId must be specified, not both")
    known = {channel["id"] for channel in CHANNELS}
    given = row.get("unsubscribedChannelIds")
    if given is not None and (not isinstance(given, list) or not {*given} <= known):
        raise bad(f"Invalid channel ids: {given}")

"""/user: one profile shown, changed or deleted. /list and /settings beside it."""

from __future__ import annotations

from revetl.sandbox.core import Sandbox
from revetl.sandbox.sailthru.problems import bad, problem
from revetl.sandbox.sailthru.profiles import Profile, Profiles, make_list
from revetl.sandbox.sailthru.signed import Asked
from revetl.sandbox.wire import Answer, answer
from revetl.types import JSON

ACCOUNT = 99_999
_DEFAULT = ("keys", "vars", "lists", "engagement", "optout_email")
_FIELDS = (*_DEFAULT, "activity", "device", "lifetime", "purchases", "purchase_incomplete", "smart_lists")


def show(box: Sandbox, asked: Asked) -> Answer:
    """GET /user."""
    profile = Profiles(box).get(asked.payload)
    return answer(200, _shown(profile, _fields(asked) or _DEFAULT))


def change(box: Sandbox, asked: Asked) -> Answer:
    """POST /user."""
    profile = Profiles(box).change(asked.payload)
    return answer(200, {**_shown(profile, _fields(asked)), "ok": True})


def delete(box: Sandbox, asked: Asked) -> Answer:
    """DELETE /user."""
    profiles = Profiles(box)
    profiles.delete(profiles.get(asked.payload, status=404))
    return answer(200, {"ok": True})


def _fields(asked: Asked) -> tuple[str, ...]:
    wished = asked.payload.get("fields") or {}
    if not isinstance(wished, dict) or set(wished) - set(_FIELDS):
        raise bad(f"Invalid fields: {wished}")
    return tuple(name for name, on in wished.items() if on)


def _shown(profile: Profile, fields: tuple[str, ...]) -> dict[str, JSON]:
    """Return what is asked for; what has nothing in it is null."""
    told: dict[str, JSON] = {}
    for name in fields:
        if name == "keys":
            told[name] = {"sid": profile["sid"], "cookie": profile["sid"] * 3, **profile["keys"]}
        elif name == "engagement":
            told[name] = "new"
        else:
            told[name] = profile.get(name) or None
    return told


def lists(box: Sandbox, asked: Asked) -> Answer:
    """GET /list: one by name, or all."""
    name = asked.payload.get("list")
    if not name:
        return answer(200, {"lists": [_counted(box, one) for one in box.store["lists"].values()]})
    if name not in box.store["lists"]:
        raise problem(404, 15, f"Unknown list: {name}")
    return answer(200, _counted(box, box.store["lists"][name]))


def make(box: Sandbox, asked: Asked) -> Answer:
    """POST /list: a natural list; one that is there stays as it is."""
    name = asked.payload.get("list")
    if not isinstance(name, str) or not name.strip():
        raise bad("Missing required parameter: list", 2)
    if "$" in name:
        raise bad(f"Invalid list name: {name}")
    return answer(200, _counted(box, box.store["lists"].get(name) or make_list(box, name)))


def _counted(box: Sandbox, one: dict[str, JSON]) -> dict[str, JSON]:
    count = sum(one["name"] in profile["lists"] for profile in box.store["users"].values())
    return {**one, "email_count": count, "valid_count": count}


def settings(_: Sandbox, __: Asked) -> Answer:
    """GET /settings."""
    return answer(200, {
        "domains": {}, "from_emails": ["news@example.com"], "lists_primary": [], "timezone": "America/New_York",
        "id": ACCOUNT, "beacon_image": "", "https-certificate-association": [],
    })  # fmt: skip

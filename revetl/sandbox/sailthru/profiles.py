"""Profiles of users: found by key, changed as one request or one line of a file says."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from revetl.sandbox.core import Sandbox
from revetl.sandbox.sailthru.problems import bad, missing, problem
from revetl.types import JSON

KEYS = ("sid", "email", "extid", "sms")
MOST_NAME = 32
OPT_OUTS = ("none", "blast", "basic", "all")  # from in to out
KNOWN = frozenset({
    "id", "key", "keys", "keysconflict", "vars", "lists", "optout_email", "optout_sms_status", "fields", "login",
    "signup_date", "templates", "optout_templates",
})  # fmt: skip
_ADDRESS = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+")
_SMS = re.compile(r"\+[1-9][0-9]{6,14}")
Profile = dict[str, Any]


def said(now: float) -> str:
    """Return a moment as Sailthru writes it."""
    return format_datetime(datetime.fromtimestamp(now, UTC))


class Profiles:
    """The profiles of an account, as its store holds them."""

    def __init__(self, box: Sandbox) -> None:
        """Look at the account of a stand-in."""
        self.box = box
        self.users: dict[str, Profile] = box.store["users"]
        self.index: dict[str, dict[str, str]] = box.store["index"]

    def named(self, asked: dict[str, JSON]) -> tuple[str, str]:
        """Return (key, value as compared) of the user that a request names."""
        value = asked.get("id")
        if value in (None, ""):
            raise missing("id")
        return self.checked(str(asked.get("key") or "email"), value)

    def checked(self, key: str, value: JSON) -> tuple[str, str]:
        """Return a key and its value as it is compared."""
        if key not in KEYS or (key == "extid" and not self.box.options["extid"]):
            raise bad(f"Invalid key type: {key}")
        text = str(value).strip()
        if key == "email":
            text = text.lower()
            if not _ADDRESS.fullmatch(text):
                raise bad(f"Invalid email: {value}", 11)
        if key == "sms" and not _SMS.fullmatch(text):
            raise bad(f"Invalid sms: {value}")
        return key, text

    def find(self, key: str, value: str) -> Profile | None:
        """Return the profile under a key."""
        sid = value if key == "sid" else self.index[key].get(value)
        return self.users.get(sid) if sid is not None else None

    def get(self, asked: dict[str, JSON], status: int = 400) -> Profile:
        """Return the profile that a request names, or refuse: there is none."""
        key, value = self.named(asked)
        found = self.find(key, value)
        if found is None:
            raise problem(status, 99, f"User not found with {key}: {value}")
        return found

    def change(self, asked: dict[str, JSON]) -> Profile:
        """Check everything that is asked, then make it so; whoever is not there comes into being, except by sid."""
        key, value = self.named(asked)
        if number := self.box.options["suppressed"].get(value):
            raise problem(403, number, f"Email may not be emailed: {value}")
        profile = self.find(key, value)
        if profile is None and key == "sid":
            raise bad(f"User not found with sid: {value}")
        self._check(asked)
        keys = dict(self.checked(name, one) for name, one in _object(asked, "keys").items())
        keys.pop("sid", None)
        others = self._others(profile, keys)
        if others and asked.get("keysconflict") != "merge":
            raise problem(409, 99, f"Conflicting keys: {', '.join(sorted(keys))}")
        profile = profile or self._make({key: value})
        for other in others:
            self._merge(profile, other)
        self._rekey(profile, keys)
        self._fill(profile, asked)
        return profile

    def delete(self, profile: Profile) -> None:
        """Remove a profile."""
        for key, value in profile["keys"].items():
            self.index[key].pop(value, None)
        del self.users[profile["sid"]]

    def _check(self, asked: dict[str, JSON]) -> None:
        for name in sorted(set(asked) - KNOWN):
            self.box.flag(f"{name} is no parameter of a user")
        for name in _object(asked, "vars"):
            if not name or len(name) > MOST_NAME:
                raise bad(f"Invalid var name: {name} is longer than {MOST_NAME} characters")
        for name, wish in _object(asked, "lists").items():
            if wish not in (0, 1) or not name:
                raise bad(f"Invalid value for list {name}: must be 1 or 0")
            if self.box.store["lists"].get(name, {}).get("type") == "smart":
                raise bad(f"Users cannot be added to smart list {name}")
        if asked.get("optout_email", "none") not in OPT_OUTS:
            raise bad(f"Invalid optout_email: {asked['optout_email']}")
        if asked.get("keysconflict", "error") not in ("error", "merge"):
            raise bad(f"Invalid keysconflict: {asked['keysconflict']}")

    def _others(self, profile: Profile | None, keys: dict[str, str]) -> list[Profile]:
        found = [self.find(key, value) for key, value in keys.items()]
        return [other for other in found if other is not None and other is not profile]

    def _make(self, keys: dict[str, str]) -> Profile:
        number = self.box.store["next_user"]
        self.box.store["next_user"] += 1
        sid = f"{0x5F000000:08x}{number:016x}"
        profile: Profile = {"sid": sid, "keys": {}, "vars": {}, "lists": {}, "optout_email": "none"}
        self.users[sid] = profile
        self._rekey(profile, keys)
        return profile

    def _rekey(self, profile: Profile, keys: dict[str, str]) -> None:
        for key, value in keys.items():
            self.index[key].pop(profile["keys"].get(key), None)
            self.index[key][value] = profile["sid"]
            profile["keys"][key] = value

    def _merge(self, profile: Profile, other: Profile) -> None:
        self.box.flag("two profiles were merged, for good")
        self.delete(other)
        profile["vars"] = {**other["vars"], **profile["vars"]}
        profile["lists"] = {**other["lists"], **profile["lists"]}

    def _fill(self, profile: Profile, asked: dict[str, JSON]) -> None:
        wished = {**profile["vars"], **_object(asked, "vars")}
        profile["vars"] = {name: value for name, value in wished.items() if value is not None}
        for name, wish in _object(asked, "lists").items():
            if not wish:
                profile["lists"].pop(name, None)
                continue
            if name not in self.box.store["lists"]:
                self.box.flag("a list made by a user's call: side by side, there would be several of one name")
                make_list(self.box, name)
            profile["lists"].setdefault(name, said(self.box.now()))
        level = asked.get("optout_email")
        if level is not None:
            if OPT_OUTS.index(level) < OPT_OUTS.index(profile["optout_email"]):
                self.box.flag("an opt-out was taken back")
            profile["optout_email"] = level


def make_list(box: Sandbox, name: str, kind: str = "normal") -> dict[str, JSON]:
    """Add a list to the account."""
    number = box.store["next_list"]
    box.store["next_list"] += 1
    made: dict[str, JSON] = {
        "list_id": f"{0x60000000:08x}{number:016x}", "name": name, "type": kind, "create_time": said(box.now()),
        "primary": False,
    }  # fmt: skip
    box.store["lists"][name] = made
    return made


def _object(asked: dict[str, JSON], name: str) -> dict[str, JSON]:
    found = asked.get(name) or {}
    if not isinstance(found, dict):
        raise bad(f"{name} must be an object")
    return found

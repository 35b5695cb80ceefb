"""The users of a project, found by address and by userId."""

from __future__ import annotations

import re
from dataclasses import dataclass

from revetl.sandbox.core import Sandbox
from revetl.sandbox.iterable import fields
from revetl.sandbox.iterable.problems import bad
from revetl.types import JSON

_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_USER_ID = re.compile(r"[!-~]([ -~]{0,50}[!-~])?")  # printable ASCII, at most 52 characters, no space at the end
Person = dict[str, JSON]


@dataclass(frozen=True, slots=True)
class Key:
    """What names a user in a request."""

    field: str  # email | userId
    value: str

    @property
    def normal(self) -> str:
        """Return the value as Iterable compares it."""
        return self.value.lower() if self.field == "email" else self.value

    @property
    def valid(self) -> bool:
        """Return whether the value is well-formed."""
        return (_ADDRESS if self.field == "email" else _USER_ID).fullmatch(self.value) is not None

    @property
    def plural(self) -> str:
        """Return how lists of failures spell the field."""
        return "Emails" if self.field == "email" else "UserIds"


def key_of(row: JSON) -> Key:
    """Return what names the user of a row; an address goes before a userId."""
    for field in ("email", "userId"):
        value = row.get(field) if isinstance(row, dict) else None
        if isinstance(value, str):
            return Key(field, value)
    raise bad("Either email or userId must be specified")


@dataclass(slots=True)
class People:
    """The users, at one moment."""

    box: Sandbox

    def find(self, key: Key) -> Person | None:
        """Return the user of that name."""
        number = self.box.store["index"][key.field].get(key.normal)
        return None if number is None else self.box.store["users"][number]

    def forgotten(self, key: Key) -> bool:
        """Return whether the person was erased for good."""
        return key.normal in self.box.store["forgotten"][key.field]

    def create(self, key: Key) -> Person:
        """Make an empty user."""
        number = str(self.box.store["next_user"])
        self.box.store["next_user"] += 1
        person: Person = {"id": number, "email": None, "userId": None, "dataFields": {}, "lists": [], "optouts": []}
        self.box.store["users"][number] = person
        self.name(person, key)
        return person

    def name(self, person: Person, key: Key) -> None:
        """Give a user another address or userId."""
        index = self.box.store["index"][key.field]
        if person[key.field] is not None:
            index.pop(Key(key.field, person[key.field]).normal, None)
        person[key.field] = key.normal
        index[key.normal] = person["id"]

    def delete(self, person: Person) -> None:
        """Remove a user."""
        for field in ("email", "userId"):
            if person[field] is not None:
                self.box.store["index"][field].pop(Key(field, person[field]).normal, None)
        del self.box.store["users"][person["id"]]

    def show(self, person: Person) -> Person:
        """Return a user as reading shows one; who has no address gets one that leads nowhere."""
        address = person["email"] or f"{person['id']}@placeholder.email"
        own = {"email": address, **({"userId": person["userId"]} if person["userId"] else {})}
        held = {**person["dataFields"], **own, "emailListIds": list(person["lists"])}
        if person["optouts"]:
            held["unsubscribedChannelIds"] = list(person["optouts"])
        return {**own, "dataFields": held}

    def write(self, person: Person, given: dict[str, JSON], types: dict[str, str]) -> None:
        """Set values, which fit; ``null`` removes one."""
        for name, value in given.items():
            if name in ("email", "userId"):
                self.name(person, Key(name, value))
            elif value is None:
                person["dataFields"].pop(name, None)
            else:
                person["dataFields"][name] = fields.kept(types[name], value)

"""The contacts of a workspace: checked, made, changed, indexed, shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from revetl.sandbox.core import Sandbox
from revetl.sandbox.intercom import attributes
from revetl.sandbox.intercom.errors import bad, conflict, error, invalid, no_user
from revetl.types import JSON

Contact = dict[str, JSON]

DELETION_SECONDS = 7 * 86_400  # how long who was deleted still holds an identity
TAGS_SHOWN = 10  # of a contact's tags, companies; the rest is paged
_TEXTS = ("phone", "name", "avatar")
_TIMES = ("signed_up_at", "last_seen_at")
FIELDS = frozenset({"role", "external_id", "email", "owner_id", "unsubscribed_from_emails", "custom_attributes",
                    *_TEXTS, *_TIMES})  # fmt: skip
INDEXED = ("id", "role", "external_id", "email", "phone", "name", "unsubscribed_from_emails")


@dataclass(slots=True)
class People:
    """The contacts, at one moment."""

    box: Sandbox

    @property
    def all(self) -> dict[str, Contact]:
        """Return every contact by id, whatever became of it."""
        found: dict[str, Contact] = self.box.store["contacts"]
        return found

    def require(self, number: str) -> Contact:
        """Return a contact that stands there; 404 where it is archived, deleted, merged or never was."""
        found = self.all.get(number)
        if found is None or found["state"] != "active":
            raise no_user()
        return found

    def holder(self, clean: Mapping[str, JSON], but: str | None) -> Contact | None:
        """Return who stands in the way of a user with these identities.

        Intercom identifies by external id and, only where none is given, by e-mail address; leads stand in nobody's
        way. The archived hold their identity, and the deleted for some days.
        """
        wanted = clean.get("external_id")
        for one in self.all.values():
            if one["id"] == but or one["role"] != "user" or not self._holds(one):
                continue
            same_address = clean.get("email") and one["email"] == clean["email"]
            if (wanted and one["external_id"] == wanted) or (not wanted and same_address):
                return one
        return None

    def _holds(self, one: Contact) -> bool:
        if one["state"] == "deleted":
            return bool(self.box.now() < one["deleted_at"] + DELETION_SECONDS)
        return str(one["state"]) != "merged"

    def check(self, given: JSON) -> Contact:
        """Return the fields of a body as Intercom keeps them."""
        if not isinstance(given, dict):
            raise invalid("the body is not an object")
        for name in given.keys() - FIELDS:
            raise bad(name)
        clean = {name: value for name, value in given.items() if name != "custom_attributes"}
        self._check_identity(clean)
        for name in _TEXTS:
            if clean.get(name) is not None and not attributes.is_of("string", clean[name]):
                raise invalid(f"{name} must be a string of at most {attributes.MOST_CHARACTERS} characters")
        for name in _TIMES:
            if clean.get(name) is not None and not attributes.is_of("date", clean[name]):
                raise invalid(f"{name} must be a UNIX timestamp")
        if not isinstance(clean.get("unsubscribed_from_emails"), bool | None):
            raise invalid("unsubscribed_from_emails must be a boolean")
        owner = clean.get("owner_id")
        if owner is not None and (isinstance(owner, bool) or owner not in self.box.options["admins"]):
            raise invalid("The owner specified is not a member of the workspace")
        clean["custom_attributes"] = attributes.checked(self.box, "contact", given.get("custom_attributes"))
        return clean

    def _check_identity(self, clean: Contact) -> None:
        if clean.get("role") not in (None, "user", "lead"):
            raise invalid("role must be user or lead")
        for name in ("external_id", "email"):
            value = clean.get(name)
            if value is not None and not (isinstance(value, str) and len(value) <= attributes.MOST_CHARACTERS):
                raise invalid(f"{name} must be a string")
            if value is not None and not value.strip():
                clean[name] = None
        address = clean.get("email")
        if address is not None:
            name, at, host = address.strip().partition("@")
            if not at or not name or "." not in host or any(mark in address.strip() for mark in (" ", "\n")):
                raise invalid("Email is invalid")
            clean["email"] = address.strip().lower()

    def create(self, clean: Contact) -> Contact:
        """Make a contact; 409 where a user's identity is held. A lead gets an external id of Intercom's own."""
        role = clean.get("role") or "user"
        if role == "user":
            self._refuse_held(clean, None)
        number = self._take_id()
        made = {"id": number, "state": "active", "role": role, "email": None, "owner_id": None}
        made |= dict.fromkeys((*_TEXTS, *_TIMES))
        made |= {"unsubscribed_from_emails": False, "custom_attributes": {}, "tags": [], "companies": [], "index": []}
        own = f"{number[-8:]}-0000-4000-8000-{number[:12]}"
        made["created_at"] = self._now
        made["external_id"] = own if role == "lead" else None
        self.all[number] = made
        self._set(made, {**clean, "role": role})
        return made

    def update(self, one: Contact, clean: Contact) -> None:
        """Change a contact: users never become leads; an identity that another user holds is refused."""
        role = clean.get("role") or one["role"]
        if role == "lead" and one["role"] == "user":
            raise error(400, "client_error", "user role can't be converted to a lead")
        if role == "user":
            after = {name: clean.get(name, one[name]) for name in ("external_id", "email")}
            if after != {name: one[name] for name in after} or one["role"] == "lead":
                self._refuse_held(after, one["id"])
        self._set(one, {**clean, "role": role})

    def _refuse_held(self, clean: Mapping[str, JSON], but: str | None) -> None:
        held = self.holder(clean, but)
        if held is not None:
            raise conflict(held["id"], archived=held["state"] != "active")

    def _set(self, one: Contact, clean: Contact) -> None:
        told = {name: value for name, value in clean.items() if name != "custom_attributes"}
        if clean["role"] == "lead":
            told.pop("external_id", None)  # "it won't listen": recorded traffic
        if told.get("unsubscribed_from_emails", False) is None:
            told["unsubscribed_from_emails"] = False
        one |= told
        one["custom_attributes"] |= clean.get("custom_attributes", {})
        one["updated_at"] = self._now
        self.index(one)

    def index(self, one: Contact) -> None:
        """Let searches see the contact as it is now, once the index has caught up."""
        at = self.box.now() + self.box.options["search_lag"]
        seen = {name: one[name] for name in INDEXED} if one["state"] == "active" else None
        past = [entry for entry in one["index"] if entry[0] <= self.box.now()][-1:]
        later = [entry for entry in one["index"] if self.box.now() < entry[0] < at]
        one["index"] = [*past, *later, [at, seen]]

    def indexed(self) -> list[tuple[Contact, Contact]]:
        """Return (what the index knows, the contact) of all that a search sees now."""
        found = []
        for one in self.all.values():
            seen = [entry[1] for entry in one["index"] if entry[0] <= self.box.now()]
            if seen and seen[-1] is not None:
                found.append((seen[-1], one))
        return found

    @property
    def _now(self) -> int:
        return int(self.box.now())

    def _take_id(self) -> str:
        self.box.store["next_number"] += 1
        return f"{self.box.store['next_number']:024x}"

    def shown(self, one: Contact) -> Contact:
        """Return a contact as the API shows it."""
        kept = {name: value for name, value in one.items() if name not in ("state", "index", "deleted_at")}
        custom = {name: value for name, value in one["custom_attributes"].items() if value is not None}
        url = f"/contacts/{one['id']}"
        return {
            "type": "contact",
            **kept,
            "workspace_id": self.box.options["workspace"],
            "custom_attributes": custom,
            "tags": _some(one["tags"], "tag", f"{url}/tags"),
            "companies": _some(one["companies"], "company", f"{url}/companies"),
        }


def _some(numbers: list[Any], kind: str, url: str) -> dict[str, JSON]:
    root = "/tags/" if kind == "tag" else "/companies/"
    data = [{"id": number, "type": kind, "url": f"{root}{number}"} for number in numbers[:TAGS_SHOWN]]
    told: dict[str, JSON] = {"type": "list", "data": data, "url": url, "total_count": len(numbers)}
    return {**told, "has_more": len(numbers) > TAGS_SHOWN}


def reference(one: Contact, **more: JSON) -> Contact:
    """Return the short form that archiving and deleting answer with."""
    return {"type": "contact", "id": one["id"], "external_id": one["external_id"], **more}

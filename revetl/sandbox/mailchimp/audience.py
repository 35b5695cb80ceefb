"""One audience (list): its contacts by contact id, found by address hash, address or contact id; its tags."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from revetl.sandbox.core import Sandbox
from revetl.sandbox.mailchimp.problems import not_found
from revetl.types import JSON

Member = dict[str, JSON]


def hash_of(email: str) -> str:
    """Return the id Mailchimp gives an address: the MD5 of it in lower case."""
    return hashlib.md5(email.lower().encode(), usedforsecurity=False).hexdigest()


def stamp(now: float) -> str:
    """Return epoch seconds as Mailchimp writes a moment: ``2026-08-30T05:49:48+00:00``."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")


def new_audience(list_id: str, fields: dict[str, JSON]) -> dict[str, JSON]:
    """Return an empty audience with the merge fields ``fields`` (by tag)."""
    parts: dict[str, JSON] = {name: {} for name in ("members", "hashes", "erased", "segments")}
    return {"id": list_id, "name": list_id.title(), "fields": fields, "next_contact": 1, "next_segment": 1001, **parts}


@dataclass(slots=True)
class Audience:
    """One audience of an account, at one moment (``at``, as Mailchimp writes it)."""

    box: Sandbox
    store: dict[str, JSON]
    at: str

    @classmethod
    def of(cls, box: Sandbox, list_id: str) -> Audience:
        """Return the audience ``list_id``; 404 where there is none."""
        found = box.store["lists"].get(list_id)
        if found is None:
            raise not_found()
        return cls(box, found, stamp(box.now()))

    @property
    def fields(self) -> dict[str, dict[str, JSON]]:
        """Return the merge fields by tag."""
        found: dict[str, dict[str, JSON]] = self.store["fields"]
        return found

    @property
    def segments(self) -> dict[str, dict[str, JSON]]:
        """Return the tags by id; a tag is a static segment."""
        found: dict[str, dict[str, JSON]] = self.store["segments"]
        return found

    def members(self) -> Iterator[Member]:
        """Return all contacts, archived ones too, oldest first."""
        return iter(self.store["members"].values())

    def find(self, key: str) -> Member | None:
        """Return the contact with ``key`` as hash, address or contact id."""
        hashed = hash_of(key) if "@" in key else key
        contact = self.store["hashes"].get(hashed, key)
        found: Member | None = self.store["members"].get(contact)
        return found

    def require(self, key: str) -> Member:
        """Return the contact ``key`` means; 404 where there is none."""
        found = self.find(key)
        if found is None:
            raise not_found()
        return found

    def erased(self, email: str) -> bool:
        """Return whether the address was deleted permanently."""
        return hash_of(email) in self.store["erased"]

    def create(self, email: str) -> Member:
        """Add a contact without fields; its contact id survives a change of address."""
        number = self.store["next_contact"]
        self.store["next_contact"] += 1
        contact = hashlib.md5(f"contact {number}".encode(), usedforsecurity=False).hexdigest()
        member: Member = {
            "id": "",
            "email_address": "",
            "unique_email_id": f"{number:010x}",
            "contact_id": contact,
            "web_id": number,
            "email_type": "html",
            "status": "",
            "merge_fields": {},
            "vip": False,
            "language": "",
            "timestamp_signup": "",
            "timestamp_opt": self.at,
        }
        self.store["members"][contact] = member
        self.rename(member, email)
        return member

    def rename(self, member: Member, email: str) -> None:
        """Give a contact the address ``email``, which nobody else has."""
        self.store["hashes"].pop(member["id"], None)
        member["id"], member["email_address"] = hash_of(email), email
        self.store["hashes"][member["id"]] = member["contact_id"]

    def erase(self, member: Member) -> None:
        """Delete a contact for good; its address can never be imported again."""
        self.store["erased"][member["id"]] = True
        del self.store["hashes"][member["id"]]
        del self.store["members"][member["contact_id"]]
        for one in self.segments.values():
            one["members"].pop(member["contact_id"], None)

    def segment(self, name: str) -> dict[str, JSON] | None:
        """Return the tag called ``name``, whatever its case."""
        folded = name.casefold()
        return next((one for one in self.segments.values() if one["name"].casefold() == folded), None)

    def new_segment(self, name: str) -> dict[str, JSON]:
        """Add a tag."""
        number = self.store["next_segment"]
        self.store["next_segment"] += 1
        made: dict[str, JSON] = {
            "id": number,
            "name": name,
            "created_at": self.at,
            "updated_at": self.at,
            "members": {},
        }
        self.segments[str(number)] = made
        return made

    def tags(self, member: Member) -> list[dict[str, JSON]]:
        """Return the tags of a contact."""
        held = (one for one in self.segments.values() if member["contact_id"] in one["members"])
        return [{"id": one["id"], "name": one["name"]} for one in held]

    def shown(self, member: Member) -> dict[str, JSON]:
        """Return a contact as the API shows it, every merge field present."""
        tags, merge = self.tags(member), member["merge_fields"]
        visible = {name: value for name, value in member.items() if name != "archived_from"}
        return {
            **visible,
            "full_name": f"{merge.get('FNAME', '')} {merge.get('LNAME', '')}".strip(),
            "merge_fields": {tag: merge.get(tag, "") for tag in self.fields},
            "interests": {},
            "list_id": self.store["id"],
            "tags": tags,
            "tags_count": len(tags),
        }

"""What stands at the stand-ins, read from them and not from revetl's own books."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from revetl.sandbox import Sandbox
from revetl.types import EMPTY, JSON

_TOKEN = re.compile(r"[A-Za-z0-9@._+-]+")
_SYSTEM = frozenset({"hs_object_id", "createdate", "lastmodifieddate"})


@dataclass(frozen=True, slots=True)
class Standing:
    """One person at one place: fields without a value are left out."""

    place: str
    status: str
    fields: Mapping[str, str]
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """One account: how much stands there, and who is in its tags or lists."""

    name: str
    counts: Mapping[str, int]
    groups: Mapping[str, int]
    people: Mapping[str, Standing]  # by address
    ids: Mapping[str, str] = EMPTY  # whatever a call may name a person by → the address


def look(boxes: Iterable[Sandbox]) -> dict[str, Place]:
    """Return what stands at each stand-in, by its name."""
    readers = {"mailchimp": _mailchimp, "hubspot": _hubspot}
    return {box.name: readers[box.name](box.dump()["store"]) for box in boxes if box.name in readers}


def _mailchimp(store: Mapping[str, JSON]) -> Place:
    (audience,) = store["lists"].values()
    tags = {one["name"]: set(one["members"]) for one in audience["segments"].values()}
    people: dict[str, Standing] = {}
    ids: dict[str, str] = {}
    for contact, member in audience["members"].items():
        address = member["email_address"]
        fields = {name: str(value) for name, value in member["merge_fields"].items() if value != ""}
        groups = tuple(sorted(name for name, held in tags.items() if contact in held))
        people[address] = Standing("Mailchimp", member["status"], fields, groups)
        ids |= {address: address, member["id"]: address, contact: address}
    counts: dict[str, int] = {}
    for person in people.values():
        counts[person.status] = counts.get(person.status, 0) + 1
    return Place("Mailchimp", counts, {name: len(held) for name, held in tags.items()}, people, ids)


def _hubspot(store: Mapping[str, JSON]) -> Place:
    lists = {one["name"]: set(one["members"]) for one in store["lists"].values()}
    people: dict[str, Standing] = {}
    ids: dict[str, str] = {}
    for number, record in store["objects"]["contacts"]["records"].items():
        address = record["properties"].get("email", "")
        fields = {name: value for name, value in record["properties"].items() if value and name not in _SYSTEM}
        groups = tuple(sorted(name for name, held in lists.items() if number in held))
        people[address] = Standing("HubSpot", "contact", fields, groups)
        ids |= {address: address, number: address}
    counts = {kind: len(table["records"]) for kind, table in store["objects"].items()}
    return Place("HubSpot", counts, {name: len(held) for name, held in lists.items()}, people, ids)


def writes(box: Sandbox, since: int) -> list[Mapping[str, JSON]]:
    """Return what a stand-in received after request number ``since`` that can change something, oldest first."""
    changing = (entry for entry in list(box.journal) if entry["n"] > since and entry["method"] != "GET")
    return [entry for entry in changing if not entry["path"].endswith("/batch/read")]


def named(entries: Sequence[Mapping[str, JSON]], *places: Place) -> frozenset[str]:
    """Return the addresses of all people whom requests name, in a path or a body, by whatever id."""
    ids = {key: address for place in places for key, address in place.ids.items() if address}
    tokens = {token for entry in entries for token in _TOKEN.findall(f"{entry['path']} {entry.get('body', '')}")}
    return frozenset(ids.get(token, token) for token in tokens if token in ids or "@" in token)


def merge_fields(entries: Sequence[Mapping[str, JSON]]) -> tuple[int, frozenset[str]]:
    """Return how many members Mailchimp's batch calls carry, and which merge fields."""
    members = [
        member
        for entry in entries
        if entry["method"] == "POST" and re.fullmatch(r"/3\.0/lists/[^/]+", entry["path"])
        for member in orjson.loads(entry.get("body") or "{}").get("members", [])
    ]
    return len(members), frozenset(name for member in members for name in member.get("merge_fields", {}))

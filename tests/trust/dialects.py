"""How the five services of the chaos tests call things, and where their stand-ins keep people and members."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from revetl.types import EMPTY, OnLeave

LABEL = "Gold"
Store = Mapping[str, Any]


@dataclass(frozen=True)
class Dialect:
    """A service: its object, match field and field, its kind of cohort, what becomes of those who leave."""

    service: str
    object: str
    match: str
    field: str
    style: str
    leave: OnLeave
    people: Callable[[Store], Iterable[Mapping[str, Any]]]
    members: Callable[[Store], Iterable[str]]  # of the cohort: their match values
    account: Mapping[str, Any] = EMPTY  # options of the stand-in
    jobs: bool = False  # everything that can go by a job does


def _hubspot(store: Store) -> Mapping[str, Mapping[str, Any]]:
    records = store["objects"]["contacts"]["records"]
    return {number: one["properties"] for number, one in records.items() if not one["archived"]}


def _in_hubspot(store: Store) -> Iterable[str]:
    people = _hubspot(store)
    held = (one["members"] for one in store["lists"].values() if one["name"] == LABEL)
    return [people[number]["email"] for members in held for number in members if number in people]


def _in_iterable(store: Store) -> Iterable[str]:
    ours = {number for number, one in store["lists"].items() if one["name"] == LABEL}
    return [one["email"] for one in store["users"].values() if ours & set(map(str, one["lists"]))]


def _in_marketo(store: Store) -> Iterable[str]:
    held = (one["members"] for one in store["lists"].values() if one["name"] == LABEL)
    return [store["people"][number]["email"] for members in held for number in members if number in store["people"]]


def _in_salesforce(store: Store) -> Iterable[str]:
    records = store["records"]
    ours = {number for number, one in records.get("Campaign", {}).items() if one["Name"] == LABEL}
    held = [one["ContactId"] for one in records.get("CampaignMember", {}).values() if one["CampaignId"] in ours]
    return [records["Contact"][number]["Ext__c"] for number in held if number in records["Contact"]]


_SALESFORCE = Dialect(
    "salesforce",
    "Contact",
    "Ext__c",
    "LastName",
    "campaign",
    OnLeave.DELETE,
    lambda store: store["records"].get("Contact", {}).values(),
    _in_salesforce,
    {"fields": {"Contact": {"Ext__c": {"externalId": True, "unique": True}}}},
)
DIALECTS = {
    "hubspot": Dialect(
        "hubspot",
        "contacts",
        "email",
        "firstname",
        "list",
        OnLeave.ARCHIVE,
        lambda store: _hubspot(store).values(),
        _in_hubspot,
    ),
    "iterable": Dialect(
        "iterable",
        "user",
        "email",
        "city",
        "list",
        OnLeave.DELETE,
        lambda store: (one["dataFields"] | {"email": one["email"]} for one in store["users"].values()),
        _in_iterable,
    ),
    "marketo": Dialect(
        "marketo",
        "lead",
        "email",
        "firstName",
        "list",
        OnLeave.DELETE,
        lambda store: store["people"].values(),
        _in_marketo,
        {"folders": [1]},
    ),
    "salesforce": _SALESFORCE,
    "salesforce jobs": replace(_SALESFORCE, jobs=True, account={**_SALESFORCE.account, "bulk": {"seconds": 0.2}}),
}

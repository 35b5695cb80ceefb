"""What stands at nine stand-ins, read out of their stores, and what the models say should stand there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tests.e2e.house import House

NINE = (
    "hubspot", "intercom", "iterable", "mailchimp", "marketo", "pardot", "pipedrive", "sailthru", "salesforce",
)  # fmt: skip
LINKED = frozenset({"hubspot", "intercom", "pipedrive", "salesforce"})
READERS = "email is not null and customer_id in (from newsletter_subscribers) and customer_id not in (from employees)"
CALLED = f"{READERS} and customer_id in (from high_value_customers)"
COHORTS = {"High value": "high_value_customers", "Churn risk": "churn_risk_customers"}
_READS = ("/search", "/batch/read", "/token")  # of what is not a GET
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Person:
    """One customer as a service has them, each value in the service's own spelling."""

    name: str
    value: Any
    subscriber: Any
    ordered_on: Any
    cohorts: frozenset[str]
    company: str | None = None


People = dict[str, Person]


def person(one: Record, names: tuple[str, str, str, str], cohorts: Iterable[str], company: Any = None) -> Person:
    """Return a record's values by the names that they have there."""
    first, value, subscriber, ordered_on = (one.get(name) for name in names)
    return Person(str(first), value, subscriber, ordered_on, frozenset(cohorts), company)


def wanted(house: House) -> dict[str, People]:
    """Return service → what the models say, spelt as that service spells it."""
    inside = {label: f"customer_id in (from {model})" for label, model in COHORTS.items()}
    rows = house.rows(
        "select email, first_name, lifetime_value, is_subscriber, last_order_on, company_id, "
        f"{', '.join(inside.values())}, coalesce({CALLED}, false) from customers "
        f"left join customer_engagement using (customer_id) where {READERS}"
    )
    return {
        service: {
            email: Person(
                name,
                value(worth),
                truth(subscriber),
                None if ordered is None else day(ordered),
                frozenset(label for label, member in zip(inside, members, strict=True) if member),
                str(company) if company is not None and service in LINKED else None,
            )
            for email, name, worth, subscriber, ordered, company, *members, called in rows
            if called or service != "pipedrive"
        }
        for service, (value, truth, day) in SPELT.items()
    }


def _text(truth: bool) -> str:
    return "true" if truth else "false"


def _epoch(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


Spelling = tuple[Callable[[Decimal], Any], Callable[[bool], Any], Callable[[date], Any]]
SPELT: dict[str, Spelling] = {
    "hubspot": (str, _text, date.isoformat),
    "intercom": (float, bool, _epoch),
    "iterable": (float, bool, lambda day: f"{day} 00:00:00 +00:00"),
    "mailchimp": (float, _text, date.isoformat),
    "marketo": (float, bool, date.isoformat),
    "pardot": (lambda worth: str(float(worth)), _text, date.isoformat),
    "pipedrive": (float, _text, date.isoformat),
    "sailthru": (float, bool, date.isoformat),
    "salesforce": (float, bool, date.isoformat),
}


def _hubspot(store: Record) -> People:
    firms = {number: one["properties"] for number, one in store["objects"]["companies"]["records"].items()}
    found: People = {}
    for number, record in store["objects"]["contacts"]["records"].items():
        one = record["properties"]
        lists = (each["name"] for each in store["lists"].values() if number in each["members"])
        firm = firms.get(one.get("associatedcompanyid") or "", {}).get("shop_company_id")
        found[one["email"]] = person(one, ("firstname", "ltv", "is_subscriber", "last_order_on"), lists, firm)
    return found


def _intercom(store: Record) -> People:
    found: People = {}
    for one in store["contacts"].values():
        if one["state"] != "active":
            continue
        values = {"name": one["name"], **one["custom_attributes"]}
        tags = (store["tags"][tag]["name"] for tag in one["tags"])
        firms = [store["companies"][firm]["company_id"] for firm in one["companies"]]
        assert len(firms) <= 1
        names = ("name", "ltv", "is_subscriber", "last_order_on")
        found[one["email"]] = person(values, names, tags, firms[0] if firms else None)
    return found


def _iterable(store: Record) -> People:
    lists = {int(number): one["name"] for number, one in store["lists"].items()}
    names = ("firstName", "ltv", "isSubscriber", "lastOrderOn")
    return {
        one["email"]: person(one["dataFields"], names, (lists[number] for number in one["lists"]))
        for one in store["users"].values()
        if one["dataFields"].get("firstName")  # who left is emptied, and stays
    }


def _mailchimp(store: Record) -> People:
    (audience,) = store["lists"].values()
    tags = audience["segments"].values()
    return {
        one["email_address"]: person(
            {name: value for name, value in one["merge_fields"].items() if value != ""},
            ("FNAME", "LTV", "SUBSCRIBER", "LAST_ORDER"),
            (tag["name"] for tag in tags if contact in tag["members"]),
        )
        for contact, one in audience["members"].items()
        if one["status"] == "subscribed"
    }


def _marketo(store: Record) -> People:
    return {
        one["email"]: person(
            one,
            ("firstName", "ltv", "isSubscriber", "lastOrderOn"),
            (each["name"] for each in store["lists"].values() if number in each["members"]),
        )
        for number, one in store["people"].items()
    }


def _pardot(store: Record) -> People:
    lists = {one["id"]: one["name"] for one in store["lists"].values()}
    return {
        one["email"]: person(
            one,
            ("firstName", "LTV__c", "Is_Subscriber__c", "Last_Order__c"),
            (lists[on["listId"]] for on in store["memberships"].values() if on["prospectId"] == one["id"]),
        )
        for one in store["prospects"].values()
        if not one["isDeleted"]
    }


def _named(store: Record, kind: str) -> dict[str, dict[str, Any]]:
    """Return Pipedrive's living records with their custom fields by name, and options by label."""
    rows = {row["field_code"]: row for row in store["fields"][kind]}
    options = {one["id"]: one["label"] for row in rows.values() for one in row.get("options") or ()}
    living = {number: one for number, one in store["records"][kind].items() if not one["is_deleted"]}
    return {
        number: {
            **one,
            "labels": [options[label] for label in one["label_ids"]],
            **{
                rows[code]["field_name"]: options[value] if rows[code]["field_type"] == "enum" and value else value
                for code, value in one["custom_fields"].items()
            },
        }
        for number, one in living.items()
    }


def _pipedrive(store: Record) -> People:
    firms = _named(store, "organizations")
    found: People = {}
    for one in _named(store, "persons").values():
        (address,) = one["emails"]
        firm = firms[str(one["org_id"])]["Shop company id"] if one["org_id"] else None
        names = ("name", "Lifetime value", "Subscriber", "Last order")
        found[address["value"]] = person(one, names, one["labels"], firm)
    return found


def _sailthru(store: Record) -> People:
    return {
        one["keys"]["email"]: person(one["vars"], ("first_name", "ltv", "is_subscriber", "last_order_on"), one["lists"])
        for one in store["users"].values()
        if one["vars"]  # who left is emptied, and stays
    }


def _salesforce(store: Record) -> People:
    records = store["records"]
    campaigns = {one["Id"]: one["Name"] for one in records["Campaign"].values()}
    inside: dict[str, list[str]] = {}
    for member in records["CampaignMember"].values():
        inside.setdefault(member["ContactId"], []).append(campaigns[member["CampaignId"]])
    found: People = {}
    for number, one in records["Contact"].items():
        if one.get("Email"):  # who left is emptied, and stays
            firm = records["Account"][one["AccountId"]]["External_Id__c"] if one.get("AccountId") else None
            names = ("FirstName", "Lifetime_Value__c", "Is_Subscriber__c", "Last_Order__c")
            found[one["Email"]] = person(one, names, inside.get(number, ()), firm)
    return found


_SEEN: dict[str, Callable[[Record], People]] = {
    "hubspot": _hubspot,
    "intercom": _intercom,
    "iterable": _iterable,
    "mailchimp": _mailchimp,
    "marketo": _marketo,
    "pardot": _pardot,
    "pipedrive": _pipedrive,
    "sailthru": _sailthru,
    "salesforce": _salesforce,
}


def seen(house: House, service: str) -> People:
    """Return who stands at ``service``, by address."""
    return _SEEN[service](house.boxes[service].dump()["store"])


def writes(house: House) -> dict[str, int]:
    """Return service → how many calls since the mark can change something there; services without one are left out."""
    found = {
        name: sum(
            not entry["path"].endswith(_READS) and entry["query"] != "_method=GET" for entry in house.writes(name)
        )
        for name in NINE
    }
    return {name: count for name, count in found.items() if count}

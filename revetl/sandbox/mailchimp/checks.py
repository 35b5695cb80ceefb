"""What Mailchimp demands of a contact before it is written: address, status, merge fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from revetl.sandbox.mailchimp import fields
from revetl.sandbox.mailchimp.audience import Audience, Member
from revetl.sandbox.mailchimp.problems import misshapen
from revetl.types import JSON

STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")
EMAIL = re.compile(r"[^@\s,;<>()\[\]\"\\]{1,64}@(?!-)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
FAKE_DOMAINS = frozenset({"example.com"})  # seen refused; other reserved names may be as well
WRITABLE = ("email_type", "vip", "language", "timestamp_signup", "timestamp_opt", "ip_signup", "ip_opt", "location")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why one contact is refused: a title for its own call, words for both calls, a field if one is at fault."""

    title: str
    detail: str
    field: str = ""
    told: str = ""


def shape(given: JSON, where: str = "") -> dict[str, JSON]:
    """Return a contact of a body; 400 for the whole call where it does not fit the schema."""
    if not isinstance(given, dict):
        raise misshapen(where.rstrip("."), "Schema describes object")
    for name in ("status", "status_if_new"):
        if name in given and given[name] not in STATUSES:
            raise misshapen(f"{where}{name}", f"Value must be one of: {', '.join(STATUSES)}")
    if not isinstance(given.get("email_address", ""), str):
        raise misshapen(f"{where}email_address", "Schema describes string")
    tags = given.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        raise misshapen(f"{where}tags", "Schema describes array of strings")
    fields.shape(given.get("merge_fields", {}), where)
    return given


def address(audience: Audience, email: str) -> Refused | None:
    """Return why ``email`` cannot enter the audience."""
    if not EMAIL.fullmatch(email):
        return Refused("Invalid Resource", "Please provide a valid email address.", "email_address")
    if email.rpartition("@")[2].lower() in FAKE_DOMAINS:
        return Refused("Invalid Resource", f"{email} looks fake or invalid, please enter a real email address.")
    if audience.erased(email):
        what = f"{email} was permanently deleted and cannot be re-imported. The contact must re-subscribe."
        return Refused("Forgotten Email Not Subscribed", what)
    return None


def status(member: Member | None, wanted: str | None) -> Refused | None:
    """Return why a contact cannot have the status ``wanted`` (None: as it is)."""
    if member is None:
        return None if wanted else Refused("Invalid Resource", "A new contact needs a status.", "status")
    standing = member.get("archived_from") or member["status"]
    if wanted == "subscribed" and standing in ("unsubscribed", "cleaned"):
        what = "is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
        return Refused("Member In Compliance State", f"{member['email_address']} {what}")
    return None


def merge(audience: Audience, member: Member | None, given: Mapping[str, JSON], *, skip: bool) -> Refused | None:
    """Return which merge field refuses its value, or is required and would stay empty (unless ``skip``)."""
    known = audience.fields
    for tag, value in given.items():
        told = fields.wrong(known[tag], value) if tag in known else None
        if told is not None:
            return Refused("Invalid Resource", "Your merge fields were invalid.", tag, told)
    after = {**(member["merge_fields"] if member else {}), **given}
    for tag, one in known.items():
        if one["required"] and not skip and after.get(tag, "") in ("", {}):
            return Refused("Invalid Resource", "Your merge fields were invalid.", tag, "Please enter a value")
    return None


def write(audience: Audience, member: Member, given: Mapping[str, JSON], wanted: str | None) -> None:
    """Write what is given; unknown merge tags are passed over, absent names stay as they are."""
    known = audience.fields
    if not audience.box.options["strict_fields"]:
        _accept(known, given.get("merge_fields", {}))
    for tag, value in given.get("merge_fields", {}).items():
        if tag in known:
            text = known[tag]["type"] in ("text", "phone") and not isinstance(value, str)
            member["merge_fields"][tag] = str(value) if text else value
    for name in WRITABLE:
        if name in given:
            member[name] = given[name]
    if wanted is not None:
        member["status"] = wanted
        member.pop("archived_from", None)
    member["last_changed"] = audience.at


def _accept(known: dict[str, dict[str, JSON]], given: Mapping[str, JSON]) -> None:
    for tag, value in given.items():
        if tag not in known:
            kind = "number" if isinstance(value, (int, float)) else "address" if isinstance(value, dict) else "text"
            known[tag] = fields.definition(len(known) + 1, {"tag": tag, "name": tag, "type": kind})

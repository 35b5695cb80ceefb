"""Which fields are Intercom's own, and the body that a record's fields make: all others go under custom_attributes."""

from __future__ import annotations

from collections.abc import Mapping

from revetl.types import JSON, RemoteField

TEXT = 255  # characters of a text attribute: https://www.intercom.com/help/en/articles/179

CONTACT = (
    RemoteField("external_id", "text", "User ID", unique=True),
    RemoteField("email", "text", "Email", max_length=TEXT),
    RemoteField("phone", "text", "Phone", max_length=TEXT),
    RemoteField("name", "text", "Name", max_length=TEXT),
    RemoteField("avatar", "text", "Avatar (an image's URL)"),
    RemoteField("signed_up_at", "timestamp", "Signed up"),
    RemoteField("last_seen_at", "timestamp", "Last seen"),
    RemoteField("owner_id", "integer", "Owner (an admin's id)"),
)
COMPANY = (
    RemoteField("company_id", "text", "Company ID", required=True, unique=True),
    RemoteField("name", "text", "Company name", max_length=TEXT),
    RemoteField("plan", "text", "Plan", max_length=TEXT),
    RemoteField("size", "integer", "Company size"),
    RemoteField("website", "text", "Company website", max_length=TEXT),
    RemoteField("industry", "text", "Company industry", max_length=TEXT),
    RemoteField("remote_created_at", "timestamp", "Company created at"),
    RemoteField("monthly_spend", "integer", "Monthly spend"),
)
OWN = {
    "user": CONTACT,
    # A lead's external id is made by Intercom; one that is sent is not listened to.
    "lead": tuple(field for field in CONTACT if field.name != "external_id"),
    "company": COMPANY,
}
# What has a field's name and is not to be mapped: the object says the role, `consent` withdraws a subscription.
NOT_MAPPED = ("id", "role", "unsubscribed_from_emails")


def body(kind: str, fields: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return what a write of ``fields`` carries."""
    own = {field.name for field in OWN[kind]}
    top = {name: value for name, value in fields.items() if name in own}
    custom = {name: value for name, value in fields.items() if name not in own}
    return {**top, "custom_attributes": custom} if custom else top


def flat(kind: str, row: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return the fields of a record as it is read: Intercom's own, and the custom attributes beside them."""
    custom = row.get("custom_attributes")
    found = dict(custom) if isinstance(custom, dict) else {}
    for field in OWN[kind]:
        value = row.get(field.name)
        found[field.name] = value.get("name") if field.name == "plan" and isinstance(value, dict) else value
    return found

"""The objects of a new org, and fields that are added to them.

Lengths, types and picklists of standard fields: "Object Reference for the Salesforce Platform", a part of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from revetl.types import JSON

CUSTOM = re.compile(r"[A-Za-z][A-Za-z0-9_]*__c")
PREFIX = {"Account": "001", "Contact": "003", "Lead": "00Q", "Campaign": "701", "CampaignMember": "00v"}
PREFIX |= {"Organization": "00D", "CampaignMemberStatus": "01Y"}
PREFIX |= {"PermissionSet": "0PS", "PermissionSetAssignment": "0Pa", "FieldPermissions": "01k"}

Fields = dict[str, dict[str, JSON]]


def field(name: str, kind: str = "string", length: int = 0, **more: JSON) -> dict[str, JSON]:
    """Return a field as describe shows it; ``options`` make a picklist."""
    options = more.pop("options", ())
    shown: dict[str, JSON] = {
        "name": name,
        "label": name.removesuffix("__c").replace("_", " "),
        "type": kind,
        "length": length or (255 if kind == "string" else 0),
        "precision": 18 if kind in ("double", "currency", "percent") else 0,
        "scale": 2 if kind in ("double", "currency", "percent") else 0,
        "nillable": kind != "boolean",
        "createable": True,
        "updateable": True,
        "defaultedOnCreate": kind == "boolean",
        "externalId": False,
        "idLookup": False,
        "unique": False,
        "caseSensitive": False,
        "custom": name.endswith("__c"),
        "restrictedPicklist": False,
        "picklistValues": [{"value": one, "label": one, "active": True} for one in options],
    }
    return {**shown, **more}


def _system(name: str, kind: str = "datetime", **more: JSON) -> dict[str, JSON]:
    return field(name, kind, createable=False, updateable=False, nillable=False, defaultedOnCreate=True, **more)


def _person() -> list[dict[str, JSON]]:
    return [
        field("LastName", length=80, nillable=False),
        field("FirstName", length=40),
        field("Title", length=128),
        field("Email", "email", 80, idLookup=True),
        field("Phone", "phone", 40),
        field("Description", "textarea", 32_000),
        field("HasOptedOutOfEmail", "boolean"),
        _system("Name", "string", length=121),
    ]


def _standard() -> dict[str, list[dict[str, JSON]]]:
    sources = ["Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"]
    status = ["Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted"]
    return {
        "Contact": [
            *_person(),
            field("Department", length=80),
            field("Birthdate", "date"),
            field("MailingCity", length=40),
            field("AccountId", "reference", 18, referenceTo=["Account"]),
            field("ReportsToId", "reference", 18, referenceTo=["Contact"]),
            field("LeadSource", "picklist", 255, options=sources),
        ],
        "Lead": [
            *_person(),
            field("Company", length=255, nillable=False),
            field("Status", "picklist", 255, options=status, nillable=False, defaultedOnCreate=True),
            field("AnnualRevenue", "currency", scale=0),
            field("NumberOfEmployees", "int"),
            field("City", length=40),
            _system("IsConverted", "boolean"),
        ],
        "Account": [
            field("Name", length=255, nillable=False),
            field("Website", "url", 255),
            field("Phone", "phone", 40),
            field("Description", "textarea", 32_000),
            field("AnnualRevenue", "currency", scale=0),
            field("NumberOfEmployees", "int"),
            field("BillingCity", length=40),
            field("ParentId", "reference", 18, referenceTo=["Account"]),
        ],
        "Campaign": [
            field("Name", length=80, nillable=False),
            field("IsActive", "boolean"),
            field("Status", "picklist", 255, options=["Planned", "In Progress", "Completed", "Aborted"]),
            field("Description", "textarea", 32_000),
        ],
        "CampaignMember": [
            field("CampaignId", "reference", 18, nillable=False, updateable=False),
            field("ContactId", "reference", 18, updateable=False),
            field("LeadId", "reference", 18, updateable=False),
            field("Status", "picklist", 40),
        ],
        "CampaignMemberStatus": [
            field("CampaignId", "reference", 18, nillable=False, updateable=False),
            field("Label", length=765, nillable=False),
            field("SortOrder", "int"),
            field("IsDefault", "boolean"),
            field("HasResponded", "boolean"),
        ],
        "Organization": [_system("Name", "string", length=80)],
    }


def _rights() -> dict[str, list[dict[str, JSON]]]:
    return {
        "PermissionSet": [_system("Name", "string", length=80), _system("IsOwnedByProfile", "boolean")],
        "PermissionSetAssignment": [
            _system("AssigneeId", "reference", length=18),
            _system("PermissionSetId", "reference", length=18),
        ],
        "FieldPermissions": [
            field("ParentId", "reference", 18, nillable=False),
            field("SobjectType", "picklist", 40, nillable=False),
            field("Field", "picklist", 255, nillable=False),
            field("PermissionsRead", "boolean"),
            field("PermissionsEdit", "boolean"),
        ],
    }


def new_objects(extra: Mapping[str, Mapping[str, JSON]]) -> dict[str, Fields]:
    """Return object → fields of a new org; ``extra`` adds some: object → name → type, or type and more."""
    found: dict[str, Fields] = {}
    for kind, fields in (_standard() | _rights()).items():
        system = [_system("Id", "id", length=18), _system("CreatedDate"), _system("LastModifiedDate")]
        found[kind] = {one["name"]: one for one in (*system, *fields)}
        for name, given in extra.get(kind, {}).items():
            told: dict[str, Any] = (
                {"kind": given} if isinstance(given, str) else {**given, "kind": given.get("type", "string")}
            )
            told.pop("type", None)
            found[kind][name] = field(name, **told)
    return found


# Metadata API type → what describe calls it
METADATA = {
    "Text": "string", "Number": "double", "Checkbox": "boolean", "Date": "date", "DateTime": "datetime",
    "LongTextArea": "textarea", "Currency": "currency", "Email": "email", "Url": "url", "Phone": "phone",
    "Picklist": "picklist",
}  # fmt: skip
# What a new field of that type must say, how long it may be: CustomField in the Metadata API Developer Guide
NEEDED = {
    "Text": ("length",), "LongTextArea": ("length", "visibleLines"), "Checkbox": ("defaultValue",),
    "Number": ("precision", "scale"), "Currency": ("precision", "scale"), "Picklist": ("valueSet",),
}  # fmt: skip
LENGTHS = {"Text": (1, 255), "LongTextArea": (256, 131_072)}
MOST_DIGITS = 18
MOST_LABEL = 40

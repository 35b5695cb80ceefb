"""Field-level security: a field made by API is nobody's until a permission set grants it.

Sources: the objects FieldPermissions, PermissionSet and PermissionSetAssignment of the Object Reference.
"""

from __future__ import annotations

from typing import Any

from revetl.sandbox.core import Sandbox
from revetl.sandbox.salesforce.errors import RowError
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

USER = "005000000000001AAA"
_PROFILE, _SET = "0PS000000000001AAA", "0PS000000000002AAA"


def begin(org: str) -> dict[str, dict[str, dict[str, JSON]]]:
    """Return the permission sets of a new org's user: the profile's own, and one more."""
    sets: dict[str, dict[str, JSON]] = {
        _PROFILE: {"Name": "X00eProfile", "IsOwnedByProfile": True},
        _SET: {"Name": "Integration", "IsOwnedByProfile": False},
    }
    given = {f"0Pa{n:012d}AAA": {"AssigneeId": USER, "PermissionSetId": one} for n, one in enumerate(sets, 1)}
    return {
        kind: {record: {"Id": record, "CreatedDate": "", **row} for record, row in rows.items()}
        for kind, rows in (("PermissionSet", sets), ("PermissionSetAssignment", given), ("Organization", {org: {}}))
    }


def root(box: Sandbox, _request: Request) -> Answer:
    """GET /services/data/vNN.0/: the resources, and who asks."""
    del box
    return answer(
        200, {"sobjects": "/services/data/v68.0/sobjects", "identity": f"https://login.salesforce.com/id/{USER}"}
    )


def hide(box: Sandbox, kind: str, name: str) -> None:
    """Let nobody see a new field yet."""
    box.store["hidden"].append(f"{kind}.{name}")


def is_hidden(box: Sandbox, kind: str, name: str) -> bool:
    """Return whether no permission set of the user grants the field."""
    return f"{kind}.{name}" in box.store["hidden"]


def grant(box: Sandbox, clean: dict[str, Any]) -> None:
    """Take a new row of FieldPermissions; the field is the user's from now on, if they have that permission set."""
    kind, _, name = str(clean.get("Field")).partition(".")
    if kind != clean.get("SobjectType") or name not in box.store["fields"].get(kind, {}):
        raise RowError("FIELD_INTEGRITY_EXCEPTION", f"bad value for Field: {clean.get('Field')}", ["Field"])
    if clean.get("ParentId") not in box.store["records"]["PermissionSet"]:
        raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ["ParentId"])
    if clean.get("PermissionsEdit") and not clean.get("PermissionsRead"):
        raise RowError("FIELD_INTEGRITY_EXCEPTION", "edit includes read", ["PermissionsEdit"])
    own = {row["PermissionSetId"] for row in box.store["records"]["PermissionSetAssignment"].values()}
    if clean["ParentId"] in own and clean.get("PermissionsEdit"):
        box.store["hidden"] = [one for one in box.store["hidden"] if one != clean["Field"]]

"""What a campaign brings: the statuses that its members may have, one of them by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revetl.sandbox.core import Sandbox
from revetl.sandbox.salesforce.errors import RowError
from revetl.types import JSON

if TYPE_CHECKING:
    from revetl.sandbox.salesforce.records import Record, Table

KIND = "CampaignMemberStatus"


def begin(box: Sandbox, campaign: str) -> None:
    """Give a new campaign the statuses that every campaign begins with."""
    for at, (label, responded) in enumerate((("Sent", False), ("Responded", True)), 1):
        told: Record = {"CampaignId": campaign, "Label": label, "SortOrder": at}
        number = f"01Y{campaign[3:14]}{at}AAA"
        box.store["records"].setdefault(KIND, {})[number] = {
            "Id": number, "CreatedDate": "", "LastModifiedDate": "", **told, "IsDefault": at == 1,
            "HasResponded": responded,
        }  # fmt: skip
        box.store["index"][KIND]["CampaignId"].setdefault(campaign.lower(), []).append(number)


def _statuses(box: Sandbox, campaign: JSON) -> list[Record]:
    rows = box.store["records"].get(KIND, {}).values()
    return [row for row in rows if row["CampaignId"] == campaign]


def check_status(table: Table, campaign: JSON, clean: Record, *, new: bool) -> None:
    """Refuse a member's status that its campaign does not have; a new member without one gets the default."""
    statuses = _statuses(table.box, campaign)
    if clean.get("Status") is None:
        if new or "Status" in clean:
            clean["Status"] = next((row["Label"] for row in statuses if row["IsDefault"]), None)
        return
    if clean["Status"].lower() not in {row["Label"].lower() for row in statuses}:
        told = f"Status: bad value for restricted picklist field: {clean['Status']}"
        raise RowError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", told, ["Status"])


def check_label(table: Table, clean: Record) -> None:
    """Refuse a status that the campaign has, and one of no campaign."""
    if clean["CampaignId"] not in table.box.store["records"].get("Campaign", {}):
        raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ["CampaignId"])
    if clean["Label"].lower() in {row["Label"].lower() for row in _statuses(table.box, clean["CampaignId"])}:
        raise RowError("DUPLICATE_VALUE", "duplicate value found: Label duplicates value on record", ["Label"])

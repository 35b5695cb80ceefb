"""Fields that are made: what each vendor is asked for, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from test_conformance import TestHubSpot as HubSpotSuite
from test_conformance import TestMailchimp as MailchimpSuite
from test_salesforce_conformance import TestSalesforce as SalesforceSuite

from revetl.contract import Call, Http, Reply
from revetl.errors import DestinationError
from revetl.testing.conformance import DestinationSuite
from revetl.testing.drive import drive
from revetl.types import RemoteField


def _asked(suite: DestinationSuite, wish: RemoteField) -> tuple[Any, Any]:
    """Return the body of the first call and the field that was made."""
    assert suite.destination.create_field is not None
    seen = drive(suite.destination.create_field(suite.context(), wish), suite.service())
    call = seen.calls[0]
    assert isinstance(call, Http)
    return orjson.loads(call.content or b""), seen.value


def test_hubspot_makes_unique_properties_and_choices() -> None:
    """A match field is unique; options make a selection; a boolean is spelt out as HubSpot wants it."""
    body, made = _asked(HubSpotSuite(), RemoteField("customer_no", "text", unique=True))
    assert (body["hasUniqueValue"], body["groupName"], made.unique) == (True, "contactinformation", True)
    body, made = _asked(HubSpotSuite(), RemoteField("band", "text", "Band", options=("gold", "silver")))
    assert (body["type"], body["label"], made.options) == ("enumeration", "Band", ("gold", "silver"))
    body, made = _asked(HubSpotSuite(), RemoteField("gone", "boolean"))
    assert ([o["value"] for o in body["options"]], made.type) == (["true", "false"], "boolean")


def test_mailchimp_makes_choices_and_refuses_small_letters() -> None:
    """Options make a dropdown; a merge tag is upper case, and what to map to instead is said."""
    body, made = _asked(MailchimpSuite(), RemoteField("BAND", "text", options=("gold", "silver")))
    assert (body["type"], made.options) == ("dropdown", ("gold", "silver"))
    with pytest.raises(DestinationError, match="no merge tag") as error:
        _asked(MailchimpSuite(), RemoteField("ltv_band_now"))
    assert error.value.hint == "map the property to LTV_BAND_N"


def test_salesforce_makes_external_ids_long_texts_and_checkboxes() -> None:
    """The match field is an external id; a long text a long text area; a cohort's checkbox is named by its label."""
    body, made = _asked(SalesforceSuite(), RemoteField("Customer_No__c", "text", unique=True))
    assert body["Metadata"] == {
        "type": "Text", "length": 255, "externalId": True, "unique": True, "label": "Customer No",
    }  # fmt: skip
    assert made.unique
    body, made = _asked(SalesforceSuite(), RemoteField("Story__c", "text", max_length=4_000))
    assert (body["Metadata"]["type"], made.max_length) == ("LongTextArea", 4_000)
    body, made = _asked(SalesforceSuite(), RemoteField("High Value!", "boolean", "High Value!"))
    assert (body["FullName"], made.label, made.type) == ("Contact.High_Value__c", "High Value!", "boolean")
    body, made = _asked(SalesforceSuite(), RemoteField("Band__c", "text", options=("gold", "silver")))
    assert (made.options, made.type) == (("gold", "silver"), "text")


def test_salesforce_does_not_rename_its_own_fields() -> None:
    """A mapped standard field that the user cannot see is no new custom field."""
    with pytest.raises(DestinationError, match="may not see it"):
        _asked(SalesforceSuite(), RemoteField("FirstName2"))


def test_a_new_field_of_salesforce_is_granted_to_its_user() -> None:
    """It is nobody's until a permission set of the user has it; a profile, which is shared, is left alone."""
    suite = SalesforceSuite()
    service = suite.service()
    assert suite.destination.create_field is not None
    seen = drive(suite.destination.create_field(suite.context(), RemoteField("Score__c", "number")), service)
    assert seen.value.writable
    (grant,) = [c for c in seen.calls if isinstance(c, Http) and c.path == "/sobjects/FieldPermissions"]
    told = orjson.loads(grant.content or b"")
    assert (told["Field"], told["PermissionsEdit"]) == ("Contact.Score__c", True)
    assert told["ParentId"] == "0PS000000000002AAA"


def test_a_field_that_nobody_may_see_is_told() -> None:
    """A user without a permission set of their own: the field is made, and what to do in Setup is said."""
    suite = SalesforceSuite()
    service = suite.service()

    def without(call: Call) -> Reply:
        reply = service(call)
        text = reply.content.replace(b'"IsOwnedByProfile":false', b'"IsOwnedByProfile":true')
        return replace(reply, content=text)

    assert suite.destination.create_field is not None
    with pytest.raises(DestinationError, match="may not see it") as error:
        drive(suite.destination.create_field(suite.context(), RemoteField("Score__c", "number")), without)
    assert "field-level security" in error.value.hint

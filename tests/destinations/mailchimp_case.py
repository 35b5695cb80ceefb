"""What the tests of Mailchimp share: settings, answers, and how an action is run against a script."""

from __future__ import annotations

from hashlib import md5
from typing import Any

from scripted import Script

from revetl.contract import Context
from revetl.destinations.mailchimp import MAILCHIMP
from revetl.destinations.mailchimp.api import MailchimpSettings
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import batch
from revetl.types import Op

SETTINGS = MailchimpSettings.model_validate({"api_key": "0123456789abcdef-us6", "list_id": "a1b2c3"})
POST = "POST /lists/a1b2c3"


def person(address: str, **more: Any) -> dict[str, Any]:
    """Return a member as an answer shows one."""
    return {
        "email_address": address,
        "id": md5(address.encode(), usedforsecurity=False).hexdigest(),
        "contact_id": f"k-{address}",
        **more,
    }


def answer(new: tuple[str, ...] = (), old: tuple[str, ...] = (), errors: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Return the answer to a batch call."""
    shown = {"new_members": [person(a) for a in new], "updated_members": [person(a) for a in old]}
    return {**shown, "errors": [{"email_address": a, "error": e, "error_code": c, "field": f} for a, e, c, f in errors]}


def run(op: Op, changes: list[Any], script: Script, **more: Any) -> Driven:
    """Run one action against a script, to the script's end."""
    seen = drive(MAILCHIMP.actions[op].run(batch(changes, SETTINGS, op, object="member", **more)), script)
    assert not script.left
    return seen


def hash_of(address: str) -> str:
    """Return the member's path."""
    return f"/lists/a1b2c3/members/{md5(address.encode(), usedforsecurity=False).hexdigest()}"


def context(**more: Any) -> Context:
    """Return what ``prepare`` and ``read_back`` are told."""
    return Context("test.customer", "member", SETTINGS, match_field="email_address", **more)

"""What revetl sends to Mailchimp, held against the vendor's own description of its API (3.0.55)."""

from __future__ import annotations

import gzip
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from revetl.contract import Call, Context, Http, Reply
from revetl.destinations.mailchimp import MAILCHIMP
from revetl.destinations.mailchimp.api import MailchimpSettings
from revetl.testing.drive import drive
from revetl.testing.seeds import TEXTS, batch, change
from revetl.types import OnLeave, Op, Person, RemoteField

ROOT = Path(__file__).parents[2]
SPECS = Path(os.environ.get("REVETL_SPECS", ROOT / "../shared/specs"))
FILE = SPECS / "mailchimp-marketing-3.0.55.openapi3.json.gz"
SETTINGS = MailchimpSettings.model_validate({"api_key": "0123456789abcdef-us6", "list_id": "a1b2c3"})
CONTEXT = Context("s", "member", SETTINGS, cohorts=(("vip", "High Value"),), ids={"vip": "5"})

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"the vendor's description is not there ({FILE.name})")


@cache
def description() -> dict[str, Any]:
    """Return the vendor's OpenAPI document."""
    found: dict[str, Any] = orjson.loads(gzip.decompress(FILE.read_bytes()))
    return found


def operation(call: Http) -> tuple[str, dict[str, Any]]:
    """Return the path's pattern and the operation that a call is."""
    for pattern, methods in description()["paths"].items():
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", pattern), call.path) and call.method.lower() in methods:
            return pattern, methods[call.method.lower()]
    raise AssertionError(f"Mailchimp describes no {call.method} {call.path}")


def empty(_: Call) -> Reply:
    """Answer every question with nothing found."""
    lists = ("new_members", "updated_members", "errors", "members_added", "members_removed", "segments", "members")
    return Reply(
        200, orjson.dumps({**{name: [] for name in lists}, "merge_fields": [], "id": 1, "total_items": 0, "tag": "NEW"})
    )


def exchanges() -> dict[str, Any]:
    """Return one exchange of each kind, with awkward values."""
    fields = {"FNAME": TEXTS[0], "AGE": 12.5, "SINCE": "2024-02-29", "CITY": "", "vip": "true", "language": "cs"}
    known, new = change(1, fields=fields, created=True), change(2, fields=fields)
    move = change(1, Op.IDENTITY, match="n@example.org", before_match="o@example.org")
    end = change(1, Op.LEAVE, fields={"FNAME": ""})
    cohort: dict[str, Any] = {"prepared": {"cohorts": {"vip": "5"}}}
    actions = MAILCHIMP.actions
    assert MAILCHIMP.account
    assert MAILCHIMP.discover
    assert MAILCHIMP.prepare
    assert MAILCHIMP.read_back
    assert MAILCHIMP.erase
    assert MAILCHIMP.create_field
    found: dict[str, Any] = {
        "known": actions[Op.UPSERT].run(batch([known], SETTINGS, object="member")),
        "new": actions[Op.UPSERT].run(batch([new], SETTINGS, object="member")),
        "identity": actions[Op.IDENTITY].run(batch([move], SETTINGS, object="member")),
        "join": actions[Op.JOIN].run(batch([change(1, Op.JOIN)], SETTINGS, object="member", **cohort)),
        "part": actions[Op.PART].run(batch([change(1, Op.PART)], SETTINGS, object="member", **cohort)),
        "account": MAILCHIMP.account(SETTINGS),
        "discover": MAILCHIMP.discover(CONTEXT),
        "prepare": MAILCHIMP.prepare(CONTEXT),
        "erase": MAILCHIMP.erase.run(CONTEXT, [Person("c1@example.org")]),
        "read back": MAILCHIMP.read_back.run(CONTEXT, ["c1@example.org"]),
    }
    for kind in ("text", "number", "date", "boolean"):
        found[f"make {kind}"] = MAILCHIMP.create_field(
            CONTEXT, RemoteField("NEW", kind, options=("a", "b") if kind == "text" else ())
        )
    for policy in (OnLeave.CLEAR, OnLeave.ARCHIVE, OnLeave.DELETE):
        found[policy.value] = actions[Op.LEAVE].run(batch([end], SETTINGS, object="member", on_leave=policy))
    return found


@pytest.mark.parametrize("name", list(exchanges()))
def test_calls_are_those_that_the_vendor_describes(name: str) -> None:
    """Path, method, query parameters and body: all known, all of the type that is described."""
    seen = drive(exchanges()[name], empty)
    assert seen.calls
    for call in seen.calls:
        assert isinstance(call, Http)
        _, found = operation(call)
        assert {key for key, _ in call.query} <= {p["name"] for p in found["parameters"] if p["in"] == "query"}
        if call.content is None:
            assert "requestBody" not in found
            continue
        schema = found["requestBody"]["content"]["application/json"]["schema"]
        jsonschema.validate(orjson.loads(call.content), {**schema, "components": description().get("components", {})})


def test_the_description_bites() -> None:
    """A status that Mailchimp does not know is found."""
    _, found = operation(Http("POST", "/lists/a1b2c3"))
    schema = found["requestBody"]["content"]["application/json"]["schema"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"members": [{"email_address": "a@example.org", "status": "archived"}]}, schema)

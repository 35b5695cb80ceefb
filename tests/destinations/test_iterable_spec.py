"""What revetl sends to Iterable, held against the vendor's own description of its API (Swagger 2, version 1.8)."""

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
from revetl.destinations.iterable import ITERABLE
from revetl.destinations.iterable.api import IterableSettings
from revetl.testing.drive import drive
from revetl.testing.seeds import TEXTS, batch, change
from revetl.types import Cohort, Mode, OnLeave, Op, Person

ROOT = Path(__file__).parents[2]
SPECS = Path(os.environ.get("REVETL_SPECS", ROOT / "../shared/specs"))
FILE = SPECS / "iterable-swagger2.json.gz"
SETTINGS = IterableSettings.model_validate({"api_key": "0123456789abcdef"})

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"the vendor's description is not there ({FILE.name})")


@cache
def description() -> dict[str, Any]:
    """Return the vendor's Swagger document."""
    found: dict[str, Any] = orjson.loads(gzip.decompress(FILE.read_bytes()))
    return found


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema whose objects take no property that is not described, with the definitions it refers to."""
    closed = {
        name: {**one, "additionalProperties": False} if one.get("properties") else one
        for name, one in description()["definitions"].items()
    }
    return {**schema, "definitions": closed}


def operation(call: Http) -> dict[str, Any]:
    """Return the operation that a call is; a path without braces goes before one with."""
    for pattern, methods in sorted(description()["paths"].items(), key=lambda item: "{" in item[0]):
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", pattern), call.path) and call.method.lower() in methods:
            found: dict[str, Any] = methods[call.method.lower()]
            return found
    raise AssertionError(f"Iterable describes no {call.method} {call.path}")


def answers(call: Call) -> Reply:
    """Answer every question: one old user is there, and all goes well."""
    assert isinstance(call, Http)
    there = call.method == "GET" and "o%40example.org" in call.path
    told: dict[str, Any] = {"code": "Success", "msg": "", "successCount": 1, "failCount": 0, "listId": 5, "lists": []}
    told["channels"] = [{"id": 1, "messageMedium": "Email", "channelType": "Marketing"}]
    user = {"user": {"email": "o@example.org", "dataFields": {}}} if there else {}
    return Reply(200, orjson.dumps({**told, "fields": {}, **user}))


def actions(kind: str) -> dict[str, Any]:
    """Return one exchange of each kind, with awkward values."""
    field = ITERABLE.objects[kind].match[0]
    told: dict[str, Any] = {"object": kind, "match_field": field, "prepared": {"cohorts": {"vip": "5"}}}
    values = {"firstName": TEXTS[0], "spent": 12.5, "since": "2024-02-29 00:00:00 +00:00", "gift": True, "gone": None}
    person = change(1, fields=values, match="o@example.org")
    move = change(1, Op.IDENTITY, match="n@example.org", before_match="o@example.org")
    leave = change(1, Op.LEAVE, fields={"firstName": None}, match="o@example.org")
    run = {op: ITERABLE.actions[op].run for op in Op}
    return {
        "upsert": run[Op.UPSERT](batch([person], SETTINGS, **told)),
        "update": run[Op.UPSERT](batch([person], SETTINGS, mode=Mode.UPDATE, **told)),
        "identity": run[Op.IDENTITY](batch([move], SETTINGS, **told)),
        "join": run[Op.JOIN](batch([change(1, Op.JOIN)], SETTINGS, **told)),
        "withdraw": run[Op.JOIN](
            batch([change(1, Op.JOIN, match="o@example.org")], SETTINGS, cohort=Cohort("c", "u", "unsubscribe"), **told)
        ),
        "part": run[Op.PART](batch([change(1, Op.PART)], SETTINGS, **told)),
        "clear": run[Op.LEAVE](batch([leave], SETTINGS, on_leave=OnLeave.CLEAR, **told)),
        "delete": run[Op.LEAVE](batch([leave], SETTINGS, on_leave=OnLeave.DELETE, **told)),
    }


def exchanges(kind: str) -> dict[str, Any]:
    """Return the actions, and what a run asks beside them."""
    field = ITERABLE.objects[kind].match[0]
    context = Context("s", kind, SETTINGS, match_field=field, cohorts=(("vip", "High Value"),))
    assert ITERABLE.discover
    assert ITERABLE.prepare
    assert ITERABLE.read_back
    asked: dict[str, Any] = {"discover": ITERABLE.discover(context), "prepare": ITERABLE.prepare(context)}
    assert ITERABLE.erase
    asked |= {"erase": ITERABLE.erase.run(context, [Person("c1@example.org")])}
    return {**actions(kind), **asked, "read back": ITERABLE.read_back.run(context, ["c1@example.org"])}


@pytest.mark.parametrize("kind", list(ITERABLE.objects))
@pytest.mark.parametrize("name", list(exchanges("user")))
def test_calls_are_those_that_the_vendor_describes(name: str, kind: str) -> None:
    """Path, method, query parameters and body: all known, all of the type that is described."""
    seen = drive(exchanges(kind)[name], answers)
    assert seen.calls
    for call in seen.calls:
        assert isinstance(call, Http)
        found = operation(call)
        assert {key for key, _ in call.query} <= {p["name"] for p in found["parameters"] if p["in"] == "query"}
        bodies = [p["schema"] for p in found["parameters"] if p["in"] == "body"]
        assert (call.content is not None) == bool(bodies)
        for schema in bodies:
            jsonschema.validate(orjson.loads(call.content or b""), strict(schema))


def test_the_description_bites() -> None:
    """A property that Iterable does not know, and a list id that is no number, are found."""
    (schema,) = [p["schema"] for p in operation(Http("POST", "/api/lists/subscribe"))["parameters"]]
    good = {"listId": 5, "subscribers": [{"email": "a@example.org"}], "updateExistingUsersOnly": True}
    jsonschema.validate(good, strict(schema))
    for wrong in ({"listId": "5"}, {"updateExisting": True}, {"subscribers": [{"mail": "a@example.org"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**good, **wrong}, strict(schema))

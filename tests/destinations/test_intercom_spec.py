"""What revetl sends to Intercom, held against the vendor's own description of its API (OpenAPI 3, version 2.15)."""

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
import yaml

from revetl.contract import Call, Context, Http, Reply
from revetl.destinations.intercom import INTERCOM
from revetl.destinations.intercom.api import IntercomSettings
from revetl.testing.drive import drive
from revetl.testing.seeds import TEXTS, batch, change
from revetl.types import Cohort, Link, Mode, OnLeave, Op, Person, RemoteField

ROOT = Path(__file__).parents[2]
SPECS = Path(os.environ.get("REVETL_SPECS", ROOT / "../shared/specs"))
FILE = SPECS / "api.intercom.io-2.15.yaml.gz"
SETTINGS = IntercomSettings.model_validate({"access_token": "t"})
VIP = {"vip": "5"}
TAGGED = Cohort("vip", "High Value", "tag")
# Real traffic clears these with null although the description says string; a company's fields are cleared likewise.
NULLABLE = ("create_contact_request", "update_contact_request", "create_or_update_company_request")

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"the vendor's description is not there ({FILE.name})")


@cache
def description() -> dict[str, Any]:
    """Return the vendor's OpenAPI document, its schemas in JSON Schema's words and closed to what is not described."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # eight times as fast, where there is one
    found: dict[str, Any] = yaml.load(gzip.decompress(FILE.read_bytes()), Loader=loader)
    schemas = {name: _strict(one) for name, one in found["components"]["schemas"].items()}
    for name in NULLABLE:
        for one in schemas[name]["properties"].values():
            one["type"] = [one["type"], "null"] if isinstance(one["type"], str) else one["type"]
    schemas["create_or_update_company_request"]["properties"]["custom_attributes"].pop("additionalProperties")
    return {"paths": found["paths"], "schemas": schemas}


def _strict(schema: Any, *, part: bool = False) -> Any:
    """Return a schema as JSON Schema has it: ``nullable`` as a type, alternatives that may overlap, objects closed."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _strict(one) for name, one in schema.items() if name not in ("example", "examples", "format")}
    if "oneOf" in kept:  # the description's own alternatives overlap
        del kept["oneOf"]
        kept["anyOf"] = [_strict(one, part="properties" in schema) for one in schema["oneOf"]]
    if isinstance(kept.get("type"), str) and kept.pop("nullable", False) is True:
        kept["type"] = [kept["type"], "null"]
    parts = [one.get("properties", {}) for one in kept.get("anyOf", []) if isinstance(one, dict)]
    if isinstance(kept.get("properties"), dict) and "additionalProperties" not in kept and not part:
        merged: dict[str, Any] = {name: {} for part in parts for name in part}
        kept["properties"] = {**merged, **kept["properties"]}
        kept["additionalProperties"] = not kept["properties"]
    return kept


def operation(call: Http) -> dict[str, Any]:
    """Return the operation that a call is; a path without braces goes before one with."""
    for pattern, methods in sorted(description()["paths"].items(), key=lambda item: "{" in item[0]):
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", pattern), call.path) and call.method.lower() in methods:
            found: dict[str, Any] = methods[call.method.lower()]
            return found
    raise AssertionError(f"Intercom describes no {call.method} {call.path}")


def hold(call: Http) -> None:
    """Hold a call to the description: its query, and its body against a schema that takes nothing else."""
    found = operation(call)
    assert {key for key, _ in call.query} <= {p["name"] for p in found["parameters"] if p["in"] == "query"}
    if call.content is None:
        assert "requestBody" not in found
        return
    schema = _strict(found["requestBody"]["content"]["application/json"]["schema"])
    where = {"components": {"schemas": description()["schemas"]}}
    jsonschema.validate(orjson.loads(call.content), {**schema, **where})


def answers(call: Call) -> Reply:
    """Answer every question: old@ is there, new@ is archived, deleted or not there, and all else goes well."""
    assert isinstance(call, Http)
    body = orjson.loads(call.content or b"{}")
    if call.path == "/contacts/search":
        values = [one["value"] for one in body["query"]["value"]]
        return _told(
            {"data": [{"id": "o1", "role": "lead", "email": v, "external_id": v} for v in values if "old" in v]}
        )
    if (call.method, call.path) == ("POST", "/contacts"):
        words = "An archived contact matching those details already exists with id=a1"
        return _told({"type": "error.list", "errors": [{"code": "conflict", "message": words}]}, 409)
    if call.path == "/contacts/a1" and call.method == "GET":
        return _told({"id": "a1", "role": "user", "external_id": "other", "email": "other@example.org"})
    rows: dict[str, Any] = {"/tags": {"data": []}, "/data_attributes": {"data": []}, "/me": {"app": {"id_code": "w"}}}
    if call.method == "GET":
        return _told(rows.get(call.path, {"id": "k1", "company_id": "old", "name": "High Value", "data": None}))
    return _told({"id": "7", "company_id": body.get("company_id"), "name": "n", "data_type": "string", "custom": True})


def _told(body: Any, status: int = 200) -> Reply:
    return Reply(status, orjson.dumps(body))


def actions(kind: str) -> dict[str, Any]:
    """Return one exchange of each kind, with awkward values."""
    field = INTERCOM.objects[kind].match[-1]
    told: dict[str, Any] = {"object": kind, "match_field": field, "prepared": {"cohorts": VIP}}
    own = {"remote_created_at": 1_709_200_800, "size": 3} if kind == "company" else {
        "signed_up_at": 1_709_200_800, "phone": None, "owner_id": 1,
    }  # fmt: skip
    values = {"name": TEXTS[0], **own, "spent": 12.5, "gift": True, "gone": None}
    link = {} if kind == "company" else {"company": Link("k1", "k0")}
    known = change(1, fields=values, match="old@example.org", remote_id="7", created=True, links=link)
    new = change(2, fields=values, match="new@example.org", consent=False)
    old = change(3, fields=values, match="old@example.org")
    move = change(1, Op.IDENTITY, match="new@example.org", before_match="old@example.org")
    leave = change(1, Op.LEAVE, fields={"name": None}, match="old@example.org", created=True)

    def run(op: Op, one: Any, **more: Any) -> Any:
        return INTERCOM.actions[op].run(batch([one], SETTINGS, op, **{**told, **more}))

    unsubscribe = Cohort("consent", "consent", "unsubscribe")
    return {
        "known": run(Op.UPSERT, known),
        "new": run(Op.UPSERT, new, on_leave=OnLeave.ARCHIVE),
        "found": run(Op.UPSERT, old),
        "update": run(Op.UPSERT, old, mode=Mode.UPDATE),
        "identity": run(Op.IDENTITY, move),
        "join": run(Op.JOIN, change(1, Op.JOIN, match="old@example.org", remote_id="7"), cohort=TAGGED),
        "part": run(Op.PART, change(1, Op.PART, match="old@example.org", remote_id="7"), cohort=TAGGED),
        "consent": run(Op.JOIN, change(1, Op.JOIN, match="old@example.org", remote_id="7"), cohort=unsubscribe),
        "clear": run(Op.LEAVE, leave, on_leave=OnLeave.CLEAR),
        "archive": run(Op.LEAVE, leave, on_leave=OnLeave.ARCHIVE),
        "delete": run(Op.LEAVE, leave, on_leave=OnLeave.DELETE),
    }


def exchanges(kind: str) -> dict[str, Any]:
    """Return the actions, and what a run asks beside them."""
    field = INTERCOM.objects[kind].match[-1]
    context = Context("s", kind, SETTINGS, match_field=field, cohorts=(("vip", "High Value"), ("x", "X")), ids=VIP)
    assert INTERCOM.account
    assert INTERCOM.discover
    assert INTERCOM.create_field
    assert INTERCOM.prepare
    assert INTERCOM.read_back
    assert INTERCOM.erase
    return {
        **actions(kind),
        "account": INTERCOM.account(SETTINGS),
        "discover": INTERCOM.discover(context),
        "create field": INTERCOM.create_field(context, RemoteField("band", "timestamp", "Band")),
        "create list": INTERCOM.create_field(context, RemoteField("band", "text", options=("a", "b"))),
        "prepare": INTERCOM.prepare(context),
        "read back": INTERCOM.read_back.run(context, ["old@example.org"]),
        "erase": INTERCOM.erase.run(context, [Person("old@example.org", "7"), Person("new@example.org")]),
    }


# A company's id is fixed, it is never deleted, and it reads no mail.
NOT_OF_COMPANIES = ("identity", "delete", "consent")
ASKED = [(k, n) for k in INTERCOM.objects for n in exchanges("user") if k != "company" or n not in NOT_OF_COMPANIES]


@pytest.mark.parametrize(("kind", "name"), ASKED)
def test_calls_are_those_that_the_vendor_describes(kind: str, name: str) -> None:
    """Path, method, query parameters and body: all known, all of the type that is described."""
    seen = drive(exchanges(kind)[name], answers)
    assert seen.calls
    for call in seen.calls:
        assert isinstance(call, Http)
        hold(call)


def test_the_description_bites() -> None:
    """An unknown parameter, an operator that is none, a number for a name, a type that is no type: each is found."""
    search = {"query": {"operator": "OR", "value": [{"field": "email", "operator": "=", "value": "a@example.org"}]}}
    attribute = {"name": "n", "model": "contact", "data_type": "string"}
    for path, good, wrong in (
        ("/contacts", {"email": "a@example.org"}, {"user_id": "7"}),
        ("/contacts", {"email": "a@example.org"}, {"name": 7}),
        ("/contacts/search", search, {"query": {"field": "email", "operator": "==", "value": "a"}}),
        ("/companies", {"company_id": "k"}, {"id": "7"}),
        ("/tags", {"name": "t"}, {"users": "7"}),
        ("/data_attributes", attribute, {"data_type": "text"}),
        ("/data_attributes", attribute, {"label": "N"}),
    ):
        hold(Http("POST", path, content=orjson.dumps(good)))
        with pytest.raises(jsonschema.ValidationError):
            hold(Http("POST", path, content=orjson.dumps({**good, **wrong})))

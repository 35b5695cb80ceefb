"""What revetl sends to Marketo, held against the vendor's own descriptions (Swagger 2: mapi, asset, identity)."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from email.parser import BytesParser
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import jsonschema
import orjson
import pytest
from marketo_case import CONTEXT, SETTINGS, TOLD, Instance, of, people

from revetl.contract import Http
from revetl.destinations.marketo import MARKETO, auth, bulk
from revetl.destinations.marketo.auth import MarketoSettings
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import TEXTS, change
from revetl.types import Cohort, Mode, OnLeave, Op, Person, RemoteField
from tests.shared import shared_path

FORM = "application/x-www-form-urlencoded"
# People have any field that the instance has, and rows of the vendor's own schema say so in words alone.
OPEN = {"Lead"}
# Described as required beside the body that says the same; the page of the endpoint takes either.
EITHER = {("DELETE", "id")}


@cache
def description(name: str) -> dict[str, Any]:
    """Return one of the vendor's Swagger documents."""
    found: dict[str, Any] = orjson.loads(gzip.decompress(shared_path(f"specs/swagger-{name}.json.gz").read_bytes()))
    return found


@cache
def closed(name: str, reference: str) -> dict[str, Any]:
    """Return a schema whose objects take no property that is not described, with the definitions it refers to."""
    definitions = {
        key: one if key in OPEN or not one.get("properties") else {**one, "additionalProperties": False}
        for key, one in description(name)["definitions"].items()
    }
    return {"$ref": reference, "definitions": definitions}


def operation(call: Http, method: str) -> tuple[str, dict[str, Any]]:
    """Return the document and the operation that a call is; a path without braces goes before one with."""
    found = []
    for name in ("mapi", "asset", "identity"):
        for pattern, methods in description(name)["paths"].items():
            expression = re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(pattern))
            if re.fullmatch(expression, call.path) and method.lower() in methods:
                found.append(("{" in pattern, name, methods[method.lower()]))
    assert found, f"Marketo describes no {method} {call.path}"
    _, name, one = min(found, key=lambda item: item[0])
    return name, one


def form(call: Http) -> dict[str, str]:
    """Return the form in a body."""
    assert call.content_type == FORM
    return dict(parse_qsl((call.content or b"").decode(), keep_blank_values=True, strict_parsing=True))


def hold(call: Http) -> None:
    """Hold a call to its description: path, method, parameters, body, content type."""
    query, method, hidden = dict(call.query), call.method, call.query == (("_method", "GET"),)
    if hidden:  # a GET whose query is in the body: what the page of error 414 says to do
        query, method = form(call), "GET"
    name, told = operation(call, method)
    if name == "identity":
        query, hidden = form(call), True
    parameters = {(p["in"], p["name"]): p for p in told.get("parameters", ())}
    assert set(query) <= {key for place, key in parameters if place == "query"}
    needed = {key for (place, key), p in parameters.items() if place == "query" and p.get("required")}
    assert {key for key in needed if (method, key) not in EITHER} <= set(query)
    for key, value in query.items():
        assert parameters["query", key].get("type") not in ("integer", "number") or value.isdecimal()
    bodies = [p for p in parameters.values() if p["in"] == "body"]
    files = [p["name"] for p in parameters.values() if p["in"] == "formData"]
    if call.content is None or hidden:
        assert not files
        assert not [p for p in bodies if p["required"]]
        return
    assert bodies or files
    for one in bodies:
        jsonschema.Draft4Validator(closed(name, one["schema"]["$ref"])).validate(_sent(call, told["consumes"]))
    if files:
        assert call.content_type.startswith(told["consumes"][0])
        head = f"content-type: {call.content_type}\r\n\r\n".encode()
        parts = BytesParser().parsebytes(head + (call.content or b"")).get_payload()
        assert [p.get_param("name", header="content-disposition") for p in parts] == files  # type: ignore[union-attr]


def _sent(call: Http, consumes: list[str]) -> Any:
    """Return a body as its schema means it: a form's fields may hold JSON."""
    assert call.content_type in consumes
    if call.content_type != FORM:
        return orjson.loads(call.content or b"")
    return {key: orjson.loads(value) if value[:1] == "{" else value for key, value in form(call).items()}


def story() -> list[Driven]:
    """Return everything that a run may do, on an instance that answers."""
    instance = Instance(partitions=["Default", "EU"])
    settings = MarketoSettings.model_validate({**TOLD, "partition": "EU"})
    assert MARKETO.discover
    assert MARKETO.prepare
    assert MARKETO.create_field
    assert MARKETO.account
    assert MARKETO.read_back
    assert MARKETO.erase
    asked = [
        auth.token(SETTINGS),
        MARKETO.account(SETTINGS),
        MARKETO.discover(CONTEXT),
        MARKETO.create_field(CONTEXT, RemoteField("band", "text", "Band")),
        MARKETO.prepare(CONTEXT),
    ]
    seen = [drive(exchange, instance) for exchange in asked]
    prepared: dict[str, Any] = seen[-1].value
    renamed = replace(CONTEXT, cohorts=(("vip", "Top"),), ids=prepared["cohorts"], prepared=prepared, fields=("city",))
    values = {"firstName": TEXTS[0], "spent": 12.5, "since": "2024-02-29", "gift": True, "city": None}
    first = change(1, fields=values)
    no = Cohort("unsubscribe", "unsubscribe", "unsubscribe")
    known = replace(change(1, fields={"city": None}), remote_id="1001", created=True)
    run = MARKETO.actions
    load = run[Op.UPSERT].bulk
    assert load
    many = people(range(10, bulk.LEAST + 10))
    bad = replace(many[0], body=b'{"firstName": "x", "visits": "many"}')
    long = replace(many[1], body=b'{"firstName": "%s", "visits": 1}' % (b"x" * 300))
    works = [
        run[Op.UPSERT].run(of([first], settings=settings)),
        run[Op.UPSERT].run(of([first], mode=Mode.INSERT)),
        run[Op.UPSERT].run(of([first], mode=Mode.UPDATE)),
        run[Op.UPSERT].run(of([known])),
        load.run(of([bad, long, *many[2:]], settings=settings)),
        run[Op.JOIN].run(of([change(1, Op.JOIN)], Op.JOIN, prepared=prepared)),
        run[Op.JOIN].run(of([known], Op.JOIN, cohort=no)),
        MARKETO.prepare(renamed),
        MARKETO.read_back.run(renamed, ["c1@example.org"]),
        run[Op.PART].run(of([known], Op.PART, prepared=prepared)),
        run[Op.IDENTITY].run(
            of([change(1, Op.IDENTITY, match="n@example.org", before_match="c1@example.org")], Op.IDENTITY)
        ),
        run[Op.LEAVE].run(of([known], Op.LEAVE, on_leave=OnLeave.CLEAR)),
        run[Op.LEAVE].run(of([known], Op.LEAVE, on_leave=OnLeave.DELETE)),
        MARKETO.erase.run(CONTEXT, [Person("c11@example.org")]),
    ]
    return seen + [drive(exchange, instance) for exchange in works]


def test_calls_are_those_that_the_vendor_describes() -> None:
    """Path, method, query parameters and body: all known, all of the type that is described."""
    seen = story()
    assert all(one.calls for one in seen)
    kinds = set()
    for one in seen:
        for call in one.calls:
            assert isinstance(call, Http)
            hold(call)
            kinds.add((call.method, call.template or call.path))
    assert len(kinds) == 17


def test_the_description_bites() -> None:
    """What Marketo does not describe is found: a parameter, a property, a type, a path."""
    good = Http("POST", "/rest/v1/leads.json", content=b'{"action": "updateOnly", "input": [{"any": 1}]}')
    hold(good)
    for content in (b'{"action": "upsert", "input": []}', b'{"inputs": []}', b'{"input": [{"id": "7"}]}'):
        with pytest.raises(jsonschema.ValidationError):
            hold(Http("POST", "/rest/v1/leads.json", content=content))
    for wrong in (Http("PUT", "/rest/v1/leads.json"), Http("GET", "/rest/v1/lead.json"),
                  Http("GET", "/rest/v1/leads.json", query=(("filterType", "email"),))):  # fmt: skip
        with pytest.raises(AssertionError):
            hold(wrong)

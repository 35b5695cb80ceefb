"""One record, what an object is, and a new field of it: ``/sobjects`` and ``/tooling/sobjects/CustomField``."""

from __future__ import annotations

from revetl.sandbox.core import Sandbox
from revetl.sandbox.salesforce import security
from revetl.sandbox.salesforce.errors import RowError, refuse
from revetl.sandbox.salesforce.records import Table, is_indexed
from revetl.sandbox.salesforce.schema import CUSTOM, LENGTHS, METADATA, MOST_DIGITS, MOST_LABEL, NEEDED, field
from revetl.sandbox.wire import NO_CONTENT, Answer, RefusedError, Request, answer
from revetl.types import JSON


def describe(box: Sandbox, _request: Request, kind: str) -> Answer:
    """GET /sobjects/{object}/describe."""
    table = Table.of(box, kind)
    told = {"name": kind, "custom": kind.endswith("__c"), "createable": True, "updateable": True, "queryable": True}
    return answer(200, {**told, "fields": list(table.fields.values())})


def create(box: Sandbox, request: Request, kind: str) -> Answer:
    """POST /sobjects/{object}: 201 and the id."""
    table = Table.of(box, kind)
    try:
        clean, wrong = table.parse(_object(request))
        if wrong is not None:
            raise wrong
        return answer(201, {"id": table.create(clean), "success": True, "errors": []})
    except RowError as error:
        raise _whole(error) from None


def patch(box: Sandbox, request: Request, kind: str, record_id: str) -> Answer:
    """PATCH /sobjects/{object}/{id}: 204."""
    table = Table.of(box, kind)
    try:
        clean, wrong = table.parse(_object(request))
        if wrong is not None:
            raise wrong
        table.update(table.get(record_id), clean)
    except RowError as error:
        raise _whole(error) from None
    return NO_CONTENT


def _object(request: Request) -> dict[str, JSON]:
    given = request.json()
    if not isinstance(given, dict):
        raise refuse(400, "JSON_PARSER_ERROR", "The request body is not an object")
    return {name: value for name, value in given.items() if name != "attributes"}


def _whole(error: RowError) -> RefusedError:
    gone = error.code in ("ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY")
    return refuse(404 if gone else 400, error.code, str(error))


def add_field(box: Sandbox, request: Request) -> Answer:
    """POST /tooling/sobjects/CustomField with ``FullName`` (``Contact.Spent__c``) and ``Metadata``: 201."""
    given = _object(request)
    kind, _, name = str(given.get("FullName")).partition(".")
    told = given.get("Metadata")
    table = Table.of(box, kind)
    if not isinstance(told, dict) or told.get("type") not in METADATA or not told.get("label"):
        raise refuse(400, "REQUIRED_FIELD_MISSING", "Metadata needs a type and a label")
    _check_metadata(told)
    if not CUSTOM.fullmatch(name):
        raise refuse(400, "FIELD_INTEGRITY_EXCEPTION", f"the name of a custom field ends in __c, unlike {name}")
    if name in box.store["fields"][kind]:
        raise refuse(400, "DUPLICATE_DEVELOPER_NAME", f"There is already a field named {name} on {kind}")
    made = field(name, METADATA[told["type"]], int(told.get("length") or 0), label=told["label"])
    values = (told.get("valueSet") or {}).get("valueSetDefinition", {}).get("value", [])
    made["picklistValues"] = [{"value": v["fullName"], "label": v["label"], "active": True} for v in values]
    made["restrictedPicklist"] = bool((told.get("valueSet") or {}).get("restricted"))
    made |= {key: told[key] for key in ("precision", "scale", "externalId", "unique") if key in told}
    box.store["fields"][kind][name] = made
    security.hide(box, kind, name)
    if is_indexed(kind, made):
        table.index[name] = {}
    return answer(201, {"id": f"00N{box.received:012d}AAA", "success": True, "errors": [], "warnings": []})


def _check_metadata(told: dict[str, JSON]) -> None:
    """Refuse a field without what its type needs, by the Metadata API's CustomField."""
    kind = told["type"]
    if missing := [part for part in NEEDED.get(kind, ()) if part not in told]:
        raise refuse(400, "FIELD_INTEGRITY_EXCEPTION", f"Must specify {', '.join(missing)} for a {kind}")
    least, most = LENGTHS.get(kind, (0, 0))
    if most and not least <= int(told["length"]) <= most:
        raise refuse(400, "FIELD_INTEGRITY_EXCEPTION", f"the length of a {kind} is {least} to {most}")
    if (told.get("externalId") or told.get("unique")) and kind not in ("Text", "Number", "Email"):
        raise refuse(400, "FIELD_INTEGRITY_EXCEPTION", f"a {kind} can be neither an external ID nor unique")
    if kind in ("Number", "Currency") and not 0 <= int(told["scale"]) <= int(told["precision"]) <= MOST_DIGITS:
        raise refuse(400, "FIELD_INTEGRITY_EXCEPTION", f"precision is at most {MOST_DIGITS}, scale no more than it")
    if len(told["label"]) > MOST_LABEL:
        raise refuse(400, "STRING_TOO_LONG", f"the label is longer than {MOST_LABEL} characters")

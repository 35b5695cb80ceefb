"""What the batch endpoints share: their inputs, and answers in an order that is not the inputs'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from revetl.sandbox.hubspot.errors import invalid
from revetl.sandbox.hubspot.records import Properties, Table, normal
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

MOST_INPUTS = 100


@dataclass(slots=True)
class Row:
    """One input: its key (an id, or a value of ``id_property``) and checked properties."""

    key: str
    id_property: str | None
    clean: Properties
    trace: str | None
    wrong: list[JSON]

    @property
    def normal(self) -> str:
        """Return the key as it is compared."""
        return normal(self.id_property, self.key) if self.id_property else self.key


def inputs(request: Request) -> list[dict[str, JSON]]:
    """Return the inputs of a batch; 400 unless there are 1 to 100 objects."""
    body = request.json()
    found = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise invalid("Invalid input JSON: some required fields were not set: [inputs]")
    if not found:
        raise invalid("The batch holds no inputs")
    if len(found) > MOST_INPUTS:
        raise invalid(
            f"The maximum number of inputs supported in a batch request for property histories is {MOST_INPUTS}"
        )
    return found


def row(table: Table, given: Mapping[str, JSON], *, keyed: bool = True, name_key: bool = False) -> Row:
    """Return one input read and checked; 400 where it has not the shape of one.

    With ``name_key`` the key is one of the row's properties, checked as any other value.
    """
    key, by, properties = given.get("id"), given.get("idProperty"), given.get("properties")
    trace = given.get("objectWriteTraceId")
    if keyed and (not isinstance(key, str) or not key.strip()):
        raise invalid("Invalid input JSON: some required fields were not set: [id]")
    if not isinstance(properties, dict):
        raise invalid("Invalid input JSON: some required fields were not set: [properties]")
    if trace is not None and not isinstance(trace, str):
        raise invalid("Invalid input JSON: objectWriteTraceId must be a string")
    if by is not None:
        table.require_unique(by)
        properties = {by: key, **properties} if name_key else properties
    clean, wrong = table.check(properties)
    return Row(str(key or ""), by, clean, trace, wrong)


def refuse_wrong(rows: Iterable[Row]) -> None:
    """Refuse the whole batch where any property is wrong: 400 VALIDATION_ERROR, naming each property."""
    wrong = [one for row in rows for one in row.wrong]
    if wrong:
        told = "; ".join(str(one["message"]) for one in wrong[:10])
        raise invalid(f"Property values were not valid: {told}", errors=wrong)


def refuse_duplicates(rows: Sequence[Row]) -> None:
    """Refuse the whole batch where two inputs mean one record by the same key."""
    seen: set[tuple[str | None, str]] = set()
    twice = {}
    for one in rows:
        mark = (one.id_property, one.normal)
        if mark in seen:
            twice[one.key] = True
        seen.add(mark)
    if twice:
        ids = list(twice)
        raise invalid(
            f"Duplicate IDs found in batch input: [{', '.join(ids)}]. IDs must be unique", context={"ids": ids}
        )


def traced(row: Row, context: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return an error's context, which names the input only if the caller gave it a trace id."""
    return {**context, "objectWriteTraceId": [row.trace]} if row.trace is not None else context


def shown(record: Mapping[str, JSON], names: Iterable[str], **more: JSON) -> dict[str, JSON]:
    """Return a record with the properties ``names`` that it has; one that was never set or is cleared is null."""
    have = record["properties"]
    wanted = ("createdate", "hs_object_id", "lastmodifieddate", *names)
    properties = {name: have.get(name) or None for name in wanted}
    return {**record, "properties": properties, **more}


def finished(table: Table, status: int, results: list[JSON], errors: Sequence[JSON] = ()) -> Answer:
    """Return a batch's answer, last input first; 207 where some rows failed."""
    payload = {"status": "COMPLETE", "results": results[::-1], "startedAt": table.at, "completedAt": table.at}
    if not errors:
        return answer(status, payload)
    return answer(207, {**payload, "numErrors": len(errors), "errors": list(errors)})

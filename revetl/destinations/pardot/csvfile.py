"""Files of the Import API: one match column, the written fields, and what the file of errors names."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import orjson

from revetl.contract import Http, Reply, UnreadableReply
from revetl.destinations.pardot import finding
from revetl.types import JSON, Change, Effect

BY_ID, BY_ADDRESS = "matchId", "matchEmail"
ADD, REMOVE = "addToList", "removeFromList"


@dataclass(frozen=True, slots=True)
class Form:
    """What the rows of one file have in common: how prospects are found, and what is written."""

    match: str
    columns: tuple[str, ...]


def key(form: Form, change: Change) -> str:
    """Return what stands in a row's match column, as it is compared."""
    return str(change.remote_id) if form.match == BY_ID else finding.normal(change.match)


def upload(number: str, form: Form, rows: Sequence[tuple[Change, Mapping[str, JSON]]]) -> Http:
    """Return the call that gives an import its one file."""
    lines = [_line((form.match, *form.columns)), *(_line(_cells(form, change, told)) for change, told in rows)]
    content = "\r\n".join([*lines, ""]).encode()
    boundary = f"revetl-{sha256(content).hexdigest()[:32]}"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="importFile"; filename="prospects.csv"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    )
    return Http(
        "POST",
        f"/imports/{number}/batches",
        content=head.encode() + content + f"\r\n--{boundary}--\r\n".encode(),
        content_type=f"multipart/form-data; boundary={boundary}",
        effect=Effect.ONCE,  # twice would be two files of one import
        cost={"imports": 1},
        template="/imports/{id}/batches",
    )


def _cells(form: Form, change: Change, told: Mapping[str, JSON]) -> list[str]:
    first = str(change.remote_id) if form.match == BY_ID else change.match
    return [first, *(_cell(told[name]) for name in form.columns)]


def _cell(value: JSON) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _line(cells: Iterable[str]) -> str:
    return ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)


def errors(reply: Reply, form: Form) -> dict[str, str]:
    """Return row's key → reason of every row that the file of errors names.

    Raises:
        UnreadableReply: it is no such file.
    """
    lines = reply.content.decode("utf-8-sig", "replace").split("\n")  # and at no other character
    try:
        header, *rows = csv.reader((f"{line}\n" for line in lines), strict=True)
    except (csv.Error, ValueError):
        raise UnreadableReply(reply.status, "the body is not CSV") from None
    told = next((n for n, name in enumerate(header) if "error" in name.lower()), None)
    if not reply.ok or form.match not in header:
        raise UnreadableReply(reply.status, f"the file has no column {form.match}")
    at = header.index(form.match)
    named = [row for row in rows if len(row) > at]
    return {finding.normal(row[at]): row[told].strip() if told is not None and len(row) > told else "" for row in named}

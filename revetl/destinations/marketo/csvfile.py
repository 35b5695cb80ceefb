"""Files of the bulk import: what may stand in one, how it is written, and what Marketo's own files name.

The vendor does not say what an empty cell does to a value that is there, so no file of ours has one: all its rows have
the same fields, and none is cleared. A text of ``NULL`` or with outer spaces may mean something else in a file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import orjson

from revetl.contract import Http, Reply, UnreadableReply
from revetl.destinations.marketo import api, leads
from revetl.types import JSON, Batch, Change, Effect

PATH = "/bulk/v1/leads.json"


@dataclass(frozen=True, slots=True)
class Form:
    """What the rows of one file have in common: the field that finds people, and the fields that are written."""

    lookup: str
    columns: tuple[str, ...]


def form_of(batch: Batch, change: Change) -> Form | None:
    """Return the form of a row, None where a file could not carry it exactly."""
    own = leads.values(batch, change)
    if not leads.spellable(batch, change) or not all(map(_plain, (*own.values(), change.match))):
        return None
    columns = tuple(sorted({*own, batch.match_field}))
    return Form("id" if api.number(change.remote_id) else batch.match_field, columns)


def _plain(value: JSON) -> bool:
    if isinstance(value, str):
        return value.strip() == value and value.upper() not in ("", "NULL")
    return isinstance(value, bool | int | float)


def upload(batch: Batch, form: Form, changes: Sequence[Change]) -> Http:
    """Return the call that starts an import.

    Two imports of the same new people would double them, so it is never repeated in doubt; by id nobody is made.
    """
    header = form.columns if form.lookup != "id" else ("id", *form.columns)
    lines = [_line(header), *(_line(_cells(batch, form, change)) for change in changes)]
    content = "\r\n".join([*lines, ""]).encode()
    query = {"format": "csv", "lookupField": form.lookup}
    if batch.settings.partition and form.lookup != "id":
        query["partitionName"] = batch.settings.partition
    boundary = f"revetl-{sha256(content).hexdigest()[:32]}"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="people.csv"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    )
    return Http(
        "POST",
        PATH,
        content=head.encode() + content + f"\r\n--{boundary}--\r\n".encode(),
        query=tuple(query.items()),
        content_type=f"multipart/form-data; boundary={boundary}",
        effect=Effect.REPEATABLE if form.lookup == "id" else Effect.ONCE,
    )


def _cells(batch: Batch, form: Form, change: Change) -> list[str]:
    own = {**leads.values(batch, change), batch.match_field: change.match}
    cells = [_cell(own[name]) for name in form.columns]
    return [str(change.remote_id), *cells] if form.lookup == "id" else cells


def _cell(value: JSON) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _line(cells: Iterable[str]) -> str:
    return ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)


def named(reply: Reply, form: Form) -> list[str]:
    """Return the looked-up values that a file of failures or warnings names, one a row.

    Raises:
        UnreadableReply: it is no such file.
    """
    lines = reply.content.decode("utf-8-sig", "replace").split("\n")  # and at no other character
    try:
        header, *rows = csv.reader((f"{line}\n" for line in lines), strict=True)
    except csv.Error:
        raise UnreadableReply(reply.status, "the body is not CSV") from None
    if not reply.ok or form.lookup not in header:
        raise UnreadableReply(reply.status, f"the file has no column {form.lookup}")
    place = header.index(form.lookup)
    return [api.normal(row[place]) if len(row) > place else "" for row in rows if row]

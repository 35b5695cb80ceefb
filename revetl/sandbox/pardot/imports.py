"""``/imports``: a file of prospects that is worked through in time, and answers by counts and a file of errors.

Source: https://developer.salesforce.com/docs/marketing/pardot/guide/import-v5.html. Options: ``import_seconds`` that
a file takes, ``counts_members`` whether rows that change nothing but a membership are counted. The name of the file's
part and the column of the error stand on no page that could be read: ``importFile`` and ``error``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from email.parser import BytesParser
from email.policy import HTTP

from revetl.sandbox.core import Sandbox
from revetl.sandbox.pardot import lists, prospects, schema, tables
from revetl.sandbox.pardot.errors import SPENT, invalid, missing, refuse
from revetl.sandbox.pardot.tables import Row
from revetl.sandbox.wire import Answer, RefusedError, Request, answer
from revetl.types import JSON

MOST_BYTES, MOST_BATCHES, MOST_LISTS = 10_000_000, 10, 20
OPEN_SECONDS, KEPT_SECONDS = 86_400, 7 * 86_400
_SHOWN = (
    "id", "status", "isExpired", "operation", "object", "createdCount", "updatedCount", "errorCount", "batchesRef",
    "errorsRef", "createdAt",
)  # fmt: skip
_KNOWN = frozenset({"operation", "object", "restoreDeleted", "createOnNoMatch", "fields", "status", "columns"})
_MATCHES = ("matchId", "matchSalesforceId", "matchEmail")
_LISTS = ("addToList", "removeFromList")
_RUNNING = ("Ready", "Waiting", "Processing")


def create(box: Sandbox, request: Request) -> Answer:
    """POST: an import, open for files."""
    told = tables.given(request)
    strange = sorted(set(told) - _KNOWN)
    if strange:
        raise invalid(f"Invalid property: {strange[0]}")
    if told.get("operation") != "Upsert" or told.get("object") != "Prospect":
        raise invalid("operation must be Upsert, and object Prospect")
    rules = told.get("fields") or []
    names = {"email", *schema.names(box)} - set(schema.READ_ONLY)
    if not all(isinstance(one, dict) and set(one) <= {"field", "overwrite", "nullOverwrite"} for one in rules):
        raise invalid("fields must be a list of objects with field, overwrite and nullOverwrite")
    for one in rules:
        if one.get("field") not in names:
            raise invalid(f"Invalid field: {one.get('field')}")
    number = tables.new_id(box)
    row: Row = {"id": number, "status": "Open", "isExpired": False, "operation": "Upsert", "object": "Prospect"}
    row |= {"rules": {one["field"]: one for one in rules}, "texts": [], "errors": [], "head": [], "at": 0}
    row |= {"restore": told.get("restoreDeleted") is True, "create": told.get("createOnNoMatch") is True}
    row |= {"createdCount": 0, "updatedCount": 0, "errorCount": 0, "born": box.now(), "begun": 0.0}
    row |= {"createdAt": tables.stamp(box.now()), "batchesRef": f"/api/v5/imports/{number}/batches"}
    box.store["imports"][str(number)] = row | {"errorsRef": f"/api/v5/imports/{number}/errors"}
    return _answer(box, request, 201, row)


def _answer(box: Sandbox, request: Request, status: int, row: Row) -> Answer:
    wanted = tables.asked(box, request, _SHOWN)
    return answer(status, {name: row.get(name) for name in wanted})


def _import(box: Sandbox, number: str) -> Row:
    row: Row | None = box.store["imports"].get(number)
    if row is None:
        raise missing("import")
    return row


def upload(box: Sandbox, request: Request, number: str) -> Answer:
    """POST /batches: a file, as the part ``importFile`` of a form."""
    row = _import(box, number)
    if row["status"] != "Open":
        raise invalid(f"The import is {row['status']}, and takes no batches")
    if len(row["texts"]) >= MOST_BATCHES:
        raise invalid(f"An import has at most {MOST_BATCHES} batches")
    if not box.spend_batch():  # type: ignore[attr-defined]
        raise refuse(429, SPENT, "The day's batches are spent")
    text = _file(request)
    if len(text.encode()) > MOST_BYTES:
        raise invalid("A batch has at most 10 MB")
    _check(box, row, text)
    row["texts"].append(text)
    return Answer(204)


def _file(request: Request) -> str:
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise invalid("The body must be multipart/form-data")
    form = BytesParser(policy=HTTP).parsebytes(f"content-type: {kind}\r\n\r\n".encode() + request.body)
    for part in form.iter_parts():
        if part.get_param("name", header="content-disposition") == "importFile":
            return bytes(part.get_payload(decode=True)).decode("utf-8", "strict")
    raise invalid("The part importFile is missing")


def _rows(text: str) -> Iterator[list[str]]:
    return (row for row in csv.reader(io.StringIO(text, newline="")) if row)


def _check(box: Sandbox, row: Row, text: str) -> None:
    """Refuse a file whose header is not right."""
    head = next(_rows(text), [])
    matches = [name for name in head if name in _MATCHES]
    if len(matches) != 1 or matches == ["matchSalesforceId"]:
        raise invalid("A file must have exactly one of matchId, matchSalesforceId and matchEmail")
    known = {"email", *schema.names(box), *_MATCHES, *_LISTS} - set(schema.READ_ONLY)
    for name in head:
        if name not in known or head.count(name) > 1:
            raise invalid(f"Invalid column: {name}")
    if row["head"] and row["head"] != head:
        raise invalid("All batches of an import have the same columns")
    row["head"] = head


def change(box: Sandbox, request: Request, number: str) -> Answer:
    """PATCH: the import shall begin."""
    row, told = _import(box, number), tables.given(request)
    if told != {"status": "Ready"}:
        raise invalid("status can be set to Ready, and nothing else changed")
    if row["status"] != "Open" or not row["texts"]:
        raise invalid(f"The import is {row['status']} with {len(row['texts'])} batches, and cannot begin")
    row.update(status="Ready", begun=box.now())
    return _answer(box, request, 200, row)


def cancel(box: Sandbox, request: Request, number: str) -> Answer:
    """POST /do/cancel."""
    row = _import(box, number)
    if row["status"] not in ("Open", "Ready", "Waiting"):
        raise invalid(f"The import is {row['status']}, and cannot be canceled")
    row["status"] = "Canceled"
    return _answer(box, request, 200, row)


def read(box: Sandbox, request: Request, number: str) -> Answer:
    """GET."""
    return _answer(box, request, 200, _import(box, number))


def errors(box: Sandbox, _request: Request, number: str) -> Answer:
    """GET /errors: the rows that were not taken, as they came, and why."""
    row = _import(box, number)
    if row["status"] != "Complete" or row["isExpired"]:
        raise invalid(f"The import is {row['status']}, and has no errors to show")
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([*row["head"], "error"])
    lines.writerows(reversed(row["errors"]))
    return Answer(200, text.getvalue().encode(), {"content-type": "text/csv"})


def work(box: Sandbox) -> None:
    """Come with every import as far as its time allows."""
    for row in box.store["imports"].values():
        if row["status"] in _RUNNING:
            _work(box, row)
        elif row["status"] == "Open" and box.now() - row["born"] > OPEN_SECONDS:
            row.update(status="Canceled", isExpired=True)
        elif box.now() - row["born"] > KEPT_SECONDS:
            row["isExpired"] = True


def _work(box: Sandbox, row: Row) -> None:
    rows = [cells for text in row["texts"] for cells in [*_rows(text)][1:]]
    seconds = float(box.options["import_seconds"])
    share = min(1.0, (box.now() - row["begun"]) / seconds) if seconds > 0 else 1.0
    upto = int(len(rows) * share)
    for cells in rows[row["at"] : upto]:
        try:
            _take(box, row, dict(zip(row["head"], cells, strict=True)))
        except RefusedError as refused:
            row["errors"].append([*cells, refused.payload["message"]])
            row["errorCount"] += 1
    row["at"] = upto
    row["status"] = "Complete" if share >= 1 else "Processing" if upto else "Waiting"


def _take(box: Sandbox, row: Row, cells: Mapping[str, str]) -> None:
    """Take one row."""
    told = {name: text for name, text in cells.items() if name not in (*_MATCHES, *_LISTS)}
    there = _match(box, row, cells)
    if there is None and not row["create"]:
        raise invalid("No prospect matches, and none shall be made")
    places = [(name, _list_ids(box, cells[name])) for name in _LISTS if cells.get(name)]
    written = schema.parse(box, _written(row, there, told))
    email = {"email": schema.address(cells["matchEmail"])} if there is None else {}
    if there is None or written or there["isDeleted"]:
        done = prospects.put(box, there or prospects.new(box), {**email, **written})
        done = prospects.mark(box, done, deleted=False) if done["isDeleted"] else done
    else:
        done = there
    for name, ids in places:
        _place(box, name, ids, done["id"])
    if told or box.options["counts_members"]:
        row["createdCount" if there is None else "updatedCount"] += 1


def _match(box: Sandbox, row: Row, cells: Mapping[str, str]) -> Row | None:
    if "matchId" in cells:
        there: Row | None = box.store["prospects"].get(cells["matchId"])
        if there is None or (there["isDeleted"] and not row["restore"]):
            raise invalid("No prospect has this ID")
        return there
    return prospects.match(box, schema.address(cells["matchEmail"]), restore=row["restore"])


def _written(row: Row, there: Row | None, told: Mapping[str, str]) -> dict[str, JSON]:
    """Return what a row writes: by default full cells overwrite, and empty ones do not."""
    found: dict[str, JSON] = {}
    for name, text in told.items():
        rule = row["rules"].get(name, {})
        if not text and not rule.get("nullOverwrite", False):
            continue
        if there is not None and there.get(name) is not None and not rule.get("overwrite", True):
            continue
        found[name] = _cell(name, text)
    return found


def _cell(name: str, text: str) -> JSON:
    if name.startswith("is"):
        return {"true": True, "1": True, "false": False, "0": False, "": False}.get(text.lower(), text)
    if name in ("score", "campaignId", "userId"):
        return int(text) if text.lstrip("-").isdecimal() else text or None
    return text or None


def _list_ids(box: Sandbox, cell: str) -> Sequence[int]:
    ids = [one.strip() for one in cell.split(";")]
    if len(ids) > MOST_LISTS or not all(one.isdecimal() for one in ids):
        raise invalid(f"A cell names at most {MOST_LISTS} lists by id")
    return [lists.static(box, one)["id"] for one in ids]


def _place(box: Sandbox, name: str, ids: Sequence[int], prospect_id: int) -> None:
    for list_id in ids:
        inside = lists.member_id(box, list_id, prospect_id) is not None
        if name == "addToList" and not inside:
            lists.join(box, list_id, prospect_id)
        if name == "removeFromList" and inside:
            lists.part(box, list_id, prospect_id)

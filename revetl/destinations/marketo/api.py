"""What every Marketo exchange shares: calls, the envelope of answers, and what a refusal says."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson

from revetl.contract import BatchRejected, Http, Reply, Settled, UnreadableReply
from revetl.errors import DestinationError
from revetl.types import JSON, Change, Outcome

BATCH = 300  # records of one call, by the Lead Database reference
LEADS = "/rest/v1/leads.json"
NOT_FOUND = "1004"
SEVERAL = "1007"
_FORM = "application/x-www-form-urlencoded"
# Statuses and codes that refuse what was sent, not who sent it: smaller batches may tell which row it was.
_OF_ROWS = frozenset({"400", "409", "413", "414", "422", "609", "701", "704", "709"})
_OF_OTHERS = frozenset({"1013", "1016", "1019"})  # no such list, too many imports, an import into that list

Refused = tuple[str, str]  # code, sentence


def send(method: str, path: str, body: JSON, **more: Any) -> Http:
    """Return a call with a JSON body."""
    return Http(method, path, content=orjson.dumps(body), **more)


def form(method: str, path: str, fields: Mapping[str, str], **more: Any) -> Http:
    """Return a call with a form for its body."""
    return Http(method, path, content=urlencode(fields).encode(), content_type=_FORM, **more)


def error(document: Mapping[str, JSON]) -> Refused | None:
    """Return code and sentence of an answer with ``success: false``, None where it says no such thing."""
    errors = document.get("errors")
    if document.get("success") is not False or not isinstance(errors, list) or not errors:
        return None
    first = errors[0] if isinstance(errors[0], dict) else {}
    return str(first.get("code") or "ERROR"), str(first.get("message") or "no reason given")


def refusal(reply: Reply) -> Refused | None:
    """Return why a whole call was refused, None where ``success`` is true.

    Raises:
        UnreadableReply: it says neither.
    """
    if not reply.ok:
        return error(reply.problem()) or (str(reply.status), f"HTTP {reply.status}")
    found = reply.json()
    if isinstance(found, dict) and found.get("success") is True:
        return None
    refused = error(found) if isinstance(found, dict) else None
    if refused is None:
        raise UnreadableReply(reply.status, "the body does not say whether it succeeded")
    return refused


def refuse_all(refused: Refused, changes: Sequence[Change]) -> BatchRejected | list[Outcome]:
    """Return what a refusal of a whole call makes of its changes: nothing of it was applied."""
    code, reason = refused
    if code in _OF_ROWS or (len(code) == 4 and code.startswith("1") and code not in _OF_OTHERS):
        return BatchRejected(code, reason)
    return [Outcome.waiting(change, code=code, reason=reason) for change in changes]


def settle(outcomes: Iterable[Outcome]) -> Generator[Settled, None, None]:
    """Acknowledge what is proven before the next call, which may be lost."""
    proven = tuple(outcomes)
    if proven:
        yield Settled(proven)


def rows(reply: Reply) -> list[dict[str, JSON]]:
    """Return the objects under ``result``; an asset that is not there has none, and ``warnings`` in its place.

    Raises:
        UnreadableReply: it is no list of objects.
    """
    document = reply.problem()
    found = document.get("result")
    if found is None and document.get("warnings"):
        return []
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise UnreadableReply(reply.status, "result is not a list of objects")
    return found


def results(reply: Reply, count: int) -> list[dict[str, JSON]]:
    """Return the answers to ``count`` records, in their order.

    Raises:
        UnreadableReply: they are not that many, or one of them has neither an id nor a reason.
    """
    found = rows(reply)
    if len(found) != count or not all(_is_result(row) for row in found):
        raise UnreadableReply(reply.status, f"result is not a list of {count} answers")
    return found


def _is_result(row: dict[str, JSON]) -> bool:
    if row.get("status") == "skipped":
        reasons = row.get("reasons")
        return isinstance(reasons, list) and bool(reasons) and isinstance(reasons[0], dict)
    return isinstance(row.get("status"), str) and type(row.get("id")) is int


def skipped(row: Mapping[str, JSON], record: int, status: str, reply: Reply) -> Refused | None:
    """Return why a record was skipped, None where it was done.

    Raises:
        UnreadableReply: the answer is about another record, or another deed.
    """
    if row["status"] == "skipped":
        return reason(row)
    if row["status"] != status or row["id"] != record:
        raise UnreadableReply(reply.status, f"an answer is not that {record} was {status}")
    return None


def reason(row: Mapping[str, JSON]) -> Refused:
    """Return code and sentence of a record that was skipped."""
    first = row["reasons"][0]
    return str(first.get("code") or "ERROR"), str(first.get("message") or "no reason given")


def expect(reply: Reply, what: str, hint: str = "revetl debug") -> list[dict[str, JSON]]:
    """Return the rows of an answer that must be good.

    Raises:
        DestinationError: RVT-651, Marketo refuses.
    """
    refused = refusal(reply)
    if refused is not None:
        raise refused_error(refused, what, hint)
    return rows(reply)


def refused_error(refused: Refused, what: str, hint: str = "revetl debug") -> DestinationError:
    """Return the error that says what Marketo refuses, and why."""
    return DestinationError("RVT-651", f"Marketo refuses {what}: {refused[0]}, {refused[1]}", hint=hint)


def number(record: str | None) -> int | None:
    """Return a stored id as Marketo's, None where there is none (or it is of another time, and no number)."""
    return int(record) if record and record.isdecimal() else None


def normal(value: JSON) -> str:
    """Return an identity as it is compared: Marketo looks at neither case nor outer spaces."""
    return str(value).strip().lower()

"""What every Salesforce exchange shares: collection calls, their answers by position, and what a refusal says."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

import orjson

from revetl.contract import BatchRejected, Http, Reply, Settled, UnreadableReply
from revetl.types import JSON, Change, Outcome

BATCH = 200  # records of one collections call
# What people can do about refusals whose own words do not say it.
_ADVICE = {
    "DUPLICATES_DETECTED": "a duplicate rule of the org holds it back: merge it there, or let the rule allow this user",
    "CANNOT_UPDATE_CONVERTED_LEAD": "the lead was converted: its contact and account stand for it now",
}


def problem(reply: Reply) -> dict[str, JSON]:
    """Return the first JSON object of a refusal, empty where there is none."""
    try:
        found = orjson.loads(reply.content)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(found, list) and found:
        found = found[0]
    return found if isinstance(found, dict) else {}


def refusal(reply: Reply) -> tuple[str, str]:
    """Return code and sentence of a refusal."""
    found = problem(reply)
    code = found.get("errorCode") or found.get("error") or reply.status
    return str(code), str(found.get("message") or found.get("error_description") or f"HTTP {reply.status}")


def refuse_all(reply: Reply, changes: Sequence[Change]) -> BatchRejected | list[Outcome]:
    """Return what a refusal of a whole call makes of its changes: nothing of it was applied."""
    if reply.status in (400, 409, 413, 422):
        return BatchRejected(*refusal(reply))
    return wait_all(reply, changes)


def wait_all(reply: Reply, changes: Sequence[Change]) -> list[Outcome]:
    """Return what a refusal makes of changes that have no part in it: they come again with a later run."""
    code, reason = refusal(reply)
    return [Outcome.waiting(change, code=code, reason=reason) for change in changes]


def settle(outcomes: Iterable[Outcome]) -> Generator[Settled, None, None]:
    """Acknowledge what is proven before the next call, which may be lost."""
    proven = tuple(outcomes)
    if proven:
        yield Settled(proven)


def collection(method: str, path: str, kind: str, rows: Iterable[dict[str, JSON]], **more: Any) -> Http:
    """Return the write of up to 200 records of one kind, each of which may fail alone."""
    body = {"allOrNone": False, "records": [{"attributes": {"type": kind}, **row} for row in rows]}
    return Http(method, f"/composite/sobjects{path}", content=orjson.dumps(body), **more)


def deletion(ids: Iterable[str]) -> Http:
    """Return the deletion of up to 200 records: into the recycle bin."""
    return Http("DELETE", "/composite/sobjects", query=(("ids", ",".join(ids)), ("allOrNone", "false")))


def results(reply: Reply, count: int) -> list[dict[str, JSON]]:
    """Return the answers to ``count`` records, in their order.

    Raises:
        UnreadableReply: they are not that many, or one of them neither succeeded nor says why not.
    """
    found = reply.json()
    if not isinstance(found, list) or len(found) != count or not all(_is_result(row) for row in found):
        raise UnreadableReply(reply.status, f"the body is not a list of {count} results")
    return found


def _is_result(row: JSON) -> bool:
    if not isinstance(row, dict):
        return False
    if row.get("success") is True:
        return isinstance(row.get("id"), str) and bool(row["id"])
    errors = row.get("errors")
    return row.get("success") is False and isinstance(errors, list) and bool(errors) and isinstance(errors[0], dict)


def error(row: Mapping[str, JSON]) -> tuple[str, str]:
    """Return code and sentence of a row that failed."""
    first = row["errors"][0]
    names = ", ".join(str(name) for name in first.get("fields") or ())
    code, reason = str(first.get("statusCode") or "ERROR"), str(first.get("message") or "no reason given")
    reason = f"{reason} ({names})" if names and names not in reason else reason
    return code, f"{reason}; {_ADVICE[code]}" if code in _ADVICE else reason


def normal(value: JSON) -> str:
    """Return an identity as it is compared: Salesforce keeps no outer spaces."""
    return str(value).strip().lower()


def known_ids(changes: Iterable[Change], found: dict[str, str]) -> dict[int, str]:
    """Return sequence number → record id, empty where there is no record."""
    return {c.seq: c.remote_id or found.get(normal(c.match), "") for c in changes}

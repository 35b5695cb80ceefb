"""Cohorts as static lists.

Lists take ids of people, so that those who have none yet are looked up first:
https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/lead-database/list-membership
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from revetl.contract import Context, Exchange, Http, Pause, Reply, UnreadableReply
from revetl.destinations.marketo import api, consent, find
from revetl.errors import DestinationError
from revetl.types import JSON, Batch, Change, Effect, Outcome

_ASSET = "/rest/asset/v1"
_IMPORTING = "1019"  # somebody imports into the list
_WAITS = (10.0, 20.0, 30.0)  # seconds before such a list is tried again
_DONE = {"POST": ("added", "memberof"), "DELETE": ("removed", "notmemberof")}
_NOT_IN_LIST = "1015"


def prepare(context: Context) -> Generator[Any, Any, dict[str, JSON]]:
    """Find, rename or create the list of each cohort; return ``{"cohorts": {model name: list id}}``.

    Raises:
        DestinationError: RVT-651, Marketo refuses a list, or none can be made because no folder is named.
    """
    found: dict[str, str] = {}
    for name, label in context.cohorts:
        there = (yield from _known(context, name, label)) or (yield from _by_name(label))
        if there is None and context.create:
            there = yield from _create(context, label)
        if there is not None:
            found[name] = there
    return {"cohorts": found}


def _one(reply: Reply, label: str) -> dict[str, JSON] | None:
    """Return the list that an answer shows, None where there is none."""
    hint = "give the cohort another `label`, or check `folder` in the target's settings"
    rows = api.expect(reply, f"the list {label!r}", hint)
    if not rows:
        return None
    if type(rows[0].get("id")) is not int:
        raise UnreadableReply(reply.status, "the list has no id")
    return rows[0]


def _known(context: Context, name: str, label: str) -> Generator[Any, Any, str | None]:
    """Return the list that an earlier run stored, under the present label; None where it is gone."""
    list_id = context.ids.get(name)
    if list_id is None:
        return None
    path, template = f"{_ASSET}/staticList/{quote(list_id, safe='')}.json", f"{_ASSET}/staticList/{{id}}.json"
    there = _one((yield Http("GET", path, effect=Effect.READ, template=template)), label)
    if there is None:
        return None
    if there.get("name") != label and context.create:
        _one((yield api.form("POST", path, {"name": label}, template=template)), label)
    return list_id


def _by_name(label: str) -> Generator[Any, Any, str | None]:
    query = (("name", label),)
    there = _one((yield Http("GET", f"{_ASSET}/staticList/byName.json", query=query, effect=Effect.READ)), label)
    return None if there is None else str(there["id"])


def _create(context: Context, label: str) -> Generator[Any, Any, str]:
    settings = context.settings
    if settings.folder is None:
        what = f"there is no list {label!r} in Marketo, and no folder is named in which to make it"
        hint = "say `folder: ID` in the target's settings (the number in the folder's URL), or make the list there"
        raise DestinationError("RVT-651", what, hint=hint)
    folder = orjson.dumps({"id": settings.folder, "type": settings.folder_type.value}).decode()
    reply = yield api.form("POST", f"{_ASSET}/staticLists.json", {"name": label, "folder": folder}, effect=Effect.ONCE)
    there = _one(reply, label)
    if there is None:
        raise UnreadableReply(reply.status, "the reply shows no list")
    return str(there["id"])


@dataclass(slots=True)
class _Answer:
    """What one call said: outcomes, and those whose known id is gone."""

    done: list[Outcome] = field(default_factory=list)
    gone: list[Change] = field(default_factory=list)


def join(batch: Batch) -> Exchange:
    """Put people on the list; or, for the style of that name, mark them as unsubscribed."""
    if batch.cohort is not None and batch.cohort.style == consent.UNSUBSCRIBE:
        return (yield from consent.withdraw(batch))
    return (yield from _move(batch, "POST"))


def part(batch: Batch) -> Exchange:
    """Take people off the list; those who are gone, or were never on it, are done."""
    return (yield from _move(batch, "DELETE"))


def _move(batch: Batch, method: str) -> Exchange:
    answer = yield from _round(batch, method, batch.changes)
    if isinstance(answer, tuple):
        return api.refuse_all(answer, batch.changes)
    if not answer.gone:
        return answer.done
    yield from api.settle(answer.done)
    forgotten = {change.seq: change for change in answer.gone}
    second = yield from _round(batch, method, answer.gone, cached=False)
    if isinstance(second, tuple):
        return api.refuse_all(second, list(forgotten.values()))
    return second.done


def _round(
    batch: Batch, method: str, changes: Sequence[Change], *, cached: bool = True
) -> Generator[Any, Any, _Answer | api.Refused]:
    """Find whom the changes mean, and move them; without ``cached`` no known id is believed."""
    found: Mapping[int, list[int]] | api.Refused
    if cached:
        found = yield from find.find_ids(batch, changes)
    else:
        found = yield from find.look_up(batch, changes)
    if isinstance(found, tuple):
        return found
    answer = _Answer([find.doubled(c, found[c.seq]) for c in changes if len(found[c.seq]) > 1])
    answer.done += [_nobody(c, method) for c in changes if not found[c.seq]]
    there = {c.seq: found[c.seq][0] for c in changes if len(found[c.seq]) == 1}
    if not there:
        return answer
    rows = yield from _write(_list_id(batch), method, list(dict.fromkeys(there.values())))
    if isinstance(rows, tuple):
        return rows
    for change in changes:
        if change.seq in there:
            _judge(change, rows[there[change.seq]], method, answer, cached=cached)
    return answer


def _write(list_id: str, method: str, ids: list[int]) -> Generator[Any, Any, dict[int, dict[str, JSON]] | api.Refused]:
    """Add or remove; return id → answer. While somebody imports into the list, wait for a while."""
    path, template = f"/rest/v1/lists/{list_id}/leads.json", "/rest/v1/lists/{listId}/leads.json"
    for wait in (*_WAITS, None):
        reply: Reply = yield api.send(method, path, {"input": [{"id": one} for one in ids]}, template=template)
        refused = api.refusal(reply)
        if refused is None:
            break
        if refused[0] != _IMPORTING or wait is None:
            return refused
        yield Pause(wait)
    rows = {int(row.get("id") or 0): row for row in api.results(reply, len(ids))}
    if set(rows) != set(ids):
        raise UnreadableReply(reply.status, "the answer names other people than those sent")
    return rows


def _judge(change: Change, row: dict[str, JSON], method: str, answer: _Answer, *, cached: bool) -> None:
    if row["status"] in _DONE[method]:
        answer.done.append(Outcome.delivered(change, remote_id=str(row["id"])))
        return
    code, reason = api.reason(row) if row["status"] == "skipped" else ("STATUS", f"Marketo says {row['status']}")
    if code == api.NOT_FOUND and cached and change.remote_id:
        answer.gone.append(change)
    elif code == api.NOT_FOUND:
        answer.done.append(_nobody(change, method))
    elif code == _NOT_IN_LIST and method == "DELETE":
        answer.done.append(Outcome.delivered(change, remote_id=str(row["id"])))
    else:
        answer.done.append(Outcome.rejected(change, code=code, reason=reason))


def _nobody(change: Change, method: str) -> Outcome:
    if method == "DELETE":
        return Outcome.delivered(change)
    return Outcome.rejected(change, code=api.NOT_FOUND, reason="no such person to put on the list")


def _list_id(batch: Batch) -> str:
    if batch.cohort is None:
        raise ValueError("JOIN and PART name a cohort")
    return quote(str(batch.prepared["cohorts"][batch.cohort.name]), safe="")

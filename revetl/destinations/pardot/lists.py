"""Cohorts as static lists: found, renamed or made; memberships one a call, or many by import. Consent withdrawn.

https://developer.salesforce.com/docs/marketing/pardot/guide/list-v5.html, /list-membership-v5.html
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Context, Exchange, Pause, Reply
from revetl.destinations.pardot import api, fields, finding, imports, prospects
from revetl.errors import DestinationError
from revetl.types import JSON, Batch, Change, Effect, Op, Outcome, Proof

UNSUBSCRIBE = "unsubscribe"


def prepare(context: Context) -> Generator[Any, Any, dict[str, JSON]]:
    """Find, rename or make the list of each cohort; return ``{"cohorts": {model name: list id}}``.

    Raises:
        DestinationError: RVT-651, Account Engagement refuses a list; RVT-652, a list follows rules of its own.
    """
    if not context.cohorts:
        return {"cohorts": {}}
    rows = yield from api.pages("lists", "id,name,isDynamic", {})
    if isinstance(rows, Reply):
        raise fields.hidden(rows, "the lists")
    found: dict[str, str] = {}
    for name, label in context.cohorts:
        number = yield from _list(context, rows, label, context.ids.get(name))
        if number is not None:
            found[name] = number
    return {"cohorts": found}


def _list(context: Context, rows: list[api.Row], label: str, stored: str | None) -> Generator[Any, Any, str | None]:
    ours = next((row for row in rows if str(row["id"]) == stored), None)
    there = ours or next((row for row in rows if row.get("name") == label), None)
    if there is not None and there.get("isDynamic") is True:
        what = f"the list {label!r} in Account Engagement is dynamic: its members follow rules there"
        raise DestinationError("RVT-652", what, hint="give the cohort another `label`, or rename that list")
    if there is None and context.create:
        there = _expect((yield api.write("POST", "lists", {"name": label}, effect=Effect.ONCE)), label)
    elif there is not None and there.get("name") != label and context.create:
        _expect((yield api.one("PATCH", "lists", str(there["id"]), {"name": label})), label)
    return None if there is None else str(there["id"])


def _expect(reply: Reply, label: str) -> api.Row:
    if not reply.ok:
        code, reason = api.refusal(reply)
        what = f"Account Engagement refuses the list {label!r}: {code}, {reason}"
        raise DestinationError(
            "RVT-651", what, hint="give the cohort another `label`, or the user the right to make lists"
        )
    return api.row(reply)


def place(batch: Batch) -> str:
    """Return the id of the cohort's list."""
    if batch.cohort is None:
        raise ValueError("JOIN and PART name a cohort")
    return str(batch.prepared["cohorts"][batch.cohort.name])


def join(batch: Batch) -> Exchange:
    """Put prospects on the list; whose id is not known is put there by import, which makes nobody."""
    if batch.cohort is not None and batch.cohort.style == UNSUBSCRIBE:
        return (yield from _withdraw(batch))
    lost: list[Change] = []
    for some in prospects.parts([c for c in batch.changes if c.remote_id]):
        body = {"listId": int(place(batch))}
        replies: tuple[Reply, ...] = yield tuple(
            api.write("POST", "list-memberships", {**body, "prospectId": int(c.remote_id or 0)}) for c in some
        )
        for reply, change in zip(replies, some, strict=True):
            if api.gone(reply):
                lost.append(change)
            else:
                yield from _joined(batch, change, reply)
    yield from imports.by_address(batch, [c for c in batch.changes if not c.remote_id] + lost)
    return []


def _joined(batch: Batch, change: Change, reply: Reply) -> Generator[Any, Any, None]:
    """Settle one join; what is refused may be a member already, which only a look can tell."""
    if reply.ok:
        api.row(reply)
        yield from api.settle([Outcome.delivered(change, remote_id=change.remote_id)])
        return
    found: Reply = yield _membership(batch, change)
    if found.ok and api.values(found):
        yield from api.settle([Outcome.delivered(change, remote_id=change.remote_id)])
    else:
        yield from api.settle([api.refuse(reply, change)])


def _membership(batch: Batch, change: Change) -> Any:
    return api.read("list-memberships", "id", listId=place(batch), prospectId=str(change.remote_id))


def part(batch: Batch) -> Exchange:
    """Take prospects off the list; those who are gone, or were never on it, are done."""
    known = [c for c in batch.changes if c.remote_id]
    members = yield from _members(batch, known)
    missing = [c for c in known if members.get(c.seq) == []]
    if missing:
        yield Pause(api.STALE)  # a membership of the last minute may not show yet
        again = yield from _members(batch, missing)
        members |= again
        yield from api.settle(Outcome.delivered(c) for c in missing if again.get(c.seq) == [])
    ends = [(c, number) for c in known for number in members.get(c.seq, ())]
    for at in range(0, len(ends), api.SIDE_BY_SIDE):
        some = ends[at : at + api.SIDE_BY_SIDE]
        replies: tuple[Reply, ...] = yield tuple(api.one("DELETE", "list-memberships", n, None) for _, n in some)
        yield from api.settle(_ended(reply, c) for reply, (c, _) in zip(replies, some, strict=True))
    yield from imports.by_address(batch, [c for c in batch.changes if not c.remote_id])
    return []


def _ended(reply: Reply, change: Change) -> Outcome:
    return Outcome.delivered(change) if reply.ok or api.gone(reply) else api.refuse(reply, change)


def _members(batch: Batch, changes: Sequence[Change]) -> Generator[Any, Any, dict[int, list[str]]]:
    """Return sequence number → ids of memberships, for who has any or was looked at in vain; refusals are settled."""
    found: dict[int, list[str]] = {}
    for some in prospects.parts(changes):
        replies: tuple[Reply, ...] = yield tuple(_membership(batch, change) for change in some)
        for reply, change in zip(replies, some, strict=True):
            if reply.ok:
                found[change.seq] = [str(row["id"]) for row in api.values(reply)][:1]
            elif not api.gone(reply):
                yield from api.settle([api.refuse(reply, change)])
            else:
                found[change.seq] = []
    return found


def verified(batch: Batch, changes: Sequence[Change]) -> Generator[Any, Any, None]:
    """Settle memberships that an import wrote by what the list shows afterwards."""
    yield Pause(api.STALE)
    inside = yield from members(place(batch))
    if isinstance(inside, Reply):
        code, reason = api.refusal(inside)
        yield from api.settle(Outcome.unknown(change, code=code, reason=reason) for change in changes)
        return
    ids, addresses = inside
    wish = batch.op is Op.JOIN
    for change in changes:
        there = change.remote_id in ids if change.remote_id else finding.normal(change.match) in addresses
        reason = "the list does not show what the import was to do"
        done = Outcome.delivered(change, proof=Proof.ACCOUNT)
        yield from api.settle([done if there is wish else Outcome.unknown(change, code="NOT_SHOWN", reason=reason)])


def members(number: str) -> Generator[Any, Any, tuple[set[str], set[str]] | Reply]:
    """Return ids and addresses of a list's members; or the reply that refuses."""
    rows = yield from api.pages("list-memberships", "id,prospectId,prospect.email", {"listId": number})
    if isinstance(rows, Reply):
        return rows
    addresses = {finding.normal((row.get("prospect") or {}).get("email")) for row in rows}
    return {str(row.get("prospectId")) for row in rows}, addresses


def _withdraw(batch: Batch) -> Exchange:
    """Mark prospects as not to be emailed; nothing here ever takes that back."""
    shown = f"id,{fields.DO_NOT_EMAIL}"
    body = {fields.DO_NOT_EMAIL: True}
    rest = [c for c in batch.changes if not c.remote_id]
    for some in prospects.parts([c for c in batch.changes if c.remote_id]):
        replies: tuple[Reply, ...] = yield tuple(
            api.one("PATCH", "prospects", str(c.remote_id), body, shown) for c in some
        )
        rest += [c for reply, c in zip(replies, some, strict=True) if api.gone(reply)]
        yield from api.settle(
            _withdrawn(reply, c) for reply, c in zip(replies, some, strict=True) if not api.gone(reply)
        )
    found = yield from finding.find(c.match for c in rest)
    if isinstance(found, Reply):
        return [api.refuse(found, change) for change in rest]
    for change in rest:
        there = found.get(finding.normal(change.match))
        if there is None:
            yield from api.settle([Outcome.rejected(change, code="RECORD_MISSING", reason="no such prospect")])
            continue
        reply: Reply = yield api.one("PATCH", "prospects", str(there[0]["id"]), body, shown)
        yield from api.settle([_withdrawn(reply, change)])
    return []


def _withdrawn(reply: Reply, change: Change) -> Outcome:
    if not reply.ok:
        return api.refuse(reply, change)
    row = api.row(reply)
    if row.get(fields.DO_NOT_EMAIL) is True:
        return prospects.written(change, str(row["id"]))
    return Outcome.rejected(
        change, code="CONSENT_KEPT", reason="the prospect may still be emailed there: see to it by hand"
    )

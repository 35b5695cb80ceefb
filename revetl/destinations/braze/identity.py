"""An external id changes: rename the user, and remove the old id, so that nothing is found under it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Exchange, Reply, Settled, UnreadableReply
from revetl.destinations.braze import api, endings
from revetl.types import JSON, Batch, Change, Outcome


def rename(batch: Batch) -> Exchange:
    """Read both ids, then rename; where the new one is taken, the old user goes or the change is refused."""
    for group in api.chunks(batch.changes):
        both = [identity for c in group for identity in (_before(c), c.match)]
        found = yield from api.find(both)
        if isinstance(found, Reply):
            code, reason = api.refusal(found)
            yield Settled(tuple(Outcome.waiting(c, code=code, reason=reason) for c in group))
            continue
        yield from _move(group, found)
    return []


def _before(change: Change) -> str:
    return change.before_match or change.match


def _move(group: Sequence[Change], found: api.Users) -> Generator[Any, Any, None]:
    """Do what each change takes: nothing, a deletion, a rename; and remove old ids that are good still."""
    here = [c for c in group if _before(c) in found]
    nobody = [c for c in group if _before(c) not in found]
    # Renamed by a call whose reply was lost, or a stranger's: nobody can tell, so it is not ours to delete.
    yield Settled(tuple(Outcome.delivered(c, created=False if c.match in found else None) for c in nobody))
    old = [c for c in here if found[_before(c)] is None]  # an id that was renamed, and is good still
    left = [c for c in old if c.match in found]
    yield Settled(tuple(_elsewhere(c) for c in old if c.match not in found))
    taken = [c for c in here if found[_before(c)] is not None and c.match in found]
    free = [c for c in here if found[_before(c)] is not None and c.match not in found]
    yield Settled(tuple(_taken(c) for c in taken if not c.created))
    yield from endings.delete([c for c in taken if c.created], "external_ids", _before, created=False)
    renamed = yield from _rename(free)
    yield from _remove([*left, *renamed])


def _taken(change: Change) -> Outcome:
    reason = "another user holds the new external id, and revetl did not create the old one: merge them in Braze"
    return Outcome.rejected(change, code="IDENTITY_TAKEN", reason=reason)


def _elsewhere(change: Change) -> Outcome:
    reason = "the external id is an old one of a user who was renamed in Braze to yet another: see who it is there"
    return Outcome.rejected(change, code="IDENTITY_MOVED", reason=reason)


def _rename(changes: Sequence[Change]) -> Generator[Any, Any, list[Change]]:
    """Return those who were renamed; settle the others."""
    if not changes:
        return []
    renames = [{"current_external_id": _before(c), "new_external_id": c.match} for c in changes]
    reply = yield api.post("/users/external_ids/rename", {"external_id_renames": renames}, "ids")
    if not reply.ok:
        yield Settled(tuple(_not_heard(c, reply) for c in changes))
        return []
    done, errors = _said(reply, "external_ids", "rename_errors")
    moved = [c for c in changes if c.match in done or _before(c) in done]
    rest = [c for c in changes if c.match not in done and _before(c) not in done]
    yield Settled(tuple(Outcome.rejected(c, code="RENAME", reason=errors or "Braze did not rename it") for c in rest))
    return moved


def _remove(changes: Sequence[Change]) -> Generator[Any, Any, None]:
    """Remove the old ids; without that, they would go on naming the user."""
    if not changes:
        return
    reply = yield api.post("/users/external_ids/remove", {"external_ids": [_before(c) for c in changes]}, "ids")
    if not reply.ok:
        yield Settled(tuple(_not_heard(c, reply) for c in changes))
        return
    done, errors = _said(reply, "removed_ids", "removal_errors")
    reason = errors or "Braze did not remove the old external id"
    yield Settled(tuple(
        Outcome.delivered(c) if _before(c) in done else Outcome.rejected(c, code="REMOVAL", reason=reason)
        for c in changes
    ))  # fmt: skip


def _not_heard(change: Change, reply: Reply) -> Outcome:
    code, reason = api.refusal(reply)
    if reply.status in (400, 409, 413, 422):
        return Outcome.rejected(change, code=code, reason=reason)
    return Outcome.waiting(change, code=code, reason=reason)


def _said(reply: Reply, done: str, errors: str) -> tuple[set[JSON], str]:
    shown = api.document(reply)
    names, said = shown.get(done), shown.get(errors) or []
    if not isinstance(names, list) or not isinstance(said, list):
        raise UnreadableReply(reply.status, f"the reply shows no {done}")
    return set(names), "; ".join(str(one) for one in said)[:200]

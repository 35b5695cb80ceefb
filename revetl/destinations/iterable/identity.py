"""A person's address changes: rename the user, so that nothing stays behind under the old one."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from revetl.contract import Exchange, Http, Reply, Settled
from revetl.destinations.iterable import api
from revetl.types import Batch, Change, Outcome, Proof


def rename(batch: Batch) -> Exchange:
    """Read both identities, then rename; where the new one is taken, the old user goes or the change is refused."""
    for group in api.chunks(batch.changes):
        both = [identity for c in group for identity in (_before(c), c.match)]
        found = yield from api.find(batch.match_field, both)
        if isinstance(found, Reply):
            code, reason = api.refusal(found)
            yield Settled(tuple(Outcome.waiting(c, code=code, reason=reason) for c in group))
            continue
        there = {identity for identity in both if api.normal(batch.match_field, identity) in found}
        yield from _move([(c, _step(batch, c, there)) for c in group])
    return []


Step = Http | Outcome


def _before(change: Change) -> str:
    return change.before_match or change.match


def _move(steps: list[tuple[Change, Step]]) -> Generator[Any, Any, None]:
    """Make the calls of a group side by side; acknowledge all of it before the next one."""
    calls = [(change, step) for change, step in steps if isinstance(step, Http)]
    done = [step for _, step in steps if isinstance(step, Outcome)]
    replies: tuple[Reply, ...] = (yield tuple(step for _, step in calls)) if calls else ()
    done += [_moved(c, call, reply) for (c, call), reply in zip(calls, replies, strict=True)]
    yield Settled(tuple(done))


def _step(batch: Batch, change: Change, there: set[str]) -> Step:
    """Return the call that a change takes, or its outcome where it takes none."""
    before, after = _before(change), change.match
    if before not in there:
        # Renamed by a call whose reply was lost, or a stranger's: nobody can tell, so it is not ours to delete.
        return Outcome.delivered(change, proof=Proof.ACCEPTED, created=False if after in there else None)
    if api.normal(batch.match_field, before) == api.normal(batch.match_field, after):
        return Outcome.delivered(change, proof=Proof.ACCEPTED)
    if after in there:
        if change.created:
            return api.user_call("DELETE", batch.match_field, before)
        reason = "another user holds the new identity, and revetl did not create the old one: merge them there"
        return Outcome.rejected(change, code="IDENTITY_TAKEN", reason=reason)
    if batch.match_field != "email":
        reason = "a userId cannot be changed in Iterable: merge the users there"
        return Outcome.rejected(change, code="IDENTITY_FIXED", reason=reason)
    return api.post("/api/users/updateEmail", {"currentEmail": before, "newEmail": after}, "single")


def _moved(change: Change, call: Http, reply: Reply) -> Outcome:
    code, reason = api.refusal(reply)
    if reply.ok:
        api.succeeded(reply)
    elif code not in api.GONE:
        if reply.status in (400, 409, 413, 422):
            taken = code in ("EmailAlreadyExists", "ExternalKeyConflict")
            return Outcome.rejected(change, code="IDENTITY_TAKEN" if taken else code, reason=reason)
        return Outcome.waiting(change, code=code, reason=reason)
    return Outcome.delivered(change, proof=Proof.ACCEPTED, created=False if call.method == "DELETE" else None)

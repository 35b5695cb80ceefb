"""A person's key changes: rename the user, so that nothing stays behind under the old one, and never merge two."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Exchange, Http, Reply
from revetl.destinations.sailthru import api, people
from revetl.types import Batch, Change, Outcome

Step = Http | Outcome
_CONFLICT = 409


def rename(batch: Batch) -> Exchange:
    """Read both identities, then rename; where the new one is taken, the old user goes or the change is refused."""
    for group in api.chunks(batch.changes):
        both = [identity for c in group for identity in (_before(c), c.match)]
        users = yield from people.find(batch.match_field, both)
        if isinstance(users, Reply):
            yield from api.settle(people.waits(c, users) for c in group)
            continue
        yield from _move([(c, _step(batch, c, users)) for c in group])
    return []


def _before(change: Change) -> str:
    return change.before_match or change.match


def _move(steps: Sequence[tuple[Change, Step]]) -> Generator[Any, Any, None]:
    """Make the calls of a group side by side; acknowledge all of it before the next one."""
    calls = [(change, step) for change, step in steps if isinstance(step, Http)]
    done = [step for _, step in steps if isinstance(step, Outcome)]
    replies: tuple[Reply, ...] = (yield tuple(step for _, step in calls)) if calls else ()
    done += [_moved(change, call, reply) for (change, call), reply in zip(calls, replies, strict=True)]
    yield from api.settle(done)


def _step(batch: Batch, change: Change, users: people.Users) -> Step:
    """Return the call that a change takes, or its outcome where it takes none."""
    before = users.get(api.normal(batch.match_field, _before(change)))
    after = users.get(api.normal(batch.match_field, change.match))
    if before is None:
        # Renamed by a call whose reply was lost, or a stranger's: nobody can tell, so it is not ours to delete.
        sid = after["sid"] if after is not None else None
        return Outcome.delivered(change, remote_id=sid, created=False if after is not None else None)
    if after is not None and after["sid"] == before["sid"]:
        return Outcome.delivered(change, remote_id=before["sid"])
    if after is None:
        keys = {batch.match_field: change.match}
        told = {"id": before["sid"], "key": "sid", "keys": keys, "keysconflict": "error", "fields": {"keys": 1}}
        return api.call("POST", "user", told)
    if change.created:
        return api.call("DELETE", "user", {"id": before["sid"], "key": "sid"})
    return _taken(change)


def _taken(change: Change) -> Outcome:
    reason = "another user holds the new identity, and revetl did not create the old one: merge them in Sailthru"
    return Outcome.rejected(change, code="IDENTITY_TAKEN", reason=reason)


def _moved(change: Change, call: Http, reply: Reply) -> Outcome:
    deleted = call.method == "DELETE"
    if api.failed(reply):
        if reply.status == _CONFLICT:
            return _taken(change)
        if not api.nobody(reply):
            return api.refused(change, reply)
    elif reply.document().get("ok") is not True:
        return Outcome.unknown(change, code="UNREADABLE", reason="the reply does not say ok")
    return Outcome.delivered(change, created=False if deleted else None)

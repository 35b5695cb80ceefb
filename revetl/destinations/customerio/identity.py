"""A person's id changes: rename the person by cio_id, so that nothing stays behind under the old one."""

from __future__ import annotations

from collections.abc import Sequence

from revetl.contract import BatchRejected, Exchange, Reply, Settled, UnreadableReply
from revetl.destinations.customerio import api, people
from revetl.types import JSON, Batch, Change, Outcome, Proof


def rename(batch: Batch) -> Exchange:
    """Read both ids, then rename; where the new one is taken, the old person goes or the change is refused."""
    if not batch.changes:
        return []
    found = yield from api.find(identity for c in batch.changes for identity in (_before(c), c.match))
    if isinstance(found, Reply):
        code, reason = api.refusal(found)
        return [Outcome.waiting(c, code=code, reason=reason) for c in batch.changes]
    here = [c for c in batch.changes if _before(c) in found]
    # Renamed by a call whose reply was lost, or a stranger's: nobody can tell, so it is not ours to delete.
    away = [c for c in batch.changes if _before(c) not in found]
    stuck = [c for c in here if c.match in found and not c.created]
    done = [Outcome.delivered(c, created=False if c.match in found else None) for c in away]
    yield Settled((*done, *(_taken(c) for c in stuck)))
    left = {c.seq for c in stuck}
    return (yield from _write(found, [c for c in here if c.seq not in left]))


def _before(change: Change) -> str:
    return change.before_match or change.match


def _taken(change: Change) -> Outcome:
    reason = "another person holds the new id, and revetl did not create the old one: merge them in Customer.io"
    return Outcome.rejected(change, code="IDENTITY_TAKEN", reason=reason)


def _write(found: api.People, changes: Sequence[Change]) -> Exchange:
    def told(change: Change) -> dict[str, JSON]:
        if change.match in found:
            return {"identifiers": {"id": _before(change)}, "action": "delete"}
        identifiers = {"cio_id": _cio_id(found[_before(change)])}
        return {"identifiers": identifiers, "action": "identify", "attributes": {"id": change.match}}

    result = yield from people.write(changes, told)
    if isinstance(result, BatchRejected):
        return result
    deleted = {c.seq for c in changes if c.match in found}
    return [
        Outcome.delivered(o.change, proof=Proof.ACCEPTED, created=False)
        if o.proof is Proof.ACCEPTED and o.change.seq in deleted
        else o
        for o in result
    ]


def _cio_id(person: api.Person) -> str:
    identifiers = person.get("identifiers")
    found = identifiers.get("cio_id") if isinstance(identifiers, dict) else None
    if not isinstance(found, str):
        raise UnreadableReply(200, "a person is shown without cio_id")
    return found

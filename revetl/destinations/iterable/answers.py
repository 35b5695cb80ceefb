"""What Iterable says of a bulk call: two counts, and the identities that failed, by kind of failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from revetl.contract import BatchRejected, Reply, UnreadableReply
from revetl.destinations.iterable import api
from revetl.types import JSON, Batch, Change, Outcome, Proof

_KINDS = {
    "conflict": "another user holds the address or the userId",
    "forgotten": "the person was erased for good (GDPR) and may not be written",
    "invalidData": "a value is not valid",
    "invalid": "the address or the userId is malformed",
    "notFound": "there is no such user",
}
_NAMES = {"email": "Emails", "userId": "UserIds"}

Named = Callable[[Change, str], Outcome]


def rejected(change: Change, kind: str) -> Outcome:
    """Return the refusal of a change that failed in this way."""
    return Outcome.rejected(change, code=kind, reason=_KINDS[kind])


def judge(
    reply: Reply, batch: Batch, changes: Sequence[Change], named: Named = rejected
) -> BatchRejected | list[Outcome]:
    """Return an outcome each: who is named failed, the rest is proven by counts that leave nobody out."""
    if not reply.ok:
        return api.refuse_all(reply, changes)
    document = reply.document()
    success, fail = (_count(reply, document, name) for name in ("successCount", "failCount"))
    failures = _failures(reply, document)
    kinds = {c.seq: _kind(batch, c, failures) for c in changes}
    proven = success + fail == len(changes) and fail == sum(kind is not None for kind in kinds.values())
    dropped = {name.partition(".")[0] for name in _texts(reply, document, "filteredOutFields")}
    return [_outcome(c, kinds[c.seq], dropped, named, proven=proven) for c in changes]


def _kind(batch: Batch, change: Change, failures: dict[str, str]) -> str | None:
    """Return how a change failed: the reply names its identity, or the other one where that was the fault."""
    named = {batch.match_field: change.match, **{n: v for n in _NAMES if (v := change.fields.get(n)) is not None}}
    kinds = (failures.get(api.normal(field, value)) for field, value in named.items())
    return next((kind for kind in kinds if kind is not None), None)


def _outcome(change: Change, kind: str | None, dropped: set[str], named: Named, *, proven: bool) -> Outcome:
    if kind is not None:
        return named(change, kind)
    lost = sorted(name for name, value in change.fields.items() if name in dropped and value is not None)
    if lost:
        reason = f"the project has no field {', '.join(lost)} and dropped the value: make it, or set create_fields"
        return Outcome.rejected(change, code="filteredOutFields", reason=reason)
    if not proven:
        return Outcome.unknown(change, code="COUNTS", reason="the counts in the reply leave some users out")
    return Outcome.delivered(change, proof=Proof.ACCOUNT)


def _count(reply: Reply, document: dict[str, JSON], name: str) -> int:
    found = document.get(name)
    if not isinstance(found, int) or isinstance(found, bool):
        raise UnreadableReply(reply.status, f"{name} is not a count")
    return found


def _texts(reply: Reply, document: dict[str, JSON], name: str) -> list[str]:
    found = document.get(name) or []
    if not isinstance(found, list):
        raise UnreadableReply(reply.status, f"{name} is not a list")
    return [str(item) for item in found]


def _failures(reply: Reply, document: dict[str, JSON]) -> dict[str, str]:
    """Return normal identity → kind. Older projects know only ``invalidEmails`` and ``invalidUserIds`` at the top."""
    nested = document.get("failedUpdates") or {}
    if not isinstance(nested, dict):
        raise UnreadableReply(reply.status, "failedUpdates is not an object")
    found: dict[str, str] = {}
    for place in (nested, document):
        for kind in _KINDS:
            for field, suffix in _NAMES.items():
                for identity in _texts(reply, place, f"{kind}{suffix}"):
                    found.setdefault(api.normal(field, identity), kind)
    return found

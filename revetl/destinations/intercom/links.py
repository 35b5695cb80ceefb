"""The link from a contact to its company: attached after the contact was written, the former one detached."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import LinkStyle, Reply
from revetl.destinations.intercom import api
from revetl.types import Change, Link, Outcome, Status

COMPANY = "company"
_NO_COMPANY = "company_not_found"  # Intercom's code
NOBODY = "CONTACT_GONE"  # the code of a link that failed since its contact is not there (any more)
LINKS = {COMPANY: LinkStyle(COMPANY, "the company that the contact is attached to")}


def follow(outcomes: Sequence[Outcome | None]) -> Generator[Any, Any, list[Outcome]]:
    """Return the outcomes once the contacts that were written have their links, too.

    Where a link fails, its change is refused, and sent again as any refused change.
    """
    known = [outcome for outcome in outcomes if outcome is not None]
    linked = [(one, one.change.links[COMPANY]) for one in known if _has_link(one)]
    attached = yield from _attach([pair for pair in linked if pair[1].id])
    failed = {one.change.seq: attached[one.change.seq] for one, _ in linked if one.change.seq in attached}
    ended = [(one, link) for one, link in linked if _ends(link) and one.change.seq not in failed]
    failed |= yield from _detach(ended)
    told = [failed.get(one.change.seq, one) for one in known]
    return [one for one in told if one is not None]


def alone(change: Change) -> bool:
    """Return whether a change of a known contact is about its company alone."""
    link = change.links.get(COMPANY)
    return link is not None and not change.fields and (link.id is not None or _ends(link))


def _has_link(outcome: Outcome) -> bool:
    return outcome.status is Status.DELIVERED and COMPANY in outcome.change.links


def _ends(link: Link) -> bool:
    return link.before is not None and link.before != link.id


Failed = dict[int, Outcome | None]


def _attach(pairs: Sequence[tuple[Outcome, Link]]) -> Generator[Any, Any, Failed]:
    """Return by number what failed; None where the answer proves nothing."""
    if not pairs:
        return {}
    replies: tuple[Reply, ...] = yield tuple(
        api.contact_call("POST", str(one.remote_id), "/companies", {"id": link.id}) for one, link in pairs
    )
    failed: Failed = {}
    for (one, link), reply in zip(pairs, replies, strict=True):
        if not reply.ok:
            failed[one.change.seq] = _unlinked(one, reply)
        elif api.shown_id(reply) != link.id:
            failed[one.change.seq] = None
    return failed


def _detach(pairs: Sequence[tuple[Outcome, Link]]) -> Generator[Any, Any, Failed]:
    if not pairs:
        return {}
    replies: tuple[Reply, ...] = yield tuple(
        api.contact_call("DELETE", str(one.remote_id), "/companies", below=str(link.before)) for one, link in pairs
    )
    failed: Failed = {}
    for (one, link), reply in zip(pairs, replies, strict=True):
        if reply.ok:
            failed |= {} if api.shown_id(reply) == link.before else {one.change.seq: None}
        elif api.refusal(reply)[0] != _NO_COMPANY:  # not attached, or gone itself: it has ended
            failed[one.change.seq] = _unlinked(one, reply)
    return failed


def _unlinked(written: Outcome, reply: Reply) -> Outcome:
    code, reason = api.refusal(reply)
    if reply.status == 404 and code != _NO_COMPANY:
        return Outcome.rejected(written.change, code=NOBODY, reason=reason)
    what = f"the contact is written, its company is not: {reason}"
    return Outcome.rejected(written.change, code=code, reason=what, remote_id=written.remote_id)

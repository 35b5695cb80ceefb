"""A person's no: the status *unsubscribed*, given to who is there. Nobody is ever given another one.

Source: https://mailchimp.com/developer/marketing/api/list-members/update-list-member/
"""

from __future__ import annotations

from revetl.contract import Exchange, Reply, Settled
from revetl.destinations.mailchimp import api, cohorts
from revetl.types import Batch, Change, Outcome

WAY = "unsubscribe"
_IS_OUT = ("unsubscribed", "cleaned")


def join(batch: Batch) -> Exchange:
    """Join a cohort, or withdraw, by the style of what is joined."""
    if batch.cohort is not None and batch.cohort.style == WAY:
        return (yield from _withdraw(batch))
    return (yield from cohorts.join(batch))


def _withdraw(batch: Batch) -> Exchange:
    """Unsubscribe one by one: a batch call without ``update_existing`` changes nobody, and with it makes members."""
    for group in api.chunks(batch.changes):
        replies: tuple[Reply, ...] = yield tuple(
            api.member_call(batch.settings, "PATCH", c.match, {"status": "unsubscribed"}) for c in group
        )
        yield Settled(tuple(_judge(c, reply) for c, reply in zip(group, replies, strict=True)))
    return []


def _judge(change: Change, reply: Reply) -> Outcome:
    """Judge by the member that the reply shows. Who is not in the audience gets no mail, and need not be told so."""
    if reply.status == 404:
        return Outcome.delivered(change)
    if reply.ok:
        status = reply.document().get("status")
        if status in _IS_OUT:
            return Outcome.delivered(change)
        return Outcome.rejected(change, code="STILL_IN", reason=f"the member is {status} after it was unsubscribed")
    code, reason = api.refusal(reply)
    if "compliance state" in reason.lower() or "compliance state" in code.lower():
        return Outcome.delivered(change)  # unsubscribed or cleaned by themselves, which only they can change
    if reply.status in (400, 405, 409, 422):
        return Outcome.rejected(change, code=code, reason=reason)
    return Outcome.waiting(change, code=code, reason=reason)

"""What a destination is: data, and generators that yield calls and receive replies.

A destination never touches the network, the clock or the disk. Its actions are generators, as httpx's auth flows are;
the one sender (:mod:`revetl.send`) owns limits, retries, halving, tokens, deadlines and accounting for all of them.

What an exchange may yield, and what it gets back:

======================  =============================================================================================
``Call``                its final, fully read :class:`Reply` (any status the sender does not handle itself)
tuple of ``Call``       a tuple of replies in the same order; the calls go out side by side
:class:`Pause`          ``None``, after that many seconds
:class:`JobStarted`     ``None``, once the job's id is durable; yield it right after the job's creation
:class:`Settled`        ``None``; these outcomes are acknowledged at once and must not be returned again
======================  =============================================================================================

It returns one :class:`~revetl.types.Outcome` for every change of its batch that it did not settle, or
:class:`BatchRejected`, upon which the sender halves the batch and runs the action again on each half.
"""

from __future__ import annotations

from revetl.contract.calls import (
    BatchRejected,
    Call,
    Exchange,
    Http,
    JobStarted,
    Pause,
    PutFile,
    Reply,
    Sent,
    Settled,
    Sql,
    UnreadableReply,
    Yield,
)
from revetl.contract.destination import Account, Destination, check_actions
from revetl.contract.faults import Diagnosis, Fault
from revetl.contract.parts import (
    Action,
    Auth,
    CohortStyle,
    Context,
    Erase,
    Limit,
    LinkStyle,
    Object,
    ReadBack,
    Token,
    WireFormat,
)

__all__ = [
    "Account",
    "Action",
    "Auth",
    "BatchRejected",
    "Call",
    "CohortStyle",
    "Context",
    "Destination",
    "Diagnosis",
    "Erase",
    "Exchange",
    "Fault",
    "Http",
    "JobStarted",
    "Limit",
    "LinkStyle",
    "Object",
    "Pause",
    "PutFile",
    "ReadBack",
    "Reply",
    "Sent",
    "Settled",
    "Sql",
    "Token",
    "UnreadableReply",
    "WireFormat",
    "Yield",
    "check_actions",
]

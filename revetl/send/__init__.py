"""The only sender: batches, limits, repeats, halving, jobs, accounting.

One coordinator thread (:class:`Sender`) owns a pure scheduler and steps the destinations' generators; a :class:`Wire`
performs the calls: :class:`revetl.send.threads.ThreadWire` in production, a virtual one under a fake clock.
"""

from revetl.send.ports import Feed, Journal, Lane, LaneReport, Tally, Trouble, Usage, Work
from revetl.send.retry import Policy
from revetl.send.sender import Sender
from revetl.send.wire import Completion, Failure, Wire

__all__ = [
    "Completion",
    "Failure",
    "Feed",
    "Journal",
    "Lane",
    "LaneReport",
    "Policy",
    "Sender",
    "Tally",
    "Trouble",
    "Usage",
    "Wire",
    "Work",
]

"""How many calls changes take, and how long those take by a destination's limits: arithmetic, nobody is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from revetl.contract import Destination, Limit
from revetl.types import EMPTY, Count, Op

ANSWER = 0.5  # seconds that an answer is taken to need: what a service's own limits leave open


def calls(destination: Destination, counts: Sequence[Count]) -> int:
    """Return how many calls the changes take at least, by the actions' batch sizes."""
    total = 0
    groups: dict[tuple[Op, str | None], int] = {}
    for count in counts:
        groups[count.op, count.cohort] = groups.get((count.op, count.cohort), 0) + count.rows
    for (op, _), rows in groups.items():
        action = destination.actions.get(op)
        if action is not None:
            action = action.for_many(rows)
            whole, rest = divmod(rows, action.max_records)
            total += whole * action.calls(action.max_records) + (action.calls(rest) if rest else 0)
    return total


def waiting(limits: Iterable[Limit], number: int, used: Mapping[str, int] = EMPTY) -> float:
    """Return the seconds that pass before the last of ``number`` calls may leave, by the slowest of the limits.

    What a limit has left goes at once, the rest one allowance a window. ``used``: name of a quota → units that count.
    """
    spans = [0.0]
    for limit in limits:
        if limit.kind != "concurrency" and limit.allowance:
            beyond = number * limit.default_cost - max(limit.allowance - used.get(limit.name, 0), 0)
            spans.append(-(-max(beyond, 0) // limit.allowance) * limit.seconds)
    return max(spans)


def lasting(limits: Iterable[Limit], number: int, in_flight: int, used: Mapping[str, int] = EMPTY) -> float:
    """Return about how many seconds ``number`` calls take: by the limits, or by answers where they take longer."""
    known = tuple(limits)
    at_once = min([in_flight, *(limit.allowance for limit in known if limit.kind == "concurrency")])
    return max(waiting(known, number, used), ANSWER * -(-number // max(at_once, 1)))

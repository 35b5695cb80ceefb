"""How long a plan takes by its destination's limits."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from revetl.contract import Limit
from revetl.engine.counting import ANSWER, lasting, waiting

BURST = Limit("burst", 100, seconds=10)
DAY = Limit("day", 1_000, seconds=86_400, kind="quota")
TOGETHER = Limit("together", 5, kind="concurrency")


@pytest.mark.parametrize(
    ("limits", "calls", "used", "seconds"),
    [
        ((), 1_000_000, {}, 0),
        ((BURST,), 100, {}, 0),  # all of the first allowance goes at once
        ((BURST,), 101, {}, 10),
        ((BURST,), 1_000, {}, 90),
        ((DAY,), 1_000, {}, 0),
        ((DAY,), 1_000, {"day": 1}, 86_400),  # what earlier runs used today is not there any more
        ((DAY,), 3_000, {"day": 5_000}, 3 * 86_400),
        ((BURST, DAY), 1_000, {}, 90),  # the slowest of them
        ((Limit("points", 100, seconds=10, default_cost=50),), 5, {}, 20),
        ((TOGETHER,), 1_000, {}, 0),
    ],
)
def test_the_slowest_limit_says_when_the_last_call_leaves(
    limits: tuple[Limit, ...], calls: int, used: Mapping[str, int], seconds: float
) -> None:
    """What is left of an allowance goes at once, the rest one allowance a window."""
    assert waiting(limits, calls, used) == seconds


@pytest.mark.parametrize(
    ("limits", "calls", "seconds"),
    [((), 64, ANSWER), ((), 65, 2 * ANSWER), ((TOGETHER,), 50, 10 * ANSWER), ((BURST, TOGETHER), 200, 40 * ANSWER)],
)
def test_answers_take_time_too(limits: tuple[Limit, ...], calls: int, seconds: float) -> None:
    """Where the limits leave room, calls take as long as their answers, as many at once as the service allows."""
    assert lasting(limits, calls, 64) == seconds

"""Batches on their way in, and the budget of halving those that are refused."""

from __future__ import annotations

import math
from dataclasses import dataclass

from revetl.contract import Action
from revetl.send.order import Tokens
from revetl.types import Batch

BAD_ROWS = 3
"""Rows that a batch's halving budget is sure to find: each takes two calls a level."""
LANE_EXTRA, LANE_SHARE = 256, 0.25
"""Calls that halving may add on a lane: a number, and a share of all its calls."""


@dataclass(slots=True)
class Budget:
    """The calls that halving one batch may still add."""

    left: int

    @classmethod
    def of(cls, records: int) -> Budget:
        """Return the budget of a batch of ``records``."""
        return cls(2 * BAD_ROWS * math.ceil(math.log2(max(2, records))) + 2)


@dataclass(frozen=True, slots=True)
class Part:
    """A batch ready to start; it holds its tokens. ``lost``: an attempt of the whole that it is half of may land."""

    batch: Batch
    tokens: Tokens
    budget: Budget
    job: str | None = None
    lost: bool = False
    action: Action | None = None

    @property
    def doubtful(self) -> bool:
        """Return whether something of it may have been applied before it starts."""
        return self.lost or self.job is not None

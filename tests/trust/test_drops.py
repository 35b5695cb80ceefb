"""Models that lose rows at random: whatever is beyond the limit sends no leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from revetl.types import Limits, OnLeave
from tests.trust.rows import ROUNDS
from tests.unit.engine.harness import OFF, Rig, plan

PEOPLE, DROPS, LIMIT = 20, 20, 4


@pytest.mark.parametrize("number", ROUNDS)
def test_no_random_drop_beyond_the_limit_sends_a_leave(
    number: int, record_property: Callable[[str, object], None]
) -> None:
    """Any number of rows, any of them, with or without changes beside it: not one leave is sent, none is forgotten."""
    rig = Rig(plan(guards=replace(OFF, max_leave=Limits(rows=LIMIT)), on_leave=OnLeave.DELETE))
    crowd = [(f"k{n:02}", f"{n}@example.org", "x") for n in range(PEOPLE)]
    rig.people(*crowd)
    rig.run()
    for seed in range(number * DROPS, (number + 1) * DROPS):
        dice = Random(seed)
        lost = dice.randint(LIMIT + 1, PEOPLE - 1)
        rig.people(*[(key, mail, f"{seed}") for key, mail, _ in dice.sample(crowd, PEOPLE - lost)])
        done = rig.run()
        assert not [one for one in rig.vendor.seen if one[0] == "leave"], seed
        assert [(held.guard, held.found) for held in done.held] == [("max_leave", lost)], seed
        assert len(rig.vendor.people) == len(rig.snapshot()) == PEOPLE, seed
    record_property("drops", DROPS)

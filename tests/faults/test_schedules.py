"""Random schedules of faults over the real state and the real engine, and the planted bugs that they must catch.

``pytest tests/faults --seed N --world NAME`` replays one. ``REVETL_SCHEDULES`` says how many histories are played; a
crowd has 150 of them, and of each four crowds one is before a destination that takes whole records only. Beside them,
some are played alone, and some with a state that is shared, where every run is another machine.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.door import Broken
from tests.faults.mutants import MUTANTS, Plant
from tests.faults.worlds import CROWD, WORLDS, replay
from tests.trust.rows import numbered

HISTORIES = numbered("REVETL_SCHEDULES", 1500)
CROWDS = range(-(-HISTORIES.start // CROWD), max(-(-HISTORIES.stop // CROWD), 2))
ALONE = range(HISTORIES.start // 1000, max(HISTORIES.stop // 1000, 10))
CHUNK = 10
PATIENCE = 12  # schedules of twenty histories each, within which a planted bug must show


def _parts() -> list[tuple[str, int]]:
    """Return world and seed of all that is played, in parts of a bearable length."""
    crowds = [("crowd-whole" if seed % 4 == 3 else "crowd", seed) for seed in CROWDS]
    alone = [(name, seed) for name in ("alone", "shared", "whole") for seed in ALONE[::CHUNK]]
    return [*crowds, *alone, ("together", 0)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "seed"), _parts())
def test_every_schedule_converges(name: str, seed: int, record_property: Callable[[str, object], None]) -> None:
    """After faults stop, the destination equals the model, nothing is sent twice, and the ledger has all that left."""
    for number in [seed] if "crowd" in name else range(seed, seed + CHUNK):
        replay(number, name)
    record_property("schedules", CROWD if "crowd" in name else CHUNK)


@pytest.mark.timeout(900)
def test_the_seed_that_is_asked_for(request: pytest.FixtureRequest) -> None:
    """One schedule is played again: ``--seed N``, and ``--world NAME`` where it is not a crowd's."""
    seed, name = request.config.getoption("--seed"), request.config.getoption("--world")
    assert name in WORLDS or name.startswith("forget"), f"--world is one of {', '.join((*WORLDS, 'forget'))}"
    replay(7 if seed is None else seed, name if seed is not None else "alone")


@pytest.mark.parametrize("name", ["alone", "few-whole"])
def test_a_seed_plays_the_same_way_twice(name: str) -> None:
    """The same seed gives the same log."""
    assert replay(7, name) == replay(7, name)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("plant", MUTANTS, ids=lambda plant: plant.__name__)
def test_planted_bugs_are_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each planted bug breaks a promise within the first schedules."""
    plant(monkeypatch)
    for seed in (MUTANTS[plant].seed, *range(PATIENCE)):
        try:
            replay(seed, MUTANTS[plant].world)
        except Broken:
            return
    pytest.fail(f"{plant.__name__} went unnoticed in {PATIENCE} schedules")

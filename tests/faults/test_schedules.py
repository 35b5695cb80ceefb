"""Random schedules of faults over the real state and the real engine, and the planted bugs that they must catch.

``pytest tests/faults --seed N`` replays one schedule. ``REVETL_SCHEDULES`` says how many are played (CI: 240).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.mutants import MUTANTS, Plant
from tests.faults.schedule import Broken, play
from tests.faults.shared_world import SharedWorld
from tests.faults.together_world import TogetherWorld
from tests.faults.world import World

SCHEDULES = int(os.environ.get("REVETL_SCHEDULES", "100"))
CHUNK = 20
PATIENCE = 120  # seeds within which a planted bug must show


@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(0, SCHEDULES, CHUNK))
def test_every_schedule_converges(
    first: int, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    """After faults stop, the destination equals the model, nothing is sent twice, and the ledger has all that left."""
    seed = request.config.getoption("--seed")
    for number in [seed] if seed is not None else range(first, first + CHUNK):
        play(number)
    record_property("schedules", 1 if seed is not None else CHUNK)
    if seed is not None and first:
        pytest.skip("one seed was asked for")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(0, max(SCHEDULES // 5, CHUNK), CHUNK))
def test_every_schedule_of_a_shared_state_converges(
    first: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The same where every run is another machine and a crash loses it: the owner alone knows what was sent."""
    for number in range(first, first + CHUNK):
        play(number, lambda seed: SharedWorld(seed, tmp_path / str(seed)))
    record_property("schedules", CHUNK)


@pytest.mark.timeout(900)
def test_every_schedule_compared_with_its_owner_converges(tmp_path: Path) -> None:
    """The same where the owner has the models, too, and finds who differs: of all others nothing is here."""
    for number in range(0, min(SCHEDULES // 8, CHUNK), 2):  # where values lie there as what they are, not as text
        play(number, lambda seed: TogetherWorld(seed, tmp_path / str(seed)))


def whole(seed: int) -> World:
    """Return a world before a destination that takes whole records only, in which most changes are other e-mails."""
    return World(seed, whole=True)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("first", range(0, max(SCHEDULES // 4, CHUNK), CHUNK))
def test_every_schedule_converges_where_records_go_whole(
    first: int, record_property: Callable[[str, object], None]
) -> None:
    """The same before a destination that takes no part of a record, and says by id who was renamed."""
    for number in range(first, first + CHUNK):
        play(number, whole)
    record_property("schedules", CHUNK)


def test_a_seed_plays_the_same_way_twice() -> None:
    """The same seed gives the same log."""
    assert play(7) == play(7)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("plant", MUTANTS, ids=lambda plant: plant.__name__)
def test_planted_bugs_are_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each planted bug breaks a promise within the first schedules."""
    plant(monkeypatch)
    for seed in (MUTANTS[plant], *range(PATIENCE)):
        try:
            play(seed)
        except Broken:
            return
    pytest.fail(f"{plant.__name__} went unnoticed in {PATIENCE} schedules")

"""Random histories in which somebody is forgotten, over the commands themselves, and the bugs that they must catch.

``REVETL_FORGETS`` says how many histories are played: so many people, each on an island of their own, are forgotten at
some moment. ``pytest tests/faults --seed N --world forget`` replays a schedule.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from revetl.engine import forgetting, survey
from revetl.state.purging import purge
from tests.faults.door import Broken
from tests.faults.forget_schedule import forgets
from tests.faults.mutants import Plant
from tests.faults.worlds import FORGETTERS
from tests.trust.rows import numbered

HISTORIES = numbered("REVETL_FORGETS", 3)
EACH = min(len(HISTORIES), FORGETTERS)
PATIENCE = 4  # schedules, within which a planted bug must show


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(HISTORIES.start // EACH, -(-HISTORIES.stop // EACH)))
def test_who_is_forgotten_stays_away(seed: int, record_property: Callable[[str, object], None]) -> None:
    """Nothing of them is sent any more, every destination is on the receipt, and nothing of them is left here."""
    forgets(seed, EACH)
    record_property("forgets", EACH)


def nobody_looks(patch: pytest.MonkeyPatch) -> None:
    """Runs do not look at the tombstones."""
    patch.setattr(survey, "leave_out", lambda *_: 0)


def purges_the_ledger_alone(patch: pytest.MonkeyPatch) -> None:
    """The state keeps whoever is forgotten."""
    plain = purge
    patch.setattr(forgetting, "purge", lambda store, _keys, names, why: plain(store, {}, names, why))


PLANTS = (nobody_looks, purges_the_ledger_alone)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_planted_bugs_of_forgetting_are_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each planted bug breaks a promise within the first schedules."""
    plant(monkeypatch)
    for seed in range(PATIENCE):
        try:
            forgets(seed, 3)
        except Broken:
            return
    pytest.fail(f"{plant.__name__} went unnoticed in {PATIENCE} schedules")

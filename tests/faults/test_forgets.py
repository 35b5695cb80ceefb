"""Random histories in which somebody is forgotten, over the commands themselves, and the bugs that they must catch.

``REVETL_FORGETS`` says how many histories are played: so many people, each on an island of their own, are forgotten at
some moment. ``pytest tests/faults --seed N --world forget`` replays a schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from revetl.engine import forgetting, recovering, survey
from tests.faults.door import Broken
from tests.faults.forget_schedule import forgets
from tests.faults.mutants import Plant
from tests.faults.worlds import FORGETTERS
from tests.trust.rows import numbered

HISTORIES = numbered("REVETL_FORGETS", 6)
EACH = min(len(HISTORIES), FORGETTERS)
PATIENCE = 6  # schedules, within which a planted bug must show


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(HISTORIES.start // EACH, -(-HISTORIES.stop // EACH)))
def test_who_is_forgotten_stays_away(seed: int, record_property: Callable[[str, object], None]) -> None:
    """Nothing of them is sent any more, every destination is on the receipt, and nothing of them is left here."""
    forgets(seed, EACH)
    record_property("forgets", EACH)


def nobody_looks(patch: pytest.MonkeyPatch) -> None:
    """Runs do not look at the tombstones."""
    patch.setattr(survey, "leave_out", lambda *_: 0)


def nothing_is_on_the_way(patch: pytest.MonkeyPatch) -> None:
    """What may still arrive at a destination is not waited for."""
    patch.setattr(forgetting, "_on_the_way", lambda *_: False)


def purges_the_ledger_alone(patch: pytest.MonkeyPatch) -> None:
    """The state keeps whoever is forgotten."""
    plain = forgetting.purge
    patch.setattr(forgetting, "purge", lambda store, _keys, names, why: plain(store, {}, names, why))


def restores_the_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A state that was put back keeps whoever was forgotten since."""
    patch.setattr(recovering, "_forget_again", lambda _: None)


def drops_what_is_unconfigured(patch: pytest.MonkeyPatch) -> None:
    """A destination that is configured no more is on no receipt."""
    patch.setattr(forgetting, "_same", lambda *_: False)


PLANTS: Mapping[Plant, int] = {  # with a seed that is tried first
    nobody_looks: 0,
    nothing_is_on_the_way: 0,
    purges_the_ledger_alone: 0,
    restores_the_forgotten: 0,
    drops_what_is_unconfigured: 0,
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_planted_bugs_of_forgetting_are_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each planted bug breaks a promise within the first schedules."""
    plant(monkeypatch)
    for seed in (PLANTS[plant], *range(PATIENCE)):
        try:
            forgets(seed, 3)
        except Broken:
            return
    pytest.fail(f"{plant.__name__} went unnoticed in {PATIENCE} schedules")

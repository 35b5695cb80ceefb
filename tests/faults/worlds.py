"""The worlds in which schedules are played, by name: ``pytest tests/faults --seed N --world NAME`` replays one.

A *crowd* is many histories side by side in one run: each has its own people, changes and dice, and all share the
runs, their crashes and the wire. What a run costs is nearly the same for one history as for hundreds, so this is how
ten thousand are played with the real state and the real engine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.faults.forget_schedule import forgets
from tests.faults.schedule import play
from tests.faults.shared_world import SharedWorld
from tests.faults.together_world import TogetherWorld
from tests.faults.world import World

CROWD = 150  # histories
FORGETTERS = 40  # histories of a schedule in which people are forgotten


def _shared(seed: int, kind: type[SharedWorld] = SharedWorld) -> World:
    return kind(seed, Path(tempfile.mkdtemp(prefix="revetl-")) / "shared")


WORLDS: Mapping[str, Callable[[int], World]] = {
    "alone": World,
    "crowd": lambda seed: World(seed, islands=CROWD),
    "crowd-whole": lambda seed: World(seed, islands=CROWD, whole=True),
    "few": lambda seed: World(seed, islands=20),
    "few-whole": lambda seed: World(seed, islands=20, whole=True),
    "shared": _shared,
    # only where values lie with the owner as what they are, not as text: an even seed
    "together": lambda seed: _shared(2 * seed, TogetherWorld),
    "whole": lambda seed: World(seed, whole=True),
}


def replay(seed: int, name: str) -> list[str]:
    """Play one schedule in the world of that name, and return its log."""
    if name.startswith("forget"):
        return forgets(seed, int(name.removeprefix("forget") or FORGETTERS))
    return play(seed, WORLDS[name], f" --world {name}")

"""The diff in the warehouse: it finds who differs, little leaves it, and a run does what a whole read would do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings

from tests.unit.engine.harness import Ran, Rig
from tests.unit.engine.histories import History, histories, rich, same
from tests.unit.engine.together import Together


@pytest.fixture
def together(tmp_path: Path) -> Callable[..., Together]:
    """Return a maker of rigs."""
    return lambda made=None: Together(made, tmp_path)


def read(done: Ran) -> str:
    """Return how much a run read, as its note says it."""
    return next(note for note in done.found.previews()[0].notes if "read" in note)


def person(key: str, a: str | None = "x") -> tuple[str, str, str | None]:
    """Return a row of the plain model."""
    return key, f"{key}@example.org", a


# --- little leaves ----------------------------------------------------------------------------------------------------


def test_only_who_differs_is_read(together: Callable[..., Together]) -> None:
    """Of a hundred people, those leave the warehouse that are new, changed or gone, and nobody where nothing is."""
    rig = together()
    everybody = [person(f"k{n}") for n in range(100)]
    rig.people(*everybody)
    assert read(rig.run()) == "all rows were read: nothing is settled yet"
    assert read(rig.run()) == "0 keys were read"
    rig.people(person("new"), person("k1", "y"), *everybody[2:99])
    done = rig.run()
    assert read(done) == "4 keys were read"
    assert done.sent == ["k1 upsert", "new upsert"]
    assert done.status == {"k1 upsert": "delivered", "new upsert": "delivered", "k0 leave": "kept", "k99 leave": "kept"}
    assert done.found.previews()[0].rows == 99
    assert rig.run().changes == []


# --- as a whole read --------------------------------------------------------------------------------------------------

EXAMPLES = int(os.environ.get("REVETL_EXAMPLES", "6"))


@settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.generate])
@given(histories)
def test_each_run_does_what_a_whole_one_does(history: History) -> None:
    """Over any history, with odd values, refusals and lost answers: the same changes, held rows, calls, and state."""
    with TemporaryDirectory() as place:
        much = Rig(rich())
        much.con.execute("PRAGMA disable_optimizer")  # tiny tables: planning well costs more than it brings
        same(Together(rich(), Path(place)), much, history)

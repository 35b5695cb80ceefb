"""State files with flipped bits, torn ends and lost logs: refused, at once or when read, or unharmed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import duckdb
import pytest

from revetl.errors import RevetlError, StateError
from revetl.state.trouble import worded
from revetl.types import OnLeave
from tests.trust.rows import ROUNDS
from tests.unit.engine.harness import Crash, Rig, cohort, plan

DAMAGES = 15  # of each kind in a round
Damage = Callable[[Path, Random], None]


def flipped(path: Path, dice: Random) -> None:
    """Turn one bit over."""
    content = bytearray(path.read_bytes())
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    path.write_bytes(content)


def cut(path: Path, dice: Random) -> None:
    """Tear the end off."""
    path.write_bytes(path.read_bytes()[: dice.randrange(path.stat().st_size)])


def built(directory: Path) -> Rig:
    """Return a target with two people and a cohort, before its first run."""
    rig = Rig(plan(on_leave=OnLeave.DELETE, cohorts=(cohort("gold"),)), directory)
    rig.people(*[(k, f"{k}@example.org", "x") for k in "abcdef"])
    rig.keys("gold", "a", "b")
    return rig


def believed(directory: Path) -> list[str] | None:
    """Return all that a state says, table by table; None where DuckDB finds a block that is not as it was written."""
    with duckdb.connect(str(directory / "state.duckdb")) as con:
        names = [name for (name,) in con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]
        try:
            with worded():
                return [f"{name} {con.execute(f'FROM {name} ORDER BY ALL').fetchall()}" for name in names]
        except StateError:
            return None


def opens(directory: Path) -> bool:
    """Return whether a run would take this state."""
    rig = Rig(directory=directory)
    try:
        with worded():
            rig.store().check_head()
    except RevetlError as refused:
        assert refused.exit_code == 2
        return False
    finally:
        rig.con.close()
    return True


@pytest.mark.parametrize("number", ROUNDS)
@pytest.mark.parametrize("damage", [flipped, cut], ids=["flipped", "cut"])
def test_no_damage_is_taken_for_a_good_state(
    damage: Damage, number: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A closed state whose file was damaged anywhere is refused, unless all that is read of it is as it was written."""
    whole = tmp_path / "whole"
    built(whole).run()
    good = believed(whole)
    assert good is not None
    refused = 0
    for seed in range(number * DAMAGES, (number + 1) * DAMAGES):
        copy = tmp_path / str(seed)
        shutil.copytree(whole, copy)
        damage(copy / "state.duckdb", Random(seed))
        found = believed(copy) if opens(copy) else None
        assert found in (None, good), seed
        refused += found is None
        shutil.rmtree(copy)
    assert refused > DAMAGES // 4  # the others met what nobody reads
    record_property("damages", DAMAGES)


@pytest.mark.parametrize("number", ROUNDS)
@pytest.mark.parametrize("damage", [flipped, cut, None], ids=["flipped", "cut", "lost"])
def test_a_damaged_log_loses_nobody(
    damage: Damage | None, number: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A killed run's write-ahead log, damaged anywhere: the state is refused, or the next runs make all agree."""
    rig = built(tmp_path / "whole")
    with pytest.raises(Crash):
        rig.run(crash_at=5 + number % 4)  # intents of records are durable, some were acknowledged
    left = tmp_path / "left"
    shutil.copytree(tmp_path / "whole", left)
    assert (left / "state.duckdb.wal").stat().st_size > 0
    tries = 1 if damage is None else DAMAGES // 3
    for seed in range(number * tries, (number + 1) * tries):
        copy = tmp_path / str(seed)
        shutil.copytree(left, copy)
        log = copy / "state.duckdb.wal"
        log.unlink() if damage is None else damage(log, Random(seed))
        if opens(copy):
            later = built(copy)
            later.vendor.people = {mail: dict(one) for mail, one in rig.vendor.people.items()}
            for _ in range(3):
                later.run()
                later.later(hours=1)
            assert set(later.vendor.people) == {f"{k}@example.org" for k in "abcdef"}
            assert later.run().changes == []
        shutil.rmtree(copy)
    record_property("damages", tries)


def test_a_disk_that_forgets_its_last_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Power fails, and of what was said to be written all is gone since some moment, the head too: all agree again."""
    rig, dice = built(tmp_path / "state"), Random(ROUNDS.stop)
    copies: list[Path] = []

    def remember(point: str) -> None:
        copies.append(tmp_path / f"{len(copies)} {point}")
        shutil.copytree(tmp_path / "state", copies[-1])

    monkeypatch.setattr(rig, "_crasher", lambda _at: remember)
    rig.run()
    assert len(copies) > 10
    for copy in dice.sample(copies, min(4 * len(ROUNDS), len(copies))):
        later = built(copy)
        later.vendor.people = {mail: dict(one) for mail, one in rig.vendor.people.items()}
        for _ in range(3):
            later.run()
            later.later(hours=1)
        assert set(later.vendor.people) == {f"{k}@example.org" for k in "abcdef"}, copy
        assert later.run().changes == [], copy
        later.con.close()

"""A whole directory of state that is put back from a backup: the witness elsewhere knows better."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from revetl.errors import StateError
from tests.e2e.house import House


def test_a_state_directory_that_is_put_back_whole(house: House, tmp_path: Path) -> None:
    """Refused, nothing is sent; ``recover`` makes it the one that counts, and all agree again."""
    config = house.root / "revetl.yml"
    config.write_text(config.read_text(encoding="utf-8") + f"\nstate: {{witness: '{tmp_path / 'elsewhere'}'}}\n")
    state = house.root / ".revetl"
    shutil.copytree(state, tmp_path / "backup")
    key, _ = house.reader()
    house.sql(f"update customers set lifetime_value_band = 'vip' where customer_id = {key}")
    assert house.sync().exit_code == 0
    shutil.rmtree(state)
    shutil.copytree(tmp_path / "backup", state)
    with pytest.raises(StateError) as refused:
        house.sync()
    assert refused.value.code == "RVT-506"
    assert house.received() == []
    assert house.program("recover", "--target", "dev").returncode == 0
    assert house.sync().exit_code == 0
    house.agrees()

"""examples/files: three formats, and the query that reads the current state back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from tests.e2e import warm
from tests.e2e.house import TACIT, House, environment
from tests.e2e.walk import walk
from tests.examples.conftest import told
from tests.shared import ROOT


def current(house: House) -> list[tuple[object, ...]]:
    """Return what current.sql makes of the Parquet files."""
    query = (
        (ROOT / "examples/files/current.sql").read_text(encoding="utf-8").replace("exports/", f"{house.root}/exports/")
    )
    with duckdb.connect() as con:
        return con.execute(query).fetchall()


def written(house: House) -> list[Path]:
    """Return the files that there are, in order."""
    return sorted(path for path in (house.root / "exports").rglob("*") if path.is_file())


@pytest.fixture
def house(shop: Path, tmp_path: Path) -> House:
    """Return the shop in this example, moved there as the page of examples says, with dbt's own build."""
    checkout, files = tmp_path / "checkout", Path("examples/files")
    shutil.copytree(shop, checkout / "dbt_project")
    shutil.copytree(ROOT / files, checkout / files)
    env = environment(PATH=warm.path(), **TACIT)
    assert "changes delivered" in walk(ROOT / "examples/README.md", checkout, env)
    return House((tmp_path / "shop").rename(tmp_path / "files"), {}, "")


def test_files(house: House) -> None:
    """Each folder has every customer once; a changed one alone makes new files; replayed, they are the model."""
    files = written(house)
    assert [path.suffix for path in files] == [".parquet", ".jsonl", ".csv"]
    told(house)
    assert written(house) == files
    lines = [json.loads(line) for line in files[1].read_text(encoding="utf-8").splitlines()]
    assert dict(house.rows("select customer_id, lifetime_value_band from customers")) == {
        row["customer_id"]: row["band"] for row in lines
    }
    assert not any("lifetime_value" in row for row in lines)
    house.sql("update customers set lifetime_value_band = 'low', lifetime_value = 1.25 where customer_id = 1")
    assert house.program("sync").returncode == 0
    assert len(written(house)) == 6
    wanted = house.rows("select customer_id, lifetime_value_band, lifetime_value from customers order by 1")
    assert [(a, b, float(c)) for a, b, c in current(house)] == [(a, b, float(c)) for a, b, c in wanted]  # type: ignore[arg-type]

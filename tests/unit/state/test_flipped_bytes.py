"""A state file in which one bit of a block is another: a run that meets it ends with exit code 2, and loses nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import duckdb
import pytest

from revetl import run
from revetl.engine.recovering import recover
from revetl.engine.workspace import load
from revetl.errors import RevetlError, StateError
from tests.bench.shop import Shop
from tests.bench.watch import InstantWire

HEADER, BLOCK = 3 * 4096, 1 << 18  # https://duckdb.org/docs/stable/internals/storage


def build(shop: Shop, city: str) -> None:
    """Let dbt have built 300 people."""
    shop.warehouse.unlink(missing_ok=True)
    with duckdb.connect(str(shop.warehouse)) as con:
        con.execute(
            f"CREATE TABLE people AS SELECT i AS id, 'p' || i || '@example.org' AS email, '{city}' AS city "
            "FROM range(300) t(i)"
        )


def sync(shop: Shop) -> tuple[int, int]:
    """Run once; return the exit code, and how many calls left."""
    wire = InstantWire()
    result = run.sync(shop.options(), wire=wire)
    assert [one.error for one in result.syncs if one.error] == []
    return result.exit_code, wire.calls


def flip(file: Path, position: int, bit: int) -> None:
    """Turn one bit of a file."""
    with file.open("rb+") as content:
        content.seek(position)
        (byte,) = content.read(1)
        content.seek(position)
        content.write(bytes([byte ^ 1 << bit]))


def used(content: bytes, start: int, dice: Random) -> int:
    """Return a position of a block at which something stands, the block's start where nothing does."""
    after = dice.randrange(start + 8, min(start + BLOCK, len(content)))
    return next((n for span in (range(after, start + BLOCK), range(start, after)) for n in span if content[n]), start)


@pytest.mark.timeout(300)
def test_each_block(tmp_path: Path) -> None:
    """Whichever block it is: refused with what to do, or not met; with the bit as it was, the next run does it all."""
    shop = Shop(tmp_path, names={"email": "email", "city": "city"}).write()
    for city in ("x", "y"):
        build(shop, city)
        assert sync(shop)[0] == 0
    shutil.copytree(tmp_path / ".revetl", tmp_path / "kept")
    build(shop, "z")
    content, dice = shop.state.read_bytes(), Random(8)
    codes: list[str] = []
    for start in range(HEADER, len(content), BLOCK):
        shutil.rmtree(tmp_path / ".revetl")
        shutil.copytree(tmp_path / "kept", tmp_path / ".revetl")
        position, bit = used(content, start, dice), dice.randrange(8)
        flip(shop.state, position, bit)
        try:
            assert sync(shop)[0] == 0
        except RevetlError as error:
            assert isinstance(error, StateError), error
            assert error.exit_code == 2
            assert "revetl adopt" in error.hint
            codes.append(error.code)
            flip(shop.state, position, bit)
            assert sync(shop)[0] == 0
            assert sync(shop) == (0, 0)
    assert set(codes) == {"RVT-504", "RVT-510"}


def test_recover_of_what_cannot_be_read(tmp_path: Path) -> None:
    """`recover` cannot trust a file that is damaged: it says so, and leaves it as it is."""
    shop = Shop(tmp_path, names={"email": "email", "city": "city"}).write()
    build(shop, "x")
    assert sync(shop)[0] == 0
    content = shop.state.read_bytes()
    for start in range(HEADER, len(content), BLOCK):
        shop.state.write_bytes(content)
        flip(shop.state, used(content, start, Random(start)), 3)
        try:
            recover(load(shop.options()))
        except StateError as error:
            assert error.code in {"RVT-504", "RVT-510"}
            assert "adopt SYNC" in error.hint
            return
    pytest.fail("no damage was met")

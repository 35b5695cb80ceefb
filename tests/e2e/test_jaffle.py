"""A project that is not ours: nothing but meta and revetl.yml added; check, plan, sync twice, one row changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from tests.e2e import jaffle
from tests.e2e.house import House, built, lived_in, of, sent_rows


@pytest.fixture
def shop(once: Callable[..., Path], tmp_path: Path) -> Iterator[House]:
    """Return the jaffle shop, built after meta and revetl.yml were added."""

    def fill(place: Path) -> None:
        jaffle.write(place)
        jaffle.add_revetl(place)
        built(place, "build")

    with lived_in(once("jaffle", fill), tmp_path / "shop") as house:
        yield house


def lake(house: House) -> list[dict[str, object]]:
    """Return every row of the lake's files, in the order in which they were written."""
    files = sorted((house.root / "lake").rglob("*.jsonl"))
    return [orjson.loads(line) for path in files for line in path.read_bytes().splitlines()]


def test_jaffle_shop(shop: House) -> None:
    """Check is quiet, plan is right, the second sync sends nothing, one changed row sends one row."""
    checked = shop.program("check", "--strict")
    assert checked.returncode == 0, checked.stdout

    planned = {preview.sync: preview for preview in shop.plan().previews}
    assert (planned["crm.customer"].changes, planned["lake.order"].changes) == (100, 99)

    first = shop.sync()
    assert first.exit_code == 0
    records = shop.boxes["hubspot"].store["objects"]["contacts"]["records"].values()
    found = {int(r["properties"]["jaffle_customer"]): r["properties"] for r in records}
    names = {key: value["firstname"] for key, value in found.items()}
    assert names == {n: f"Given{n}" for n in range(1, 101)}
    assert not any("customer_lifetime_value" in properties for properties in found.values())
    assert len(lake(shop)) == 99

    second = shop.sync()
    assert (second.exit_code, shop.received(), len(lake(shop))) == (0, [], 99)

    seeds = shop.root / "seeds" / "raw_customers.csv"
    seeds.write_text(seeds.read_text().replace("7,Given7,", "7,Changed,"))
    built(shop.root, "build")
    third = shop.sync()
    assert (third.exit_code, of(third, "crm.customer").delivered, of(third, "lake.order").delivered) == (0, 1, 0)
    (call,) = shop.writes()
    (row,) = sent_rows([call])
    assert row["properties"]["firstname"] == "Changed"
    assert len(lake(shop)) == 99


def test_a_column_that_only_the_yaml_knows(shop: House) -> None:
    """The tutorial's YAML names total_order_amount, which no model has: mapping it is refused by name at plan time."""
    shop.edit(
        "models/schema.yml", "      - name: total_order_amount\n",
        "      - name: total_order_amount\n        config: {meta: {revetl: {to: {crm: total_order_amount}}}}\n",
    )  # fmt: skip
    built(shop.root, "parse")
    result = shop.sync()
    assert "total_order_amount" in (of(result, "crm.customer").error or "")
    assert "RVT-420" in (of(result, "crm.customer").error or "")
    assert shop.writes() == []
    assert of(result, "lake.order").delivered == 99

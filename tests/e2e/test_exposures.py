"""``revetl exposures`` in a real project: dbt parses what it writes, and dbt's own docs show it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.e2e.house import House, built

FILE = "models/revetl_exposures.yml"
SYNCS = {"exports.company", "hubspot.company", "hubspot.customer", "mailchimp.customer"}


def exposed(root: Path) -> dict[str, dict[str, object]]:
    """Return the exposures of dbt's manifest by their sync."""
    manifest = orjson.loads((root / "target" / "manifest.json").read_bytes())
    found = manifest["exposures"].values()
    return {one["config"]["meta"]["revetl"]["sync"]: one for one in found}


@pytest.mark.dbt
def test_dbt_shows_the_syncs(fresh: House) -> None:
    """dbt's docs have one exposure a sync with all its models; people's edits and moves are kept; --check agrees."""
    assert fresh.program("exposures", "--check").returncode == 1
    assert not (fresh.root / FILE).exists()
    assert fresh.program("exposures").returncode == 0
    built(fresh.root, "docs", "generate")
    found = exposed(fresh.root)
    assert found.keys() == SYNCS
    mail = found["mailchimp.customer"]
    assert {"model.shop.customers", "model.shop.high_value_customers", "model.shop.employees"} <= set(
        mail["depends_on"]["nodes"]  # type: ignore[index]
    )
    assert (fresh.root / "target" / "catalog.json").exists()
    assert fresh.program("exposures", "--check").returncode == 0

    text = (fresh.root / FILE).read_text()
    moved = text.replace('owner: {name: "shop"}', "owner: {name: sales, email: sales@example.org} # ask them")
    (fresh.root / FILE).unlink()
    (fresh.root / "models" / "marts" / "uses.yml").write_text(moved)
    both = "label: High Value, to: [mailchimp, hubspot]"
    fresh.edit("models/marts/cohorts.yml", both, "label: High Value, to: [hubspot]")
    built(fresh.root, "parse")
    assert fresh.program("exposures", "--check").returncode == 1
    done = fresh.program("exposures", "--output", "json")
    assert orjson.loads(done.stdout)["files"] == [
        {"file": "models/marts/uses.yml", "added": [], "changed": ["revetl_mailchimp_customer"], "removed": []}
    ]
    built(fresh.root, "parse")
    found = exposed(fresh.root)
    assert found["mailchimp.customer"]["owner"] == {"name": "sales", "email": "sales@example.org"}
    nodes = found["mailchimp.customer"]["depends_on"]["nodes"]  # type: ignore[index]
    assert "model.shop.high_value_customers" not in nodes
    assert not (fresh.root / FILE).exists()
    assert fresh.program("exposures", "--check").returncode == 0

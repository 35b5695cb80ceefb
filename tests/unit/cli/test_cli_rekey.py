"""``revetl rekey``: it shows what would be carried over, asks, and sends nothing."""

from __future__ import annotations

import json

import duckdb

from tests.unit.cli.shop import Revetl, Shop
from tests.unit.state.written import MAIL, Sent, Written


def test_rekey_shows_asks_and_carries_over(shop: Shop, revetl: Revetl) -> None:
    """Nothing is changed before somebody agrees; afterwards the record is known by its new key, and by the old one."""
    state = Written(shop.root / ".revetl" / "dev").make(MAIL)
    state.run("r1", Sent('["c1"]', body={"email_address": "a@example.org"}, band="low"))
    with duckdb.connect(str(shop.root / "shop.duckdb")) as con:
        con.execute("CREATE TABLE customers AS SELECT 1 AS customer_id, 'c1' AS old_id, 'a@example.org' AS email")
    words = ("rekey", "customer", "--from", "old_id")
    shown = revetl(*words, "--dry-run")
    assert (shown.exit_code, "1 key change, 0 stay" in " ".join(shown.output.split())) == (0, True), shown.output
    asked = revetl(*words)
    assert (asked.exit_code, "RVT-804" in asked.stderr) == (2, True), asked.output
    done = revetl(*words, "--yes", "--output", "json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["done"], found["syncs"][0]["moved"], found["syncs"][0]["now"]) == (True, 1, ["INTEGER"])
    for key in ("1", "c1"):
        told = json.loads(revetl("why", key, "--to", MAIL, "--output", "json").stdout)
        assert [one["key"] for one in told["syncs"]] == ["[1]"], key
    assert revetl("rekey", "custmer", "--yes").exit_code == 2

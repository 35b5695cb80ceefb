"""A pull request's worth of changes to the shop, by real dbt: what check says of it, and what a policy refuses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.house import dbt, environment, revetl

CUSTOMERS = "models/marts/customers.yml"
PHONE = "to: {hubspot: {field: phone, on_null: keep}}"
FIRST_ORDER = """      - name: first_order_at
        description: When the customer first ordered (UTC); null before the first order.
        config: {meta: {revetl: {to: {hubspot: first_order_at}}}}
"""


def edit(root: Path, path: str, old: str, new: str) -> None:
    """Replace one piece of a file, which must be there once."""
    file = root / path
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, (path, old)
    file.write_text(text.replace(old, new), encoding="utf-8")


def check(root: Path, base: Path, code: int) -> dict[str, Any]:
    """Return what check says against the base, which needs no warehouse: its database is taken away."""
    words = ("check", "--state", str(base), "--output", "json", "--project-dir", str(root))
    done = revetl(root, *words, env=environment())
    assert done.returncode == code, (done.stdout, done.stderr)
    found: dict[str, Any] = orjson.loads(done.stdout)
    return found


@pytest.fixture
def base(synced: Path, tmp_path: Path) -> Path:
    """Return what the base branch leaves behind: its flows and its last results, nothing else."""
    place = tmp_path / "base"
    place.mkdir()
    for name in ("revetl_flows.json", "revetl_results.json"):
        shutil.copy(synced / "target" / name, place / name)
    return place


@pytest.fixture
def branch(shop: Path, tmp_path: Path) -> Path:
    """Return the shop with a personal column newly mapped, a cohort's SQL changed, and a column dropped."""
    root = tmp_path / "branch"
    shutil.copytree(shop, root)
    edit(root, CUSTOMERS, PHONE, PHONE.replace("to: {", "to: {mailchimp: PHONE, "))
    edit(root, "models/marts/high_value_customers.sql", "= 'high'", "in ('mid', 'high')")
    edit(root, CUSTOMERS, FIRST_ORDER, "")
    edit(root, "models/marts/customers.sql", "    purchases.first_order_at,\n", "")
    for file in root.glob("*.duckdb*"):
        file.unlink()
    (root / "target" / "catalog.json").unlink(missing_ok=True)
    done = dbt(root, "parse", "--no-partial-parse")
    assert done.returncode == 0, done.stdout
    return root


def said(found: dict[str, Any], sync: str) -> set[tuple[str, str]]:
    """Return kind and name of each change of a sync."""
    return {(change["kind"], change["name"]) for change in found["changes"] if change["sync"] == sync}


def test_what_a_pull_request_changes(base: Path, branch: Path) -> None:
    """The new personal field is refused and shown; the cohort, the dropped column and the rows sent again are named."""
    found = check(branch, base, 2)
    assert [(one["code"], one["sync"], one["column"]) for one in found["problems"]] == [
        ("RVT-307", "mailchimp.customer", "phone")
    ]
    redefined = {("cohort_redefined", "high_value_customers"), ("model_redefined", "customers")}
    assert said(found, "mailchimp.customer") >= redefined | {("field_added", "PHONE")}
    assert said(found, "hubspot.customer") >= redefined | {("field_removed", "first_order_at")}
    by_name = {(change["sync"], change["name"]): change for change in found["changes"]}
    added = by_name["mailchimp.customer", "PHONE"]
    assert (added["model"], added["column"], added["pii"], added["leaves"]) == ("customers", "phone", "phone", True)
    assert added["file"] == CUSTOMERS
    cohort = by_name["hubspot.customer", "high_value_customers"]
    assert cohort["because"] == ["customers", "high_value_customers"]
    assert "is gone from customers" in by_name["hubspot.customer", "first_order_at"]["because"][0]
    assert said(found, "exports.company") == {("model_redefined", "companies")}  # it counts customers
    assert by_name["exports.company", "companies"]["because"] == ["customers"]
    (estimate,) = found["estimates"]
    last = {one["sync"]: one for one in orjson.loads((base / "revetl_results.json").read_bytes())["syncs"]}
    assert (estimate["sync"], estimate["people"]) == ("mailchimp.customer", last["mailchimp.customer"]["rows"])
    assert estimate["calls"] >= 1


def test_once_allowed_only_a_policy_refuses_it(base: Path, branch: Path) -> None:
    """With `allow_pii` the check passes, and fails again by `deny`."""
    edit(branch, "revetl.yml", "allow_pii: [email, name]\n", "allow_pii: [email, name, phone]\n")
    assert check(branch, base, 0)["problems"] == []
    with (branch / "revetl.yml").open("a", encoding="utf-8") as file:
        file.write('\npolicies:\n  deny: ["pii:phone → mailchimp"]\n')
    (problem,) = check(branch, base, 2)["problems"]
    assert (problem["code"], problem["model"], problem["column"]) == ("RVT-350", "customers", "phone")
    assert problem["file"] == CUSTOMERS


def test_the_same_commit_changes_nothing(base: Path, shop: Path, tmp_path: Path) -> None:
    """What a real run wrote, read back by a check of the same project, is no change at all."""
    root = tmp_path / "same"
    shutil.copytree(shop, root)
    assert check(root, base, 0)["changes"] == []

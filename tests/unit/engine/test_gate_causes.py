"""A sync that is held because dbt skipped its model is told what failed before it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from revetl.engine.gate import gate
from revetl.types import BuildResult, Check, Node, Project
from tests.unit.engine.shopping import BUILT, plan
from tests.unit.state.written import MAIL

STAGED, CUSTOMERS, TEST = "model.shop.stg_customers", "model.shop.customers", "test.shop.unique_id"
CHECKS = {TEST: Check(TEST, "unique_id", STAGED, "id", (STAGED,))}


def node(uid: str, *parents: str) -> Node:
    """Return a model and what it is made of."""
    return Node(uid, uid.rpartition(".")[2], "model", "shop", "", None, None, "table", parents=parents)


NODES = {STAGED: node(STAGED), CUSTOMERS: node(CUSTOMERS, STAGED)}
SHOP = Project("shop", "1.12", "duckdb", BUILT, "i", NODES, {}, CHECKS)


@pytest.mark.parametrize(
    ("others", "because"),
    [
        ({STAGED: "success", TEST: "fail"}, ", because test unique_id failed"),
        ({STAGED: "error", TEST: "skipped"}, ", because stg_customers failed"),
        ({}, ""),
    ],
)
def test_what_failed_before_a_skipped_model_is_named(others: dict[str, str], because: str) -> None:
    """A test of a parent, or the parent itself; where the results do not say, nothing is made up."""
    said = {CUSTOMERS: "skipped", **others}
    results = {uid: BuildResult(uid, status, BUILT, "build") for uid, status in said.items()}
    stopped, _ = gate(replace(plan(MAIL), cohorts=()), SHOP, results, BUILT)
    assert stopped is not None
    assert (stopped.guard, stopped.reason) == ("tests", f"customers: skipped in dbt build{because}")

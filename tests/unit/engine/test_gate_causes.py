"""A sync that is held because dbt skipped its model is told what failed before it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from revetl.engine.gate import gate, guarding, upstream
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


def test_all_that_a_model_is_made_of_counts_once() -> None:
    """Parents of parents, whichever ways lead to them; tests of others, and of what they read beside, do not."""
    other = "model.shop.other"
    nodes = {**NODES, CUSTOMERS: node(CUSTOMERS, STAGED, other), other: node(other, STAGED)}
    checks = {**CHECKS, "t2": Check("t2", "single", None, None, (STAGED, "model.shop.far")),
              "t3": Check("t3", "far", "model.shop.far", None, (STAGED,))}  # fmt: skip
    project = replace(SHOP, nodes=nodes, checks=checks)
    models = upstream(project, replace(plan(MAIL), cohorts=()))
    assert models == {STAGED, CUSTOMERS, other}
    assert [check.unique_id for check in guarding(project, models)] == [TEST, "t2"]


@pytest.mark.parametrize(("required", "held"), [("off", False), ("ran", True)])
def test_who_asks_for_no_tests_is_not_held_by_them(required: str, held: bool) -> None:
    """A model that failed, and a test, hold nothing where tests are off; a partial build holds all the same."""
    off = replace(plan(MAIL), cohorts=(), require_tests=required)
    results = {uid: BuildResult(uid, "error", BUILT, "build") for uid in (STAGED, TEST)}
    stopped, notes = gate(off, SHOP, results, BUILT)
    assert (stopped is not None, notes) == (held, ())
    part = {CUSTOMERS: BuildResult(CUSTOMERS, "success", BUILT, "build", partial="--sample")}
    stopped, _ = gate(off, SHOP, part, BUILT)
    assert stopped is not None
    assert (stopped.guard, stopped.stops) == ("partial_build", True)
    assert stopped.reason == "customers was built with --sample"


@pytest.mark.parametrize(("hours", "held"), [(1.0, False), (1.5, True)])
def test_an_old_manifest_is_one_that_is_an_hour_older(hours: float, held: bool) -> None:
    """Tasks of one schedule each make their own: only what is more than an hour older than the last is left over."""
    off = replace(plan(MAIL), cohorts=(), require_tests="off")
    stopped, _ = gate(off, SHOP, {}, BUILT, BUILT + timedelta(hours=hours))
    assert (stopped is not None and stopped.guard == "older_manifest") is held


def test_tests_that_did_not_run_are_told_or_hold() -> None:
    """One note of how many; where all are required, the sync is held."""
    project = replace(SHOP, checks={**CHECKS, "t2": Check("t2", "two", STAGED, None, (STAGED,))})
    bare = replace(plan(MAIL), cohorts=(), require_tests="ran")
    stopped, notes = gate(bare, project, {TEST: BuildResult(TEST, "skipped", BUILT, "build")}, BUILT)
    assert (stopped, notes) == (None, ("2 tests of its models did not run in the last builds",))
    stopped, notes = gate(replace(bare, require_tests="all"), project, {}, BUILT)
    assert stopped is not None
    assert (stopped.reason, notes) == ("2 tests did not run, such as unique_id", ())
    stopped, _ = gate(bare, project, {"t2": BuildResult("t2", "fail", BUILT, "test", failures=3)}, BUILT)
    assert stopped is not None
    assert stopped.reason == "test two: fail (3 rows)"


def test_an_age_is_told_and_its_limit_is_kept() -> None:
    """As old as may be goes; a moment older is held, with both ages and what lets it through."""
    guarded = replace(plan(MAIL), cohorts=(), require_tests="off")
    guarded = replace(guarded, guards=replace(guarded.guards, max_age="36h"))
    assert gate(guarded, SHOP, {}, BUILT + timedelta(hours=36)) == (None, ())
    stopped, notes = gate(guarded, SHOP, {}, BUILT + timedelta(hours=36, minutes=30))
    assert stopped is not None
    assert (stopped.guard, stopped.stops, notes) == ("max_age", True, ())
    assert stopped.reason == "the manifest is 36.5 h old, more than 36h"
    release = f'dbt build, or: revetl approve {MAIL} --guard max_age --for 24h --reason "…"'
    assert (stopped.sync, stopped.release) == (MAIL, release)
    stopped, notes = gate(guarded, SHOP, {}, BUILT, BUILT + timedelta(hours=3))
    assert stopped is not None
    assert (stopped.guard, notes) == ("older_manifest", ())
    made, last = f"{BUILT:%Y-%m-%d %H:%M}", f"{BUILT + timedelta(hours=3):%Y-%m-%d %H:%M}"
    assert stopped.reason == f"the manifest was made at {made}, that of the last run at {last}: it is an old one"


def test_every_model_and_every_test_is_looked_at() -> None:
    """One of which nothing is known hides no other: neither a model after it, nor a test."""
    bare = replace(plan(MAIL), cohorts=(), require_tests="failed")
    stopped, _ = gate(bare, SHOP, {STAGED: BuildResult(STAGED, "error", BUILT, "run")}, BUILT)
    assert stopped is not None
    assert (stopped.guard, stopped.reason) == ("tests", "stg_customers: error in dbt run")
    names = ("one", "two", "three", "four")
    project = replace(SHOP, checks={name: Check(name, name, STAGED, None, (STAGED,)) for name in names})
    status = {"one": "pass", "two": "skipped", "four": "fail"}
    results = {name: BuildResult(name, said, BUILT, "test") for name, said in status.items()}
    stopped, notes = gate(bare, project, results, BUILT)
    assert stopped is not None
    assert (stopped.guard, stopped.reason, notes) == ("tests", "test four: fail", ())
    stopped, notes = gate(bare, project, {**results, "four": results["one"]}, BUILT)
    assert (stopped, notes) == (None, ("2 tests of its models did not run in the last builds",))
    strict = replace(bare, require_tests="all")
    stopped, _ = gate(strict, project, {**results, "four": results["one"]}, BUILT)
    assert stopped is not None
    assert (stopped.guard, stopped.reason) == ("tests", "2 tests did not run, such as two")
    every = {name: BuildResult(name, "pass", BUILT, "test") for name in names}
    assert gate(strict, project, every, BUILT) == (None, ())

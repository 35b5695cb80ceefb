"""Policies of revetl.yml: who breaks one does not run, and is told where and what to write instead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from planfactory import EMAIL, ID, REGISTRY, column, config, customers, model, only, project, properties, syncs_yml, vip

from revetl.mapping import Resolved, build
from revetl.types import Check, Node, Problem

ADS = "groups: {ads: [crm]}\n"
TEL = column("tel", {"to": {"crm": "PHONE"}}, tags=("sensitive",))
DONE = {
    "customers": [("not_null", "customer_id"), ("unique", "customer_id")],
    "vip": [("not_null", "customer_id"), ("unique", "customer_id")],
}


def governed(policies: str, *nodes: Node, checks: Any = (), more: str = ADS) -> Resolved:
    """Return the syncs of these models under these policies."""
    whole = replace(
        project(*nodes),
        checks={
            f"test.{n}": Check(f"test.{n}", kind, f"model.shop.{name}", column, (), kind=kind)
            for n, (name, kind, column) in enumerate(checks)
        },
    )
    yml = syncs_yml("", more=f"{more}policies: {policies}\n")
    return build(whole, config(yml), "prod", REGISTRY)


def violation(policies: str, *nodes: Node, code: str, **more: Any) -> Problem:
    """Return the only error; the sync that it names does not run, but what it would do is known."""
    found = governed(policies, *nodes, **more)
    problem = only(found, code)
    assert [sync.name for sync in found.syncs] == []
    assert [sync.name for sync in found.refused] == ["crm.customer"]
    assert problem.remedy
    return problem


@pytest.mark.parametrize("rule", ["pii → ads", "pii -> ads", "pii → crm", "pii:email → crm.customer", "pii:email->ads"])
def test_denied_kinds_go_nowhere_near(rule: str) -> None:
    """A rule names personal data of any or of one kind, and a group, destination or sync."""
    problem = violation(f'{{deny: ["{rule}"]}}', customers(), code="RVT-350")
    assert (problem.sync, problem.model, problem.column) == ("crm.customer", "customers", "email")
    assert problem.file == "models/customers.yml"
    assert "goes to crm.customer" in problem.message


@pytest.mark.parametrize("rule", ["pii:phone → ads", "tag:secret → crm", "group:hr → crm"])
def test_other_kinds_are_let_through(rule: str) -> None:
    """What no rule means leaves as before."""
    found = governed(f'{{deny: ["{rule}"]}}', customers(TEL), vip())
    assert (found.errors, len(found.syncs)) == ((), 1)


def test_tags_of_columns_and_of_models_are_meant() -> None:
    """`tag:` means dbt's tags of the column, and those of its model for all that leaves of it, cohorts too."""
    problem = violation('{deny: ["tag:sensitive → crm"]}', customers(TEL), code="RVT-350")
    assert problem.column == "tel"
    tagged = replace(vip(), tags=("finance",))
    problem = violation('{deny: ["tag:finance → crm"]}', customers(), tagged, code="RVT-350")
    assert (problem.model, problem.column) == ("vip", None)
    assert "cohort 'vip'" in problem.message


def test_a_group_of_models_goes_only_where_it_may() -> None:
    """`only` names where alone a kind of data may go; nothing at all with an empty list."""
    grouped = replace(vip(), group="hr")
    assert governed('{only: {"group:hr": [ads]}}', customers(), grouped).errors == ()
    problem = violation('{only: {"group:hr": []}}', customers(), grouped, code="RVT-351")
    assert "may go nowhere" in problem.message
    hook = "  hook: {targets: {prod: sandbox}}\n"
    problem = violation('{only: {"pii:email": hook}}', customers(), code="RVT-351", more=hook)
    assert "pii:email may go only to hook" in problem.message


@pytest.mark.parametrize("to", ["nobody", "crm.nobody"])
@pytest.mark.parametrize("policy", ['{{deny: ["pii → {to}"]}}', "{{only: {{pii: [{to}]}}}}"])
def test_a_rule_that_means_nobody_is_an_error(policy: str, to: str) -> None:
    """A slip of the pen must not let leave what was to be denied: no sync runs."""
    found = governed(policy.format(to=to), customers())
    assert "RVT-358" in [problem.code for problem in found.errors]
    assert found.syncs == ()


def test_what_leaves_must_be_described() -> None:
    """Mapped columns and cohorts need a description; what does not leave needs none."""
    email = EMAIL._replace(description="the address")
    people = model("customers", properties(), ID, email)
    assert governed("{require_description: true}", people, replace(vip(), description="they buy")).errors == ()
    assert violation("{require_description: true}", people, vip(), code="RVT-352").model == "vip"
    assert violation("{require_description: true}", customers(), code="RVT-352").column == "email"


CASES = {
    "owner": ("{require_owner: true}", "RVT-353", {"group": "crm"}),
    "contract": ("{require_contract: true}", "RVT-355", {"contract": True}),
    "access": ("{access: public}", "RVT-356", {"access": "public"}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_a_model_must_be(case: tuple[str, str, dict[str, Any]]) -> None:
    """Owner, contract and access are asked of every model that a sync reads, and of no other."""
    policy, code, more = case
    other = model("other", None)
    assert governed(policy, replace(customers(), **more), replace(vip(), **more), other).errors == ()
    assert violation(policy, replace(customers(), **more), vip(), code=code).model == "vip"


def test_an_owner_may_stand_in_meta() -> None:
    """`meta: {owner: …}` names one, too."""
    people = customers()
    owned = replace(people, meta={**people.meta, "owner": "crm team"})
    assert governed("{require_owner: true}", owned).errors == ()


def test_keys_are_tested() -> None:
    """A key needs both tests, on that very column, whatever else is tested."""
    good = [("customers", "not_null", "customer_id"), ("customers", "unique", "customer_id")]
    assert governed("{require_tests_on_key: true}", customers(), checks=good).errors == ()
    for bad in (good[:1], good[1:], [*good[:1], ("customers", "unique", "email")], []):
        problem = violation("{require_tests_on_key: true}", customers(), code="RVT-354", checks=bad)
        assert "(customer_id)" in problem.message


def test_a_key_of_two_columns_is_tested_as_one() -> None:
    """not_null of each, and a test that the combination is unique."""
    people = model("customers", properties(key=["customer_id", "shop"]), ID, column("shop"), EMAIL)
    nulls = [("customers", "not_null", "customer_id"), ("customers", "not_null", "shop")]
    whole = ("customers", "unique_combination_of_columns", None)
    assert governed("{require_tests_on_key: true}", people, checks=[*nulls, whole]).errors == ()
    alone = [*nulls, ("customers", "unique", "shop")]
    assert violation("{require_tests_on_key: true}", people, code="RVT-354", checks=alone)


def test_a_sync_that_is_wrong_is_not_called_refused() -> None:
    """What cannot run for another reason has no plan to show."""
    broken = customers(column("x", {"to": {"crm": "email_address"}}))
    found = governed("{require_owner: true}", broken)
    assert found.refused == ()
    assert found.broken == {"crm.customer"}

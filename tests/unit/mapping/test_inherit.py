"""A tag of personal data follows its column down dbt's lineage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from planfactory import EMAIL, ID, column, model, only, properties, resolve

from revetl.mapping import Resolved
from revetl.types import Column, Node, Severity

TEL = column("tel", {"to": {"crm": "PHONE"}})
TAGGED = column("tel", {"pii": "phone"})


def chain(own: Column, *above: Any, yml: str = "email") -> Resolved:
    """Return the syncs of customers over models with these columns, the nearest first."""
    names = ["customers", *(f"m{n}" for n in range(len(above)))]
    nodes: list[Node] = [model("customers", properties(), ID, EMAIL, own)]
    nodes += [model(name, None, *columns) for name, columns in zip(names[1:], above, strict=True)]
    linked = [
        replace(node, parents=(f"model.shop.{names[n + 1]}",) if n + 1 < len(names) else ())
        for n, node in enumerate(nodes)
    ]
    return resolve(*linked, yml=_yml(yml))


def _yml(allowed: str) -> str:
    from planfactory import syncs_yml

    return syncs_yml("").replace("[email]", f"[{allowed}]")


@pytest.mark.parametrize(
    "above", [[[TAGGED]], [[], [TAGGED]], [[column("TEL")], [TAGGED]], [[column("other")], [], [TAGGED]]]
)
def test_a_tag_that_was_lost_is_found_again(above: list[list[Column]]) -> None:
    """Directly above or further up, described on the way or not: the sync must allow it."""
    problem = only(chain(TEL, *above), "RVT-307")
    assert (problem.column, "phone" in problem.message) == ("tel", True)
    found = chain(TEL, *above, yml="email, phone")
    (warning,) = [one for one in found.problems if one.code == "RVT-343"]
    assert (warning.severity, warning.column) == (Severity.WARNING, "tel")
    assert f"'m{len(above) - 1}'" in warning.message
    (sync,) = found.syncs
    assert {field.property: field.pii for field in sync.fields}["tel"] == "phone"


@pytest.mark.parametrize(
    ("own", "above"),
    [
        (column("tel", {"pii": False, "to": {"crm": "PHONE"}}), [[TAGGED]]),
        (TEL, [[column("tel", {"pii": False})], [TAGGED]]),
        (TEL, [[column("phone", {"pii": "phone"})]]),
        (TEL, [[column("tel")]]),
    ],
)
def test_what_is_said_to_be_something_else_is_not_personal(own: Column, above: list[list[Column]]) -> None:
    """`pii: false` ends the inheritance, at the column or on the way; another name never begins it."""
    found = chain(own, *above)
    assert (found.errors, [one.code for one in found.problems if one.code == "RVT-343"]) == ((), [])


def test_a_tag_of_its_own_wins() -> None:
    """Another kind beside the column itself stands, and nothing is warned of."""
    own = column("tel", {"pii": "email", "to": {"crm": "PHONE"}})
    assert "RVT-343" not in [one.code for one in chain(own, [TAGGED]).problems]


def test_a_tag_in_the_models_own_meta_is_inherited() -> None:
    """Where column YAML cannot be written, `columns:` of the model's meta says the same."""
    above = model("m0", properties(entity="raw", columns={"tel": {"pii": True}}), ID)
    people = replace(model("customers", properties(), ID, EMAIL, TEL), parents=("model.shop.m0",))
    assert only(resolve(people, above), "RVT-307").column == "tel"


def test_parents_in_a_circle_come_to_an_end() -> None:
    """A manifest that contradicts itself is not walked for ever."""
    people = replace(model("customers", properties(), ID, EMAIL, TEL), parents=("model.shop.m0",))
    above = replace(model("m0", None), parents=("model.shop.customers", "model.shop.gone"))
    assert resolve(people, above).errors == ()

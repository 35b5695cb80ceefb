"""Meta is put into people's YAML: what they wrote stays byte for byte, and what is added is the meta alone."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from revetl.engine.metaedit import UnfitError, diff, with_meta

LINES = """models:
  - name: customers
    config: {meta: {revetl: {kind: properties, entity: customer, key: customer_id}}}
    columns:
      - name: email
        config: {meta: {revetl: {pii: email, to: {hubspot: email}}}}
"""
ITEM = {"kind": "properties", "entity": "customer", "key": "customer_id"}
EMAIL = {"pii": "email", "to": {"hubspot": "email"}}

PLAIN = """# our marts
version: 2

models:
  - name: orders   # not this one
    columns: [{name: email}]

  - name: customers  # who buys
    description: >
      One row a customer,
      as far as we know.

    columns:
      - name: customer_id
        data_tests: [unique, not_null]

      - name: email   # lower case
        description: "where to write to: {{ doc('email') }}"
"""
SHAPES = {
    "plain": PLAIN,
    "without columns": "models:\n  - name: customers\n    description: all of them\n  - name: orders\n",
    "nothing but the name, no newline": "models:\n- name: customers",
    "list without indent": "models:\n- name: customers\n  columns:\n  - name: email\n    tests:\n    - unique\n",
    "column not listed": "models:\n  - name: customers\n    columns:\n      # keys\n      - name: id\n",
    "config in lines": "models:\n  - name: customers\n    config:\n      # heavy\n      materialized: table\n",
    "config in braces": "models:\n  - name: customers\n    config: { materialized: table, tags: [a] }\n",
    "empty config": "models:\n  - name: customers\n    config: {}\n",
    "meta in lines": "models:\n  - name: customers\n    config:\n      meta:\n        owner: growth\n      tags: [x]\n",
    "meta in braces": "models:\n  - name: customers\n    config: {meta: {owner: growth}}\n",
    "meta of its own": "models:\n  - name: customers\n    meta:\n      owner: us\n    columns:\n      - name: email\n",
    "braces": "models:\n  - {name: customers, columns: [{name: email, tests: [unique]}]}\n",
    "name later": "models:\n  - group: a\n    name: 'customers'\n    columns:\n      - docs: b\n        name: email\n",
    "carriage returns": PLAIN.replace("\n", "\r\n"),
    "other parts": PLAIN + "\nsources:\n  - name: customers\n    tables: [{name: email}]\n",
}  # fmt: skip


def said(text: str) -> tuple[Any, Any]:
    """Return what a text says of the model and of its column to revetl."""
    (model,) = [one for one in yaml.safe_load(text)["models"] if one["name"] == "customers"]
    (column,) = [one for one in model["columns"] if one["name"] == "email"]
    metas = [(one.get("meta") or one["config"]["meta"])["revetl"] for one in (model, column)]
    return metas[0], metas[1]


@pytest.mark.parametrize("shape", SHAPES)
def test_meta_is_added_and_nothing_else_changes(shape: str) -> None:
    """However it is written: the meta is said, all of before is there in its order, and once more changes nothing."""
    before = SHAPES[shape]
    after = with_meta(before, LINES)
    assert said(after) == (ITEM, EMAIL)
    rest = iter(after)
    assert all(letter in rest for letter in before)
    assert ("\r\n" in before) == ("\r\n" in after)
    assert "\n" not in after.replace("\r\n", "") or "\r\n" not in before
    assert with_meta(after, LINES) == after


def test_an_edit_reads_well() -> None:
    """The lines stand below the names, with the indent that is there; the diff is that and no more."""
    shown = diff(PLAIN, with_meta(PLAIN, LINES), "models/shop.yml")
    assert [line for line in shown.splitlines() if line[0] in "+-"] == [
        "--- a/models/shop.yml",
        "+++ b/models/shop.yml",
        "+    config: {meta: {revetl: {kind: properties, entity: customer, key: customer_id}}}",
        "+        config: {meta: {revetl: {pii: email, to: {hubspot: email}}}}",
    ]


def test_a_file_that_is_not_there_is_begun() -> None:
    """Without a text, the file has a version and the model."""
    made = with_meta("", LINES)
    assert yaml.safe_load(made) == {"version": 2, **yaml.safe_load(LINES)}
    assert diff("", made, "models/customers.yml").startswith("--- /dev/null\n+++ b/models/customers.yml\n")


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("models: [", "YAML"),
        ("models:\n  - name: orders\n", "customers"),
        ("models:\n  - name: customers\n    config:\n", "empty"),
        ("models:\n  - name: customers\n    columns: []\n", "brackets"),
        ("models:\n  - {name: customers}\n", "braces"),
        ("models:\n  - name: orders\n    config: &all {tags: [a]}\n  - name: customers\n    config: *all\n", "anchor"),
        ("models:\n  - name: customers\n    config: {meta: {revetl: {kind: cohort}}}\n", "something else"),
    ],
)
def test_what_needs_a_persons_eye_is_left_alone(before: str, why: str) -> None:
    """Where an edit could say anything but the meta, there is none, and the reason is told."""
    with pytest.raises(UnfitError, match=why):
        with_meta(before, LINES)


WORDS = st.sampled_from(
    ["", "a: b # c", "- x", "two\nlines\n", "'\"{}[]", "ä☃", " led by a blank", "null", "{{ doc('x') }}"]
)
PARTS = st.dictionaries(st.sampled_from(["description", "docs", "tests", "group"]), WORDS | st.lists(WORDS), max_size=3)
CONFIGS = st.none() | st.dictionaries(st.sampled_from(["tags", "materialized", "meta"]), PARTS, min_size=1)


def _with(name: str, parts: dict[str, Any], config: dict[str, Any] | None) -> dict[str, Any]:
    return {**parts, "name": name, **({} if config is None else {"config": config})}


@settings(max_examples=60)
@given(PARTS, CONFIGS, st.none() | st.lists(st.tuples(st.sampled_from(["email", "id", "x"]), PARTS, CONFIGS),
       min_size=1, unique_by=lambda one: one[0]), st.sampled_from([None, False]), st.booleans())  # fmt: skip
def test_any_file_is_added_to_or_left_alone(
    parts: dict[str, Any], config: Any, columns: Any, style: Any, sort: bool
) -> None:  # fmt: skip
    """Whatever stands in it: the outcome says the meta and all of before, or there is no outcome."""
    model = _with("customers", parts, config)
    if columns is not None:
        model["columns"] = [_with(*one) for one in columns]
    before = yaml.safe_dump({"models": [model]}, default_flow_style=style, sort_keys=sort, allow_unicode=True)
    try:
        after = with_meta(before, LINES)
    except UnfitError:
        return
    assert said(after) == (ITEM, EMAIL)
    (now,) = yaml.safe_load(after)["models"]
    assert {key: now[key] for key in parts} == parts

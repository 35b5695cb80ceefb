"""Whatever stands in meta, it is carried as a name or refused; nothing is rendered, nothing raises."""

from __future__ import annotations

from typing import Any

import pytest
from planfactory import column, customers, model, resolve

HOSTILE = ['"; DROP TABLE x; --', "__proto__", "a.b.c", "{{ env_var('HOME') }}", "{% raw %}", "ü" * 255, "a'b"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_stay_names(text: str) -> None:
    """Whatever stands in meta is carried as a name, never rendered, split or evaluated."""
    resolved = resolve(customers(column(text, {"to": {"crm": text}})))
    (sync,) = resolved.syncs
    assert (sync.fields[1].property, sync.fields[1].field) == (text, text)


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "\x1b[31mred", "x" * 256, "  "])
def test_names_with_control_characters_are_refused(text: str) -> None:
    """Control characters and endless names are errors of their own, wherever a name may stand."""
    for node in (customers(column("x", {"to": {"crm": text}})), customers(updated_at=text), customers(key=[text])):
        assert "RVT-300" in {problem.code for problem in resolve(node).errors}


@pytest.mark.parametrize(
    "raw", [[], [[]], 3, True, "x", [None], {"columns": 3}, {"to": 3}, {"key": {}}, {"columns": {"a": 3}}]
)
def test_nonsense_never_raises(raw: Any) -> None:
    """Any JSON in meta yields problems, no exception, and leaves other models alone."""
    resolved = resolve(customers(), model("x", raw), model("y", None, column("c", raw)))
    assert [sync.name for sync in resolved.syncs] == ["crm.customer"]

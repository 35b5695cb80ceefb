"""What an API returns is compared by meaning, and never so loosely that a difference is lost."""

from __future__ import annotations

from typing import Any

import pytest

from revetl.encode import same
from revetl.types import RemoteField

EQUAL: list[tuple[str | None, Any, Any]] = [
    (None, None, ""), ("text", "", None), ("list", [], None), ("number", None, "  "),
    ("number", 1.5, "1.50"), ("number", "1.10", 1.1), ("integer", 7, "7"), ("integer", "7", "7.0"), ("any", 7, "7"),
    ("number", 100000000000000000000, "1e20"), ("any", 0, "0"), ("any", 0, -0.0),
    ("boolean", True, "true"), ("boolean", "false", False), ("any", True, "True"), (None, True, True),
    ("date", "2024-01-01", "2024-01-01T00:00:00Z"), ("date", "2024-01-01", 1704067200000),
    ("timestamp", "2024-01-01T00:00:00Z", "2024-01-01T01:00:00.000+01:00"), ("timestamp", 1704067200, "1704067200000"),
    ("timestamp", "1969-12-31T23:59:59Z", -1000), ("any", "2024-01-01T00:00:00Z", "2024-01-01 00:00:00"),
    ("any", "2024-01-01", "2024-01-01T00:00:00.000Z"), ("timestamp", "2024-01-01T00:00:00.500000Z", 1704067200500),
    ("text", " a ", "a"), ("any", "a", "a\n"), ("text", "12", 12),
    ("number", "4e182", "4" + "0" * 182),
    ("list", "a;b", "b;a"), ("list", ["a", "b"], "b; a"), ("any", "a;b", ["b", "a"]), ("list", [1, 2], ["2", "1"]),
    ("json", '{"a": 1}', {"a": 1}), ("any", {"a": [1, "b"]}, {"a": [1.0, "b"]}),
]  # fmt: skip
DIFFERENT: list[tuple[str | None, Any, Any]] = [
    (None, None, 0), (None, "", False), (None, "a", None), ("list", ["a"], None),
    ("number", 1.5, 1.51), ("number", 9007199254740993, 9007199254740992), ("text", "007", "7"), ("any", "007", "7"),
    ("boolean", True, False), ("any", True, 1), ("any", 1, True), ("any", False, 0), ("boolean", True, "yes"),
    ("date", "2024-01-01", "2024-01-02"), ("date", "2024-01-01", "2024-01-01T00:00:01Z"),
    ("timestamp", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00+01:00"),
    ("text", "2024-01-01", "2024-01-01T00:00:00Z"), ("any", "9999-99-99", "9999-99-98"), ("any", 1, 1000),
    ("text", "a", "A"), ("text", "a b", "ab"), ("text", "a;b", "b;a"), ("list", "a;b", "a"),
    ("list", ["a", "a"], ["a"]),
    ("any", {"a": 1}, {"a": True}), ("any", {"a": 1}, {}), ("any", [{"a": 1}], [{"a": 2}]), ("json", "{", {}),
    ("any", [1, 2], [2, 1]),
]  # fmt: skip


def field(kind: str | None) -> RemoteField | None:
    return RemoteField("f", kind) if kind else None


@pytest.mark.parametrize(("kind", "ours", "theirs"), EQUAL)
def test_same(kind: str | None, ours: Any, theirs: Any) -> None:
    """Two spellings of one value are the same, whichever side has which."""
    assert same(field(kind), ours, theirs)
    assert same(field(kind), theirs, ours)


@pytest.mark.parametrize(("kind", "ours", "theirs"), DIFFERENT)
def test_not_same(kind: str | None, ours: Any, theirs: Any) -> None:
    """Two values are not the same, whichever side has which."""
    assert not same(field(kind), ours, theirs)
    assert not same(field(kind), theirs, ours)

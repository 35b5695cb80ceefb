"""relation_name taken apart, or refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revetl.manifest import read_manifest
from revetl.manifest.relation import parse_relation
from revetl.types import Relation


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a"."b"."c"', Relation("a", "b", "c", (True, True, True))),
        ('"analytics".s.users', Relation("analytics", "s", "users", (True, False, False))),
        ("JAFFLE.PUBLIC.customers", Relation("JAFFLE", "PUBLIC", "customers", (False, False, False))),
        ("`my-project`.`ds`.`t`", Relation("my-project", "ds", "t", (True, True, True))),
        ("[db].[dbo].[t]", Relation("db", "dbo", "t", (True, True, True))),
        ('"s"."t"', Relation(None, "s", "t", (True, True, True))),
        ("s.t", Relation(None, "s", "t", (True, False, False))),
        ("t", Relation(None, None, "t", (True, True, False))),
        ('"a.b"."c ""d"""', Relation(None, "a.b", 'c "d"', (True, True, True))),
        ("tabelle_ä$1", Relation(None, None, "tabelle_ä$1", (True, True, False))),
    ],
)
def test_identifiers(text: str, expected: Relation) -> None:
    """One to three identifiers come out with their quoting; a part that is missing counts as quoted."""
    assert parse_relation(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "a.b.c.d",
        "'/etc/passwd'",
        '"a"; COPY x TO y',
        '"a"b',
        '"a',
        '""',
        '"a\0b"',
        "read_csv('x')",
        "a b",
        "a -- b",
        "1a",
        "a\n",
        "$x",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """What is not plain identifiers is no relation."""
    assert parse_relation(text) is None


def test_hostile_name_falls_back_to_parts(manifest: Callable[..., bytes]) -> None:
    """A relation_name that is SQL is never used: database, schema and alias stand for it."""
    data = manifest(relation_name="\"a\"; COPY t TO '/tmp/x'", alias='we"ird')
    (node,) = read_manifest(data, "m.json").nodes.values()
    assert node.relation == Relation("db", "main", 'we"ird', (True, True, True))


@given(st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1), min_size=1, max_size=3))
def test_quoted_parts_survive(parts: list[str]) -> None:
    """Whatever stands in double quotes, doubled where it is one, comes out as it was."""
    found = parse_relation(".".join('"' + part.replace('"', '""') + '"' for part in parts))
    assert found is not None
    padded = (*[None] * (3 - len(parts)), *parts)
    assert (found.database, found.schema, found.identifier) == padded


@given(st.text())
def test_never_fails(text: str) -> None:
    """Any text is a relation or none."""
    found = parse_relation(text)
    assert found is None or found.identifier

"""``relation_name``, the string that dbt pastes into SQL, taken apart into parts that revetl quotes itself."""

from __future__ import annotations

import re

from revetl.manifest.part import Part
from revetl.types import Relation

# "double quoted", `backquoted` (BigQuery, Databricks), [bracketed] (SQL Server), or bare: a letter or _, then word
# characters and $ (https://docs.snowflake.com/en/sql-reference/identifiers-syntax). No NUL: no engine takes it.
_PART = re.compile(
    r'"(?P<double>(?:[^"\0]|"")+)"|`(?P<back>(?:[^`\0]|``)+)`|\[(?P<bracket>(?:[^\]\0]|\]\])+)\]|(?P<bare>[^\W\d][\w$]*)'
)


def parse_relation(text: str) -> Relation | None:
    """Return the one to three identifiers that ``text`` is, with their quoting; None if it is anything else."""
    parts: list[tuple[str, bool]] = []
    position = 0
    while match := _PART.match(text, position):
        parts.append(_identifier(match))
        position = match.end() + 1
        if match.end() == len(text):
            return _relation(parts)
        if text[match.end()] != "." or len(parts) == 3:
            return None
    return None


def node_relation(node: Part, name: str) -> Relation | None:
    """Return where the node lies, None if it is ephemeral.

    A ``relation_name`` that is not plain identifiers (a function call, say, of an external source) is never used: the
    parts ``database``, ``schema`` and ``alias`` (of a source: ``identifier``) stand for it, all quoted.

    Raises:
        ManifestError: RVT-201, one of them is not a text.
    """
    if node.part("config").text("materialized") == "ephemeral":
        return None
    parsed = parse_relation(node.text("relation_name"))
    if parsed is not None:
        return parsed
    identifier = node.maybe("identifier") or node.maybe("alias") or name
    return Relation(node.maybe("database"), node.maybe("schema"), identifier)


def _identifier(match: re.Match[str]) -> tuple[str, bool]:
    quote = {"double": '"', "back": "`", "bracket": "]"}.get(match.lastgroup or "")
    text = match[match.lastgroup or 0]
    return (text.replace(quote * 2, quote), True) if quote else (text, False)


def _relation(parts: list[tuple[str, bool]]) -> Relation:
    missing: list[tuple[str | None, bool]] = [(None, True)] * (3 - len(parts))
    (database, d), (schema, s) = (*missing, *parts)[:2]
    identifier, i = parts[-1]
    return Relation(database, schema, identifier, (d, s, i))

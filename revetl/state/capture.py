"""What a statement writes of the state, told from its text: the one way in which this room spells its tables.

A statement that writes to ``revetl_state`` and is not understood is refused: what is not captured would never reach
the owner of a shared state.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from revetl.state.schema import STATE

_NAMED = re.compile(rf"\b{STATE}\.(\w+)")
_VERBS = r"INSERT INTO|DELETE FROM|UPDATE|CREATE TABLE(?: IF NOT EXISTS)?|ALTER TABLE|DROP TABLE(?: IF EXISTS)?"
_WRITE = re.compile(rf"\s*({_VERBS})\s+{STATE}\.(\w+)(?:\s+AS\s+(\w+))?", re.IGNORECASE)
_ANY = re.compile(r"\s*(INSERT|DELETE|UPDATE|CREATE|ALTER|DROP|MERGE|TRUNCATE|COPY)\b", re.IGNORECASE)
_TEMP = re.compile(
    rf"\s*(?:CREATE(?: OR REPLACE)? TEMP |COPY \(|(?:INSERT INTO|UPDATE|DELETE FROM|DROP TABLE)\s+(?!{STATE}\b))",
    re.IGNORECASE,
)
# understood by every engine as it stands: equality of columns with parameters
_SIMPLE = re.compile(
    rf"\s*(?:DELETE FROM {STATE}\.\w+|UPDATE {STATE}\.\w+ SET \w+ = \?) WHERE \w+ = \?(?: AND \w+ = \?)*\s*\Z"
)
_SET = re.compile(r"\bSET\s+(.*?)(?:\s+FROM\s+|\s+WHERE\s+|\Z)", re.IGNORECASE | re.DOTALL)
_ASSIGNED = re.compile(r"(?:\A|,)\s*(\w+)\s*=")


@dataclass(frozen=True, slots=True)
class Write:
    """One statement that writes to one table of the state."""

    verb: str  # insert | delete | update | create | alter | drop
    table: str
    alias: str  # by which the statement knows the table's own columns
    simple: bool = False
    assigned: frozenset[str] = frozenset()  # columns that an UPDATE sets


def tables_of(sql: str) -> frozenset[str]:
    """Return the tables of the state that a statement names."""
    return frozenset(_NAMED.findall(sql))


def write_of(sql: str) -> Write | None:
    """Return what a statement writes of the state, None where it writes nothing of it.

    Raises:
        RuntimeError: it may write to the state in a way that cannot be captured.
    """
    found = _WRITE.match(sql)
    if found is None:
        if _ANY.match(sql) and STATE in sql and not _TEMP.match(sql):
            raise RuntimeError(f"this statement on a shared state is not understood: {sql[:80]}")
        return None
    verb, table, alias = found[1].split()[0].lower(), found[2], found[3] or found[2]
    assigned: frozenset[str] = frozenset()
    if verb == "update":
        clause = _SET.search(sql)
        assigned = frozenset(_ASSIGNED.findall(clause[1])) if clause else frozenset()
    return Write(verb, table, alias, _SIMPLE.match(sql) is not None, assigned)

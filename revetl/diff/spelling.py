"""How an engine spells what it is asked to compare; which keys differ is said once (:mod:`revetl.diff.differing`).

``DUCKDB`` is the connection of a run, where state and models are attached. What other engines share is
:class:`Elsewhere`, and where they differ is :mod:`revetl.diff.engines`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from revetl.diff.shape import STATE, Shape, Slot
from revetl.sqltext import quote_identifier, quote_text

Parts = Sequence[tuple[str, str]]  # of a key: SQL, DuckDB type


@dataclass(frozen=True, slots=True)
class Sides:
    """What each side of a full join of ``d`` (wanted) and ``s`` (held) selects, and when its rows are others."""

    wanted: str
    held: str
    other: str


class Spelling(Protocol):
    """One engine's SQL, where engines differ."""

    def name(self, identifier: str) -> str:
        """Return a quoted name."""

    def text(self, value: str) -> str:
        """Return a literal."""

    def typed(self, expression: str, kind: str) -> str:
        """Return a value cast to what stands for a DuckDB type."""

    def value(self, slot: Slot, column: str) -> str:
        """Return the value that a model's column gives for a slot."""

    def held(self, column: str, kind: str) -> str:
        """Return a column of state, as it is compared."""

    def state(self, table: str) -> str:
        """Return the name of a table of state."""

    def temp(self, shape: Shape, name: str) -> str:
        """Return the name of a relation that was made for this sync before."""

    def spells(self, text: str, parts: Parts) -> str:
        """Return the condition under which a key's text, as state has it, spells these values."""

    def key_text(self, parts: Parts) -> str:
        """Return some text that is null where one of these values is null."""

    def other(self, left: str, right: str) -> str:
        """Return the condition under which two values are not the same; nulls are."""

    def sides(self, shape: Shape, pairs: Sequence[tuple[str, str]]) -> Sides:
        """Return how rows are compared by these pairs of columns, wanted and held."""


class DuckDB:
    """The run's own connection. Rows are compared by one hash of their values, which is never stored."""

    def name(self, identifier: str) -> str:
        """Return a quoted name."""
        return quote_identifier(identifier)

    def text(self, value: str) -> str:
        """Return a literal."""
        return quote_text(value)

    def typed(self, expression: str, kind: str) -> str:
        """Return a cast."""
        return f"CAST({expression} AS {kind})"

    def value(self, slot: Slot, column: str) -> str:
        """Return what a column gives for a slot: where it leaves hashed, its digest."""
        return slot.read(column)

    def held(self, column: str, kind: str) -> str:
        """Return the column: state is typed as DuckDB types it."""
        del kind
        return column

    def state(self, table: str) -> str:
        """Return the name of a table of state."""
        return f"{STATE}.{table}"

    def temp(self, shape: Shape, name: str) -> str:
        """Return the name of a temporary view."""
        return shape.temp(name)

    def spells(self, text: str, parts: Parts) -> str:
        """Return a comparison of texts."""
        return f"{text} = {self.key_text(parts)}"

    def key_text(self, parts: Parts) -> str:
        """Return the values as state spells a key; what cannot be of the key's type stays: nothing has such a key."""
        spelt = " || ',' || ".join(f"coalesce(to_json(TRY_CAST({c} AS {kind})), to_json({c}))" for c, kind in parts)
        return f"'[' || {spelt} || ']'"

    def other(self, left: str, right: str) -> str:
        """Return the condition."""
        return f"{left} IS DISTINCT FROM {right}"

    def sides(self, shape: Shape, pairs: Sequence[tuple[str, str]]) -> Sides:
        """Return hashes; where one row is missing, its hash is null, and no hash is."""
        del shape
        wanted, held = (", ".join(side) for side in zip(*pairs, strict=True))
        return Sides(f"hash({wanted}) AS h", f"hash({held}) AS h", "d.h IS DISTINCT FROM s.h")


DUCKDB = DuckDB()


class Elsewhere:
    """An engine that has the models and the state: near to the standard, and to Postgres where that says nothing.

    A key's text is taken apart there, a row is compared column by column, and what the statement makes on its way is
    named by WITH.
    """

    def __init__(self, state: Callable[[str], str], native: Callable[[str], str]) -> None:
        """Take the names of state's tables there, and which type holds a DuckDB type's values."""
        self._state = state
        self._native = native

    def name(self, identifier: str) -> str:
        """Return a quoted name."""
        return quote_identifier(identifier)

    def text(self, value: str) -> str:
        """Return a literal."""
        return quote_text(value)

    def typed(self, expression: str, kind: str) -> str:
        """Return a cast."""
        return f"CAST({expression} AS {self._native(kind)})"

    def comparable(self, column: str, kind: str, selected: str) -> str | None:
        """Return a model's column as it is compared with state; None: it cannot be there.

        ``selected`` is what a reader selects of it. Where state holds a value's text, that text is compared: it is the
        same only where the value is.
        """
        raise NotImplementedError

    def value(self, slot: Slot, column: str) -> str:
        """Return the column: it comes as it is compared."""
        del slot
        return column

    def held(self, column: str, kind: str) -> str:
        """Return a column of state."""
        del kind
        return column

    def state(self, table: str) -> str:
        """Return the name of a table of state."""
        return self._state(table)

    def temp(self, shape: Shape, name: str) -> str:
        """Return the name of a part of the statement."""
        return f"{name}_{shape.id}"

    def part(self, text: str, number: int) -> str:
        """Return a part of a key's text, a JSON array, as text."""
        return f"CAST({text} AS json) ->> {number}"

    def spells(self, text: str, parts: Parts) -> str:
        """Return a comparison part by part."""
        same = [f"({self.part(text, n)}) = {self.typed(value, 'VARCHAR')}" for n, (value, _) in enumerate(parts)]
        return " AND ".join(same)

    def key_text(self, parts: Parts) -> str:
        """Return some text that is null where one of these values is null."""
        there = " AND ".join(f"{value} IS NOT NULL" for value, _ in parts)
        return f"CASE WHEN {there} THEN {self.text('?')} END"

    def other(self, left: str, right: str) -> str:
        """Return the condition."""
        return f"{left} IS DISTINCT FROM {right}"

    def sides(self, shape: Shape, pairs: Sequence[tuple[str, str]]) -> Sides:
        """Return the values themselves."""
        wanted, held = ([f"{value} AS c{n}" for n, value in enumerate(side)] for side in zip(*pairs, strict=True))
        k0 = shape.ks[0]
        alone = [f"d.{k0} IS NULL", f"s.{k0} IS NULL"]
        other = [self.other(f"d.c{n}", f"s.c{n}") for n in range(len(pairs))]
        return Sides(", ".join(wanted), ", ".join(held), " OR ".join([*alone, *other]))

    def folded(self, expression: str) -> str:
        """Return what is the same wherever identities are, however letters are lowered and spaces trimmed there.

        Printable ASCII alone, lowered; two letters beyond it have a lower case within it. Others may share it.
        """
        plain = f"translate({expression}, {self.text(FOREIGN)}, {self.text(NATIVE)})"
        return f"lower({self.stripped(plain)})"

    def stripped(self, expression: str) -> str:
        """Return a text's printable ASCII."""
        return f"regexp_replace({expression}, '[^!-~]', '', 'g')"


FOREIGN, NATIVE = "\u212a\u0130", "ki"  # the Kelvin sign, and the I with a dot: in lower case they are ASCII


def fold(text: str) -> str:
    """Return what :meth:`Elsewhere.folded` makes of a text."""
    plain = text.translate(str.maketrans(FOREIGN, NATIVE))
    return "".join(letter for letter in plain if "!" <= letter <= "~").lower()

"""What encoding a column means: SQL for its value and for the reason why a value cannot be carried."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from revetl.sqltext import quote_text

HOLE = "{x}"  # stands for the column in every template


class Unencodable(Exception):
    """A column of this type can never be carried there: a problem of the plan, not of a row."""

    def __init__(self, reason: str) -> None:
        """Say why in words that end a sentence about the column."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Encoding:
    """Two SQL templates over a column ``{x}``.

    ``value`` gives the JSON text (VARCHAR) of a non-null x that is not refused. ``refusal`` gives NULL where x is
    carried exactly, else the reason (VARCHAR); it is None where no value can be refused.
    """

    value: str
    refusal: str | None = None

    def over(self, expression: str) -> Encoding:
        """Return the same of ``expression``, SQL that is safely quoted already."""
        refusal = self.refusal
        return Encoding(self.value.replace(HOLE, expression), refusal and refusal.replace(HOLE, expression))


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason not to carry a value: an SQL condition and the SQL that gives the reason."""

    when: str
    reason: str

    @classmethod
    def because(cls, when: str, reason: str) -> Refusal:
        """Return a refusal with ``reason`` as plain text."""
        return cls(when, literal(reason))


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a value is spelt: ``text`` is SQL for its characters, ``bare`` says that they are JSON already."""

    text: str
    bare: bool = False
    refusals: tuple[Refusal, ...] = ()

    def through(self, expression: str, refusals: Iterable[Refusal] = ()) -> Spelling:
        """Return the same of ``expression``, an SQL template over x, once ``refusals`` let it pass."""
        inner = tuple(
            Refusal(r.when.replace(HOLE, expression), r.reason.replace(HOLE, expression)) for r in self.refusals
        )
        return Spelling(self.text.replace(HOLE, expression), self.bare, (*refusals, *inner))

    def refused(self, *refusals: Refusal) -> Spelling:
        """Return the same with more refusals behind its own."""
        return Spelling(self.text, self.bare, (*self.refusals, *refusals))

    def encoding(self) -> Encoding:
        """Return the SQL of the JSON text."""
        return Encoding(self.text if self.bare else json_string(self.text), self.refusal())

    def refusal(self) -> str | None:
        """Return the SQL of the first reason that holds."""
        if not self.refusals:
            return None
        cases = " ".join(f"WHEN {refusal.when} THEN {refusal.reason}" for refusal in self.refusals)
        return f"CASE {cases} END"


def json_string(text: str) -> str:
    """Return SQL that gives ``text`` (SQL of VARCHAR) as a JSON string."""
    return f"CAST(to_json({text}) AS VARCHAR)"


def literal(value: str) -> str:
    """Return ``value`` as an SQL literal that survives the filling in of ``{x}``.

    Raises:
        Unencodable: SQL cannot spell it.
    """
    try:
        quoted = quote_text(value)
    except ValueError:
        raise Unencodable(f"{value!r} is not Unicode text") from None
    return "(" + quoted.replace(HOLE, "{' || 'x}") + ")" if HOLE in quoted else quoted

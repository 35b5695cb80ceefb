"""DuckDB's type names, as DESCRIBE writes them, parsed.

Source of the grammar: https://duckdb.org/docs/stable/sql/data_types/overview and what 1.4 and 2.0 print.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from revetl.encode.encoding import Unencodable

T = TypeVar("T")
_TOKEN = re.compile(r"""\s*(?:("(?:[^"]|"")*")|('(?:[^']|'')*')|([^\W\d]\w*|\d+)|([(),\[\]]))""")
_ALIASES = {
    "BOOL": "BOOLEAN",
    "LOGICAL": "BOOLEAN",
    "INT": "INTEGER",
    "LONG": "BIGINT",
    "SHORT": "SMALLINT",
    "REAL": "FLOAT",
    "NUMERIC": "DECIMAL",
    "TEXT": "VARCHAR",
    "STRING": "VARCHAR",
    "CHAR": "VARCHAR",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
    "TIMETZ": "TIME WITH TIME ZONE",
    "BYTEA": "BLOB",
}


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type: its name in upper case, the numbers in its parentheses, and the types within it.

    LIST (arrays too) has one part, MAP two, STRUCT one for each of ``fields``.
    """

    name: str
    numbers: tuple[int, ...] = ()
    parts: tuple[TypeName, ...] = ()
    fields: tuple[str, ...] = ()

    @property
    def depth(self) -> int:
        """Return how many levels of types lie within this one."""
        return 1 + max((part.depth for part in self.parts), default=-1)


def parse_type(text: str) -> TypeName:
    """Return the type that ``text`` names.

    Raises:
        Unencodable: the text is not a type name.
    """
    reader = _Reader(text)
    found = reader.type()
    if reader.peek():
        raise reader.unreadable()
    return found


class _Reader:
    """Tokens of a type name, read from the left."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None:
                raise self.unreadable()
            self.tokens.append(match.group().strip())
            at = match.end()
        self.at = 0

    def unreadable(self) -> Unencodable:
        return Unencodable(f"its type {self.text!r} is not known")

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise self.unreadable()
        self.at += 1
        return token

    def type(self) -> TypeName:
        found = self.arguments(self.name())
        while self.peek() == "[":
            self.next()
            if self.peek() != "]":
                self.next()  # an array's length, which its values have anyway
            self.next("]")
            found = TypeName("LIST", parts=(found,))
        return found

    def name(self) -> str:
        words = [self.next()]
        while self.peek()[:1].isalpha():
            words.append(self.next())
        if words[0][0] in "'(),[]":
            raise self.unreadable()
        name = " ".join(words).upper()
        return _ALIASES.get(name, name)

    def arguments(self, name: str) -> TypeName:
        if self.peek() != "(":
            return TypeName(name)
        if name in ("STRUCT", "UNION", "TUPLE"):
            return self.struct(name)
        if name == "MAP":
            parts = tuple(self.listed(self.type))
            if len(parts) != 2:
                raise self.unreadable()
            return TypeName(name, parts=parts)
        numbers = self.listed(self.next)
        return TypeName(name, tuple(int(number) for number in numbers if number.isdigit()))

    def struct(self, name: str) -> TypeName:
        pairs = self.listed(self.field)
        return TypeName(name, parts=tuple(part for _, part in pairs), fields=tuple(label for label, _ in pairs))

    def field(self) -> tuple[str, TypeName]:
        """Read ``name type``; the members of a tuple have no name."""
        token = self.next()
        if self.peek() in (",", ")", "(", "["):
            self.at -= 1
            return "", self.type()
        label = token[1:-1].replace('""', '"') if token.startswith('"') else token
        return label, self.type()

    def listed(self, item: Callable[[], T]) -> list[T]:
        """Read items in parentheses, parted by commas."""
        self.next("(")
        found = [item()]
        while self.peek() == ",":
            self.next()
            found.append(item())
        self.next(")")
        return found

"""Names and texts made safe to stand in SQL. Pure: everything that reaches a statement as text goes through here."""

from __future__ import annotations


def quote_identifier(name: str) -> str:
    """Return ``name`` as a quoted SQL identifier, whatever is in it.

    Raises:
        ValueError: the name is empty, or holds a NUL or half of a surrogate pair; no relation can be called so.
    """
    _encodable(name)
    if not name or "\0" in name:
        raise ValueError(f"{name!r} cannot be an SQL name")
    return '"' + name.replace('"', '""') + '"'


def quote_text(value: str) -> str:
    """Return ``value`` as an SQL expression that gives exactly this text.

    Raises:
        ValueError: the text holds half of a surrogate pair, which UTF-8 cannot spell.
    """
    _encodable(value)
    if "\0" not in value:
        return _literal(value)
    return "(" + " || chr(0) || ".join(_literal(piece) for piece in value.split("\0")) + ")"


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _encodable(value: str) -> None:
    """Refuse text that is not Unicode: ``UnicodeEncodeError`` is a ``ValueError``."""
    value.encode()

"""Engines that compare what they have with the state that lies beside it, where each differs from the others."""

from __future__ import annotations

import re
from collections.abc import Mapping

from revetl.diff.spelling import Elsewhere

_LIST = re.compile(r"(VARCHAR|BIGINT|BOOLEAN)\[\]\Z")  # whose text there is the same for the same value
_PARTS = re.compile(r"\[\d*\]\Z|\A(?:STRUCT|MAP|UNION)\(")


class Postgres(Elsewhere):
    """Postgres. Texts are compared byte by byte, whatever the collation of their columns."""

    def text(self, value: str) -> str:
        """Return a literal: backslashes stay, whatever ``standard_conforming_strings`` says."""
        plain = super().text(value)
        return plain if "\\" not in value else "E" + plain.replace("\\", "\\\\")

    def typed(self, expression: str, kind: str) -> str:
        """Return a cast."""
        made = super().typed(expression, kind)
        return f'{made} COLLATE "C"' if self._native(kind) == "text" else made

    def comparable(self, column: str, kind: str, selected: str) -> str | None:
        """Return the column, or the text by which state holds its values."""
        if _PARTS.search(kind):
            return f'({selected}) COLLATE "C"' if _LIST.match(kind) else None
        if kind == "BLOB":
            return None  # state holds them as DuckDB spells them
        return f'({selected}) COLLATE "C"' if kind in {"VARCHAR", "JSON", "UUID"} else column

    def held(self, column: str, kind: str) -> str:
        """Return the column as :meth:`comparable` has its counterpart."""
        if kind == "TIME":
            return f"CAST({column} AS time)"
        text = kind in {"VARCHAR", "JSON", "UUID"} or _PARTS.search(kind)
        return f'CAST({column} AS text) COLLATE "C"' if text else column


SPELLINGS: Mapping[str, type[Elsewhere]] = {"postgres": Postgres}
"""Type of a dbt profile → how its engine spells a comparison."""

"""Engines that compare what they have with the state that lies beside it, where each differs from the others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

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


class Texts(Elsewhere):
    """An engine in which state keeps every value as text, as DuckDB spells it: it is read there as what it is."""

    types: ClassVar[Mapping[str, str]]  # of DuckDB's types; whatever is missing is compared nowhere

    def kind(self, kind: str) -> str | None:
        """Return the type that stands for a DuckDB type."""
        decimal = _DECIMAL.match(kind)
        return self.types["DECIMAL"].format(*decimal.groups()) if decimal else self.types.get(_ALIKE.get(kind, kind))

    def exact(self, text: str) -> str:
        """Return a text whose comparison has no regard for any collation."""
        raise NotImplementedError

    def typed(self, expression: str, kind: str) -> str:
        """Return a cast; what has no type there is text."""
        made = f"CAST({expression} AS {self.kind(kind) or self.types['VARCHAR']})"
        return self.exact(made) if kind == "VARCHAR" else made

    def comparable(self, column: str, kind: str, selected: str) -> str | None:
        """Return the column, where its type stands for that of state."""
        if self.kind(kind) is None:
            return None
        return self.exact(selected) if kind in {"VARCHAR", "UUID"} else column

    def held(self, column: str, kind: str) -> str:
        """Return what a column of texts says."""
        if kind == "TIMESTAMP WITH TIME ZONE":
            column = self.minutes(column)
        return self.typed(column, "VARCHAR" if kind == "UUID" else kind)

    def minutes(self, text: str) -> str:
        """Return the text of an instant, which ends on ``+00``, with the minutes of its offset."""
        return f"{text} || ':00'"


_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)\Z")
_ALIKE = {  # DuckDB's types that one type stands for
    "UUID": "VARCHAR", "FLOAT": "DOUBLE",
    **dict.fromkeys(
        ("TINYINT", "SMALLINT", "INTEGER", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"), "BIGINT"
    ),
}  # fmt: skip


class Snowflake(Texts):
    """Snowflake. A backslash escapes in its literals; below a microsecond, time is cut off as it is when it is read."""

    types: ClassVar[Mapping[str, str]] = {
        "VARCHAR": "VARCHAR", "BIGINT": "NUMBER(38,0)", "DECIMAL": "NUMBER({},{})", "DOUBLE": "FLOAT",
        "BOOLEAN": "BOOLEAN", "DATE": "DATE", "TIMESTAMP": "TIMESTAMP_NTZ", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_TZ",
    }  # fmt: skip

    def text(self, value: str) -> str:
        """Return a literal."""
        return super().text(value).replace("\\", "\\\\")

    def exact(self, text: str) -> str:
        """Return a text without collation."""
        return f"COLLATE({text}, '')"

    def comparable(self, column: str, kind: str, selected: str) -> str | None:
        """Return the column, its time in microseconds."""
        found = super().comparable(column, kind, selected)
        return f"DATE_TRUNC('MICROSECOND', {found})" if kind.startswith("TIMESTAMP") else found

    def part(self, text: str, number: int) -> str:
        """Return a part of a JSON array."""
        return f"CAST(GET(PARSE_JSON({text}), {number}) AS VARCHAR)"

    def stripped(self, expression: str) -> str:
        """Return a text's printable ASCII."""
        return f"REGEXP_REPLACE({expression}, '[^!-~]', '')"


class _Ticked(Texts):
    """Names stand in backticks, and a backslash escapes in literals, quotes too."""

    def name(self, identifier: str) -> str:
        """Return a quoted name."""
        super().name(identifier)  # refuses what is no name
        return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"

    def text(self, value: str) -> str:
        """Return a literal."""
        super().text(value)
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"

    def stripped(self, expression: str) -> str:
        """Return a text's printable ASCII."""
        return f"REGEXP_REPLACE({expression}, '[^!-~]', '')"


class BigQuery(_Ticked):
    """BigQuery: rendered and parsed, never run."""

    types: ClassVar[Mapping[str, str]] = {
        "VARCHAR": "STRING", "BIGINT": "BIGNUMERIC", "DECIMAL": "BIGNUMERIC", "DOUBLE": "FLOAT64",
        "BOOLEAN": "BOOL", "DATE": "DATE", "TIMESTAMP": "DATETIME", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
    }  # fmt: skip

    def text(self, value: str) -> str:
        """Return a literal: NUL is an octal escape of three digits."""
        return super().text(value).replace("\\0", "\\000")

    def exact(self, text: str) -> str:
        """Return a text without collation."""
        return f"COLLATE({text}, '')"

    def part(self, text: str, number: int) -> str:
        """Return a part of a JSON array."""
        return f"JSON_VALUE({text}, '$[{number}]')"


class Databricks(_Ticked):
    """Databricks: rendered and parsed, never run."""

    types: ClassVar[Mapping[str, str]] = {
        "VARCHAR": "STRING", "BIGINT": "DECIMAL(38,0)", "DECIMAL": "DECIMAL({},{})", "DOUBLE": "DOUBLE",
        "BOOLEAN": "BOOLEAN", "DATE": "DATE", "TIMESTAMP": "TIMESTAMP_NTZ", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
    }  # fmt: skip

    def name(self, identifier: str) -> str:
        """Return a quoted name: a backtick is doubled."""
        super().name(identifier)
        return "`" + identifier.replace("`", "``") + "`"

    def exact(self, text: str) -> str:
        """Return a text that is compared byte by byte."""
        return f"{text} COLLATE UTF8_BINARY"

    def part(self, text: str, number: int) -> str:
        """Return a part of a JSON array."""
        return f"GET_JSON_OBJECT({text}, '$[{number}]')"


class Redshift(Texts):
    """Redshift: rendered and parsed, never run. It has no IS DISTINCT FROM."""

    types: ClassVar[Mapping[str, str]] = {
        "VARCHAR": "VARCHAR(65535)", "BIGINT": "DECIMAL(38,0)", "DECIMAL": "DECIMAL({},{})",
        "DOUBLE": "DOUBLE PRECISION", "BOOLEAN": "BOOLEAN", "DATE": "DATE", "TIMESTAMP": "TIMESTAMP",
        "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
    }  # fmt: skip

    def text(self, value: str) -> str:
        """Return a literal: a backslash escapes."""
        return super().text(value).replace("\\", "\\\\")

    def exact(self, text: str) -> str:
        """Return a text that is compared with regard to case."""
        return f"COLLATE({text}, 'case_sensitive')"

    def other(self, left: str, right: str) -> str:
        """Return the condition: where one is null, the first part is null, and the second says whether both are."""
        return f"({left} <> {right} OR ({left} IS NULL) <> ({right} IS NULL))"

    def part(self, text: str, number: int) -> str:
        """Return a part of a JSON array."""
        return f"JSON_EXTRACT_ARRAY_ELEMENT_TEXT({text}, {number})"

    def stripped(self, expression: str) -> str:
        """Return a text's printable ASCII."""
        return f"REGEXP_REPLACE({expression}, '[^!-~]', '')"


SPELLINGS: Mapping[str, type[Elsewhere]] = {"postgres": Postgres, "snowflake": Snowflake}
"""Type of a dbt profile → how its engine spells a comparison."""
EXPERIMENTAL: Mapping[str, type[Elsewhere]] = {"bigquery": BigQuery, "databricks": Databricks, "redshift": Redshift}
"""The same for engines that cannot keep a state yet."""

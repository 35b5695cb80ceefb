"""A connection that parses each statement once: thousands of short runs say the same things again and again."""

from __future__ import annotations

from typing import Any, Self

import duckdb

from revetl.warehouse.connection import connect

KEPT = 4000  # statements
_known: dict[str, list[Any]] = {}


class Parsed:
    """A DuckDB connection: what it does not do itself, the connection does."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        """Speak to ``con``."""
        self._con = con

    def execute(self, sql: str, parameters: object = None) -> duckdb.DuckDBPyConnection:
        """Run a text's statements, parsed already or not."""
        statements = _known.get(sql)
        if statements is None:
            if len(_known) > KEPT:
                _known.clear()
            statements = _known[sql] = self._con.extract_statements(sql)
        for statement in statements[:-1]:
            self._con.execute(statement)
        return self._con.execute(statements[-1], parameters)

    def cursor(self) -> Parsed:
        """Return a second connection."""
        return Parsed(self._con.cursor())

    def __enter__(self) -> Self:
        """Begin a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """End with the block."""
        self._con.close()

    def __getattr__(self, name: str) -> Any:
        """Return what the connection has."""
        return getattr(self._con, name)


def opened(*, planned: bool) -> Any:
    """Return a new connection in memory; not ``planned``: its optimizer rests, since tables are tiny."""
    con = connect()
    con.execute("SET threads = 1")  # threads cost more than they bring
    if not planned:
        con.execute("PRAGMA disable_optimizer")
    return Parsed(con)

"""The ledger as a file for other tools: Parquet, CSV (no cell of it runs as a formula), JSON."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from revetl.errors import StateError, UsageError
from revetl.sqltext import quote_text
from revetl.state.files import sync_directory
from revetl.state.flowlog import Filters, relation, unreadable
from revetl.state.ledger import COLUMNS
from revetl.state.views import View

OPTIONS = {
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "csv": "FORMAT csv, HEADER true",
    "json": "FORMAT json, ARRAY true",
}
# What spreadsheets take for the beginning of a formula: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = "('=', '+', '-', '@', chr(9), chr(13), chr(0))"
_TEXT = frozenset(COLUMNS) - {"seq", "time", "http_status"}


def export(view: View, path: Path, form: str, filters: Filters) -> int:
    """Write the flows that pass to ``path``, oldest first, by rename and for its owner alone; return their number.

    ``form`` is parquet, csv or json (one array). In CSV, a text that a spreadsheet would take for a formula gets a
    leading apostrophe.

    Raises:
        UsageError: RVT-523, the form is unknown or the file cannot be written.
        StateError: RVT-521, the ledger cannot be read.
    """
    if form not in OPTIONS:
        raise UsageError("RVT-523", f"{form} is no format of an export", hint=f"one of: {', '.join(sorted(OPTIONS))}")
    where, values = filters.where()
    columns = ", ".join(_column(name, form) for name in COLUMNS)
    sql = f"SELECT {columns} FROM ({relation(view)}) WHERE {where} ORDER BY seq, run"
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        view.con.execute(f"CREATE OR REPLACE TEMP TABLE exported AS {sql}", values)
        with beside.open("xb"):
            beside.chmod(0o600)
        view.con.execute(f"COPY exported TO {quote_text(str(beside))} ({OPTIONS[form]}, USE_TMP_FILE false)")
        beside.replace(path)
        sync_directory(path.absolute().parent)
    except OSError as error:
        raise UsageError("RVT-523", f"{path} cannot be written: {error.strerror}", kept="nothing was changed") from None
    except duckdb.Error as error:
        raise _failed(error, path) from None
    finally:
        beside.unlink(missing_ok=True)
    return int(view.one("SELECT count(*) FROM exported"))


def _failed(error: duckdb.Error, path: Path) -> StateError | UsageError:
    if isinstance(error, duckdb.IOException) and path.name in str(error):
        return UsageError("RVT-523", f"{path} cannot be written", kept="nothing was changed")
    return unreadable(error)


def _column(name: str, form: str) -> str:
    quoted = f'"{name}"'
    if form == "json" and name == "values":
        return f"CAST({quoted} AS JSON) AS {quoted}"
    if form == "csv" and name in _TEXT:
        return f"CASE WHEN left({quoted}, 1) IN {_FORMULA} THEN '''' || {quoted} ELSE {quoted} END AS {quoted}"
    return quoted

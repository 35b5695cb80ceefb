"""What ``revetl --version`` shows: what a report of a fault should say."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from revetl import __version__

# those that read, compare and send; dbt's own names the adapters
_PACKAGES = (
    ("dbt-core", "dbt-duckdb", "dbt-postgres", "dbt-snowflake", "dbt"),
    ("duckdb", "pyarrow", "pydantic", "orjson", "httpx", "httpcore", "click", "rich"),
    ("snowflake-connector-python", "adbc-driver-postgresql", "psycopg", "cryptography"),
)


def lines() -> Iterator[str]:
    """Yield revetl's version, that of Python and the system, and those of the packages that are installed here."""
    yield f"revetl {__version__}"
    yield f"Python {platform.python_version()} on {platform.platform(terse=True)} ({platform.machine()})"
    for group in _PACKAGES:
        found = [f"{name} {number}" for name in group if (number := _installed(name))]
        if found:
            yield ", ".join(found)


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""

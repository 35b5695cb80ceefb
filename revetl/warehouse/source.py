"""What a source of models is, and which one a profile opens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from revetl.errors import ConfigError, RevetlError
from revetl.types import Relation
from revetl.warehouse.profiles import Profile

if TYPE_CHECKING:
    import duckdb

    from revetl.warehouse.landing import Described


@dataclass(frozen=True, slots=True)
class Table:
    """A relation as it stands there: its quoted name for SQL, and column → DuckDB type in the table's order."""

    relation: Relation
    name: str
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Tables:
    """The relations asked for: those that can be read, and why the others cannot."""

    found: Mapping[Relation, Table] = field(default_factory=dict)
    missing: Mapping[Relation, RevetlError] = field(default_factory=dict)


Needs = Mapping[Relation, frozenset[str]]
"""The columns that are read of each relation, as models spell them."""


@dataclass(frozen=True, slots=True)
class Within:
    """Rows of a relation: those whose ``columns`` (as models spell them), typed as ``kinds``, are one of ``keys``."""

    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    keys: frozenset[tuple[str, ...]]  # as DuckDB writes the values

    def union(self, other: Within) -> Within | None:
        """Return the rows of both; None where they are told by other columns."""
        if (self.columns, self.kinds) != (other.columns, other.kinds):
            return None
        return Within(self.columns, self.kinds, self.keys | other.keys)


@dataclass(frozen=True, slots=True)
class Since:
    """Rows of a relation whose ``column`` (as models spell it) says ``micros`` or later, or says nothing."""

    column: str
    micros: int  # since 1970, UTC


INSTANTS = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})
"""The types of columns that can say when a row changed."""

Only = Mapping[Relation, Within | Since]
"""What a partial read is content with; of a relation that is not in it, every row is read."""


class Source(Protocol):
    """Makes the models of one profile readable on a DuckDB connection."""

    def attach(self, con: duckdb.DuckDBPyConnection) -> None:
        """Open what the profile names, read-only, on ``con``; again after :meth:`release` too."""

    def tables(
        self,
        con: duckdb.DuckDBPyConnection,
        relations: Sequence[Relation],
        needs: Needs | None = None,
        only: Only | None = None,
    ) -> Tables:
        """Return what can be read of ``relations``; attaches first where that is still to do.

        Without ``needs`` they are described only: rows can be read of the columns that it names. ``only`` allows to
        leave out other rows; who asks for it must not rely on that.
        """

    def release(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let go of it, so that dbt may write again."""


@runtime_checkable
class Answering(Source, Protocol):
    """A source whose warehouse answers SQL of its own, so that it can compare what it has with what lies beside it."""

    def described(self, relations: Sequence[Relation]) -> Mapping[Relation, Described | RevetlError]:
        """Return each relation as its warehouse has it, or why it cannot be read."""

    def ask(self, con: duckdb.DuckDBPyConnection, sql: str, table: str) -> None:
        """Let the warehouse answer a SELECT of texts, as of when models are read, into a temporary table.

        Raises:
            ConfigError: it refuses the statement.
            TryLater: it is out of reach.
        """


def open_source(profile: Profile, project_dir: Path) -> Source:
    """Return the source of the models that ``profile`` describes; nothing is opened yet.

    Raises:
        ConfigError: RVT-404, this type is not supported yet; RVT-405, its database cannot be opened from here.
    """
    if profile.type == "duckdb":
        from revetl.warehouse.duck import DuckDBSource

        return DuckDBSource(profile, project_dir)
    if profile.type == "postgres":
        from revetl.warehouse.landing import LandedSource
        from revetl.warehouse.postgres import PostgresReader

        return LandedSource(lambda: PostgresReader(profile))
    if profile.type == "snowflake":
        from revetl.warehouse.landing import LandedSource
        from revetl.warehouse.snowflake import SnowflakeReader

        return LandedSource(lambda: SnowflakeReader(profile))
    what = f"target {profile.target} is a {profile.type} warehouse, which revetl cannot read yet"
    raise ConfigError("RVT-404", what, hint="`type: duckdb`, `postgres` and `snowflake` work")

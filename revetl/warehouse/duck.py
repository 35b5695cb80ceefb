"""Models in DuckDB files: attached read-only under dbt's own database names, described, and let go quickly.

A reader that stays attached blocks ``dbt build``, and a writer blocks us: DuckDB lets one process write, or many read.
Source: https://duckdb.org/docs/stable/connect/concurrency
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

import duckdb

from revetl.errors import ConfigError, RevetlError, TryLater
from revetl.sqltext import quote_identifier, quote_text
from revetl.types import Relation
from revetl.warehouse.connection import first_line
from revetl.warehouse.databases import Database, databases
from revetl.warehouse.profiles import Profile
from revetl.warehouse.source import Needs, Only, Table, Tables

_HELD = ("Could not set lock", "Conflicting lock", "already attached", "used by another process")
Names = dict[str, dict[tuple[str, str], tuple[str, str]]]  # database → (schema, table), folded → as they are written


class DuckDBSource:
    """The database files of a dbt-duckdb profile."""

    def __init__(self, profile: Profile, project_dir: Path) -> None:
        """Read the profile; nothing is opened yet.

        Raises:
            ConfigError: RVT-405, its main database is no file that can be opened from here.
        """
        self._databases = databases(profile, project_dir)
        self._target = profile.target
        self._problems: dict[str, RevetlError] = {}  # database, folded → why it is not open
        self._attached: list[str] = []

    def attach(self, con: duckdb.DuckDBPyConnection) -> None:
        """Attach the databases of the profile to ``con``, read-only.

        Raises:
            ConfigError: RVT-410, the main file is missing; RVT-412, it cannot be opened.
            TryLater: RVT-411, another process is writing to it.
        """
        if self._attached:
            return
        main, *others = self._databases
        _attach(con, main)
        self._attached = [main.name]
        for database in others:
            try:
                _attach(con, database)
                self._attached.append(database.name)
            except RevetlError as problem:  # its own relations are missing; those of the main database are not
                self._problems[database.name.lower()] = problem

    def tables(
        self,
        con: duckdb.DuckDBPyConnection,
        relations: Sequence[Relation],
        needs: Needs | None = None,
        only: Only | None = None,
    ) -> Tables:
        """Return each relation's quoted name and columns, or why it cannot be read; raises as :meth:`attach`.

        All of an attached table can be read, whatever ``needs`` and ``only`` say.
        """
        del needs, only
        self.attach(con)
        known = _names(con, self._attached)
        found: dict[Relation, Table] = {}
        missing: dict[Relation, RevetlError] = {}
        for relation in dict.fromkeys(relations):
            try:
                found[relation] = self._table(con, relation, known)
            except RevetlError as problem:
                missing[relation] = problem
        return Tables(found, missing)

    def release(self, con: duckdb.DuckDBPyConnection) -> None:
        """Detach everything: dbt may write again. Harmless where nothing is attached."""
        while self._attached:
            con.execute(f"DETACH {quote_identifier(self._attached[-1])}")
            self._attached.pop()
        self._problems.clear()

    def _table(self, con: duckdb.DuckDBPyConnection, relation: Relation, known: Names) -> Table:
        database = self._database(relation)
        names = known[database]
        wanted = ((relation.schema or "main").lower(), relation.identifier.lower())
        if wanted not in names:
            raise _missing(relation, names.values())
        name = ".".join(quote_identifier(part) for part in (database, *names[wanted]))
        try:
            rows = con.execute(f"DESCRIBE SELECT * FROM {name}").fetchall()
        except duckdb.PermissionException:
            what = f"{relation} is a view over files, which revetl does not open"
            raise ConfigError("RVT-414", what, hint="materialize it as a table") from None
        except duckdb.Error as error:
            what = f"{relation} cannot be read: {first_line(error)}"
            raise ConfigError("RVT-414", what, hint="run `dbt build` for it") from None
        return Table(relation, name, {str(row[0]): str(row[1]) for row in rows})

    def _database(self, relation: Relation) -> str:
        """Return the attached database, as it is written here, that the relation names."""
        wanted = (relation.database or self._databases[0].name).lower()
        if wanted in self._problems:
            raise self._problems[wanted]
        for name in self._attached:
            if name.lower() == wanted:
                return name
        what = f"{relation} lies in a database that target {self._target} does not open"
        names = ", ".join(self._attached)
        raise ConfigError("RVT-415", what, hint=f"it opens {names}; use the --target that dbt was built with")


def _attach(con: duckdb.DuckDBPyConnection, database: Database) -> None:
    if database.problem is not None:
        raise database.problem
    if not database.path.exists():
        what = f"the database {database.name} is not there: {database.path}"
        raise ConfigError("RVT-410", what, hint="run `dbt build` with the same target first")
    try:
        con.execute(f"ATTACH {quote_text(str(database.path))} AS {quote_identifier(database.name)} (READ_ONLY)")
    except duckdb.Error as error:
        raise _unopened(database, first_line(error)) from None


def _unopened(database: Database, words: str) -> RevetlError:
    """Return the error that DuckDB's words are about; its classes do not tell these cases apart."""
    if any(sign in words for sign in _HELD):
        pid = re.search(r"\(PID (\d+)\)", words)
        holder = f"process {pid[1]}" if pid else "another process"
        what = f"the database {database.name} is being written by {holder}: {database.path}"
        return TryLater("RVT-411", what, kept="Nothing was read or sent.", hint="wait until dbt is done, then repeat")
    hint = "check the file and its permissions"
    if "version number" in words:
        hint = "it was written by a newer DuckDB: pip install --upgrade duckdb"
    return ConfigError("RVT-412", f"the database {database.name} cannot be opened: {words}", hint=hint)


def _names(con: duckdb.DuckDBPyConnection, attached: Iterable[str]) -> Names:
    """Return the tables and views of each attached database; DuckDB takes names without regard to case."""
    names: Names = {name: {} for name in attached}
    folded = {name.lower(): name for name in names}
    listing = "SELECT database_name, schema_name, table_name FROM duckdb_tables() UNION ALL "
    listing += "SELECT database_name, schema_name, view_name FROM duckdb_views() WHERE NOT internal"
    for database, schema, table in con.execute(listing).fetchall():
        if database.lower() in folded:
            names[folded[database.lower()]][schema.lower(), table.lower()] = (schema, table)
    return names


def _missing(relation: Relation, names: Iterable[tuple[str, str]]) -> ConfigError:
    dotted = {f"{schema}.{table}".lower(): f"{schema}.{table}" for schema, table in names}
    wanted = f"{relation.schema or 'main'}.{relation.identifier}".lower()
    same_table = [name for key, name in dotted.items() if key.rpartition(".")[2] == wanted.rpartition(".")[2]]
    close = same_table or [dotted[key] for key in get_close_matches(wanted, dotted, n=1)]
    hint = f"did you mean {close[0]}? Else run `dbt build`" if close else "run `dbt build` first"
    return ConfigError("RVT-413", f"{relation} is not in the database", hint=hint)

"""Models in Postgres, read over ADBC: Arrow from the server's binary COPY, all models in one snapshot.

Sources: https://arrow.apache.org/adbc/current/driver/postgresql.html,
https://docs.getdbt.com/docs/core/connect-data-platform/postgres-setup
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from revetl.errors import ConfigError, RevetlError, TryLater
from revetl.sqltext import quote_identifier, quote_text
from revetl.types import JSON, Relation
from revetl.warehouse.landing import Described, Kind, not_there, selected
from revetl.warehouse.pgtypes import kind_of
from revetl.warehouse.profiles import Profile

# profile field → libpq parameter (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS)
_PARAMETERS = {
    "host": "host", "port": "port", "user": "user", "password": "password", "pass": "password", "dbname": "dbname",
    "database": "dbname", "connect_timeout": "connect_timeout", "keepalives_idle": "keepalives_idle",
    "sslmode": "sslmode", "sslcert": "sslcert", "sslkey": "sslkey", "sslrootcert": "sslrootcert",
}  # fmt: skip
_ONE_MOMENT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SPELT = "SET LOCAL DateStyle = 'ISO, YMD'"
_NO_ACCESS = ("28", "42501")  # invalid authorization; insufficient privilege

_COLUMNS = """
SELECT n.nspname, c.relname, a.attname, b.typname, coalesce(nullif(t.typtypmod, -1), a.atttypmod), b.typtype,
    coalesce(e.typname, ''), has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT')
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
LEFT JOIN pg_catalog.pg_type e ON e.oid = b.typelem AND b.typcategory = 'A'
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND (n.nspname, c.relname) IN ({names})
ORDER BY n.nspname, c.relname, a.attnum
"""


def uri(fields: Mapping[str, JSON]) -> str:
    """Return the connection URI of a profile's output; every value is escaped, none is shown anywhere."""
    given = {_PARAMETERS[name]: value for name, value in fields.items() if name in _PARAMETERS and value is not None}
    given = {"connect_timeout": 10, **given, "application_name": "revetl"}
    if fields.get("role"):
        given["options"] = f"-c role={str(fields['role']).replace(chr(92), chr(92) * 2).replace(' ', chr(92) + ' ')}"
    return "postgresql:///?" + "&".join(f"{name}={quote(str(value), safe='')}" for name, value in given.items())


class PostgresReader:
    """One connection, one transaction: read only, every model as it stood at the same moment."""

    def __init__(self, profile: Profile) -> None:
        """Connect.

        Raises:
            ConfigError: RVT-417, the driver is not installed; RVT-418, the server refuses the credentials.
            TryLater: RVT-419, it is out of reach.
        """
        try:
            from adbc_driver_postgresql import dbapi
        except ImportError:
            what = "reading Postgres needs a driver that is not installed"
            raise ConfigError("RVT-417", what, hint="pip install 'revetl[postgres]'") from None
        self._errors: Any = dbapi
        self._target = profile.target
        try:
            self._con = dbapi.connect(uri(profile.fields))
            with self._con.cursor() as cursor:
                cursor.execute(_ONE_MOMENT)
                cursor.execute(_SPELT)
                cursor.execute("SELECT current_database()")
                self._database = str(cursor.fetchall()[0][0])
        except dbapi.Error as error:
            raise _unreached(error, profile) from None

    def describe(self, relations: Sequence[Relation]) -> Mapping[Relation, Described | RevetlError]:
        """Return each relation's columns, or why it cannot be read."""
        places = {relation: (_folded(relation, 1) or "public", _folded(relation, 2) or "") for relation in relations}
        names = ", ".join(f"({quote_text(schema)}, {quote_text(name)})" for schema, name in set(places.values()))
        rows = self._rows(_COLUMNS.format(names=names)) if names else []
        there: dict[tuple[str, str], dict[str, Kind]] = {}
        readable: dict[tuple[str, str], bool] = {}
        for schema, name, column, kind, modifier, category, element, may in rows:
            there.setdefault((schema, name), {})[column] = kind_of(kind, modifier, category, element)
            readable[schema, name] = may
        found: dict[Relation, Described | RevetlError] = {}
        for relation, place in places.items():
            if relation.database and _folded(relation, 0) != self._database:
                what = f"{relation} lies in another database than the one of target {self._target}: {self._database}"
                found[relation] = ConfigError("RVT-415", what, hint="use the --target that dbt was built with")
            elif place not in there:
                found[relation] = not_there(relation, self._known())
            elif not readable[place]:
                found[relation] = _no_grant(relation)
            else:
                quoted = ".".join(quote_identifier(part) for part in place)
                found[relation] = Described(quoted, there[place])
        return found

    def batches(
        self, name: str, columns: Mapping[str, Kind], where: str = ""
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Return these columns of a relation."""
        return self.query(selected(name, columns, where))

    @contextmanager
    def query(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        """Yield the rows of a SELECT."""
        with self._con.cursor() as cursor:
            try:
                cursor.execute(sql)
                yield cursor.fetch_record_batch()
            except self._errors.Error as error:
                raise self._back(_broken(error)) from None
            except (pa.ArrowException, OSError) as error:
                raise self._back(_broken_off(error)) from None

    def text(self, value: str) -> str:
        """Return a text as a literal: backslashes stay, whatever ``standard_conforming_strings`` says."""
        plain = quote_text(value)
        return plain if "\\" not in value else "E" + plain.replace("\\", "\\\\")

    def _back(self, problem: RevetlError) -> RevetlError:
        """Return the problem; where it is one model's, others can still be read, as of a later moment."""
        if isinstance(problem, ConfigError):
            self._con.rollback()
            with self._con.cursor() as cursor:
                cursor.execute(_ONE_MOMENT)
                cursor.execute(_SPELT)
        return problem

    def close(self) -> None:
        """Let go of the connection."""
        try:
            self._con.close()
        except self._errors.Error:  # the server is gone already, which is what was wanted
            return

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        try:
            with self._con.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())
        except self._errors.Error as error:
            raise _broken(error) from None

    def _known(self) -> list[str]:
        sql = (
            "SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
            "ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN "
            "('pg_catalog', 'information_schema') LIMIT 10000"
        )
        return [str(row[0]) for row in self._rows(sql)]


def _folded(relation: Relation, part: int) -> str | None:
    """Return a part of a relation's name as Postgres knows it: without quotes it is lower case."""
    name = (relation.database, relation.schema, relation.identifier)[part]
    return name if name is None or relation.quoted[part] else name.lower()


def _no_grant(relation: Relation) -> ConfigError:
    what = f"{relation} may not be read by this user"
    hint = f"GRANT SELECT ON {relation.schema}.{relation.identifier} TO the user of the profile (dbt: `grants:`)"
    return ConfigError("RVT-414", what, hint=hint)


def _unreached(error: Any, profile: Profile) -> RevetlError:
    """Return what a failed connection means; the driver's own words may repeat the password, so they are not shown."""
    words, place = str(error), f"{profile.fields.get('host', 'localhost')}:{profile.fields.get('port', 5432)}"
    refused = ("authentication failed", "does not exist", "no pg_hba.conf entry", "permission denied", "no password")
    if (getattr(error, "sqlstate", None) or "").startswith(_NO_ACCESS) or any(sign in words for sign in refused):
        what = f"Postgres at {place} refuses target {profile.target}: check user, password and database"
        return ConfigError("RVT-418", what, hint="dbt debug")
    what = f"Postgres at {place} cannot be reached"
    return TryLater("RVT-419", what, kept="Nothing was read or sent.", hint="try later, or check host and port")


def _broken(error: Any) -> RevetlError:
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith(_NO_ACCESS):
        return ConfigError("RVT-414", "a model or one of its columns may not be read by this user", hint="GRANT SELECT")
    if state[:2] in ("42", "22", "0A"):
        return ConfigError("RVT-414", f"a model cannot be read (SQLSTATE {state})", hint="run `dbt build` for it")
    return _cut()


def _broken_off(error: Exception) -> RevetlError:
    """Return what ended a stream of rows; the server's words may hold a value, so they are not shown."""
    if "ERROR:" not in str(error):  # which a query has, and a connection that is closed (FATAL) has not
        return _cut()
    what = "a model cannot be read to its end: its query fails at one of its rows"
    return ConfigError("RVT-414", what, kept="nothing of it was sent", hint="select from it, and mend the model")


def _cut() -> TryLater:
    return TryLater("RVT-419", "the connection to Postgres was lost", kept="Nothing was sent.", hint="repeat it later")

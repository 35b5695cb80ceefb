"""The working copy of a shared state: a run's DuckDB, whose commits are the owner's commits first.

All of this room speaks DuckDB's SQL to ``revetl_state``. Where the state is shared, that is a database in memory:
a table is fetched from its owner when a statement first names it, and what a transaction writes is captured row by row
and committed there before it is committed here. The copy may be lost at any moment; the owner then has all that counts.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb

from revetl.errors import TryLater
from revetl.state.capture import Write, tables_of, write_of
from revetl.state.native import arriving, leaving
from revetl.state.owner import Columns, Delete, Drop, Forward, Insert, Make, Owner, Row, Step
from revetl.state.schema import STATE

# By which columns a row is known; of tables that are not named here, by all of them.
KEYS: Mapping[str, tuple[str, ...]] = {
    "runs": ("run",), "syncs": ("id",), "fields": ("sync_id", "ordinal"), "cohorts": ("sync_id", "cohort"),
    "remote": ("sync", "key"), "outbox": ("run", "seq"), "acks": ("run", "lo"), "exceptions": ("run", "seq"),
    "remote_new": ("run", "seq"), "kept": ("run", "seq"), "started": ("run", "lo", "hi"), "approvals": ("id",),
    "chain": ("n",), "opted_out": ("sync", "key", "found_by"), "pending": ("sync", "key", "op", "cohort"),
    "rejected": ("sync", "key", "op", "cohort"),
}  # fmt: skip
_COMPARED = re.compile(r"\b(\w+) = \?")  # of a simple statement: in quotes, a name is the same to every engine
_OF_SYNC = re.compile(r"(snap|members|after)_\d+\Z")
# Acknowledgements: a lost one is only a change that is sent again, so they need no commit of their own there.
LAZY = frozenset({"acks", "exceptions", "remote_new", "kept"})
PATIENCE = 2.0  # seconds for which acknowledgements are gathered


def known_by(table: str, columns: Columns) -> Columns:
    """Return the columns by which rows of a table are told apart."""
    names = KEYS.get(table)
    kind = _OF_SYNC.match(table)
    if kind is not None:
        keys = tuple(name for name in columns if re.fullmatch(r"k\d+", name))
        names = {"snap": keys, "members": (*keys, "cohort"), "after": ("seq",)}[kind[1]]
    return {name: columns[name] for name in names} if names else columns


class WorkingCopy:
    """Stands where a connection stands, for the store and all who use it; everything else goes to ``con`` as it is."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        owner: Owner,
        token: str | None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Attach an empty database and learn which tables the owner has; ``token`` None: for reading alone."""
        self.con = con
        self.owner = owner
        self.head: Mapping[str, str] = {}
        self._token = token
        self._monotonic = monotonic
        self._steps: list[Step] = []  # of this transaction
        self._waiting: list[Step] = []  # committed here, and not there yet
        self._since = monotonic()
        self._open = False  # a transaction
        con.execute(f"ATTACH ':memory:' AS {STATE}")
        self._columns: dict[str, Columns] = {}
        self._absent: set[str] = set()  # tables that are not fetched yet
        self._partly: dict[str, set[Row]] = {}  # tables of which only rows with these keys are
        self._before = self._columns, self._absent, self._partly  # this transaction
        self._brought: set[str] = set()  # tables of which rows with some keys were fetched in it
        for table, columns in owner.tables().items():
            self._make(table, columns)
            self._absent.add(table)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.con, name)

    def execute(self, sql: str, parameters: Any = None) -> Any:
        """Run one statement, or several without parameters."""
        text = sql.strip()
        if text == "BEGIN":
            self._open = True
            self._before = dict(self._columns), set(self._absent), dict(self._partly)
            self._brought.clear()
        elif text == "COMMIT":
            self._publish()
            self._open = False
        elif text == "ROLLBACK":
            return self._rolled_back(self.con.execute(sql))
        elif STATE in text:
            return self._on_state(text, parameters)
        return self.con.execute(sql, parameters)

    def _rolled_back(self, done: Any) -> Any:
        """Know as little as before the transaction: what was fetched in it is not here any more."""
        self._steps.clear()
        self._open = False
        self._columns, self._absent, self._partly = self._before
        for table in self._brought:
            self.entire(table)
        return done

    def advance(self, head: Mapping[str, str]) -> None:
        """Commit to the owner what was gathered, with a new head."""
        self.head = head
        self._publish(now=True)

    @property
    def known(self) -> Mapping[str, Columns]:
        """Return the tables of the state, with the types of their columns."""
        return self._columns

    def add(self, steps: Sequence[Step]) -> None:
        """Let steps go with the next commit."""
        self._waiting += steps

    # --- reading --------------------------------------------------------------------------------------------------

    def fetch(self, table: str) -> None:
        """Bring a table here; harmless where it is here already."""
        if table in self._absent:
            self._absent.discard(table)
            self._fetch(table, None)

    def partly(self, table: str, keys: Delete) -> None:
        """Bring the rows with these keys, if they are not here: whoever names the table from now on is content.

        Other rows than those must not be written to. Keys of one column stand for all that begin with it.
        """
        if table not in self._columns or table not in self._absent | self._partly.keys():
            return
        self._absent.discard(table)
        here = self._partly.setdefault(table, set())
        wanted = dict.fromkeys(map(tuple, keys.rows or ()))
        new = [row for row in wanted if row not in here and row[:1] not in here]
        here.update(new)
        if new:
            self._brought.add(table)
            self._fetch(table, Delete(table, keys.columns, new))

    def entire(self, table: str) -> None:
        """Let a table be fetched as a whole when it is named next, whatever of it is here."""
        if self._partly.pop(table, None) is not None:
            self.con.execute(f"DELETE FROM {STATE}.{table}")
            self._absent.add(table)

    def lacks(self, table: str) -> bool:
        """Return whether rows of a table may be with the owner alone."""
        return table in self._absent or table in self._partly

    def _fetch(self, table: str, keys: Delete | None) -> None:
        import pyarrow as pa  # not earlier: a command without a shared state starts without it

        columns = self._columns[table]
        self.con.execute("SELECT 1").fetchall()  # whatever was asked before and not read to its end is over
        select = ", ".join(arriving(f'"{name}"', kind) for name, kind in columns.items())
        for rows in self.owner.read(table, columns, keys):
            values = list(zip(*rows, strict=True)) or [()] * len(columns)
            batch = pa.table({name: pa.array(v, pa.string()) for name, v in zip(columns, values, strict=True)})
            self.con.register("revetl_fetched", batch)
            try:
                self.con.execute(f"INSERT INTO {STATE}.{table} SELECT {select} FROM revetl_fetched")
            finally:
                self.con.unregister("revetl_fetched")

    # --- writing --------------------------------------------------------------------------------------------------

    def _on_state(self, sql: str, parameters: Any) -> Any:
        for table in tables_of(sql):
            if sql.startswith("DROP "):
                self._absent.discard(table)
                self._partly.pop(table, None)
            else:
                self.fetch(table)
        if ";" in sql and not parameters:
            for statement in self.con.extract_statements(sql):
                self._one(statement.query.strip().removesuffix(";"), None)
            return self.con
        return self._one(sql, parameters)

    def _one(self, sql: str, parameters: Any) -> Any:
        write = write_of(sql)
        if write is None:
            return self.con.execute(sql, parameters)
        if self._open:
            self._captured(write, sql, parameters)
            return self.con
        self.execute("BEGIN")
        try:
            self._captured(write, sql, parameters)
        except BaseException:
            self.execute("ROLLBACK")
            raise
        return self.execute("COMMIT")

    def _captured(self, write: Write, sql: str, parameters: Any) -> None:
        if write.verb in {"create", "alter", "drop"}:
            self.con.execute(sql, parameters)
            self._steps += self._defined(write)
            return
        columns = self._columns[write.table]
        keys = known_by(write.table, columns)
        if write.simple and all(isinstance(value, str | int) for value in parameters):
            self.con.execute(sql, parameters)
            text = _COMPARED.sub(r'"\1" = %s', sql.replace(f"{STATE}.{write.table}", "{table}"))
            self._steps.append(Forward(write.table, text, list(parameters)))
        elif write.verb == "delete":
            self._steps.append(Delete(write.table, keys, self._returned(write, sql, parameters, keys)))
        elif write.verb == "update":
            rows = self._returned(write, sql, parameters, columns)
            if write.assigned & set(keys):  # by what its rows were known is gone
                self._entire(write.table)
                self._steps += [
                    Delete(write.table, columns, None),
                    Insert(write.table, columns, self._all(write.table)),
                ]
                return
            places = [list(columns).index(name) for name in keys]
            self._steps.append(Delete(write.table, keys, [[row[n] for n in places] for row in rows]))
            self._steps.append(Insert(write.table, columns, rows))
        else:
            self._steps.append(Insert(write.table, columns, self._returned(write, sql, parameters, columns)))

    def _returned(self, write: Write, sql: str, parameters: Any, columns: Columns) -> list[Row]:
        """Run the statement and return the rows that it wrote, as text."""
        listed = ", ".join(leaving(f'{write.alias}."{name}"', kind) for name, kind in columns.items())
        return list(self.con.execute(f"{sql} RETURNING {listed}", parameters).fetchall())

    def _defined(self, write: Write) -> list[Step]:
        """Return the steps that bring a table there to how it is defined here by now."""
        table, before = write.table, self._columns.pop(write.table, {})
        found = self.con.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = ? AND table_name = ? "
            "ORDER BY column_index",
            [STATE, table],
        ).fetchall()
        columns = dict(found)
        if not columns:
            return [Drop(table)] if before else []
        self._columns[table] = columns
        changed = [name for name, kind in columns.items() if before.get(name, kind) != kind]
        made = Make(table, columns)
        if before and not changed:
            return [made]
        self._entire(table)
        rows = self._all(table)
        again: list[Step] = [Make(table, {n: k for n, k in columns.items() if n not in changed})] if before else []
        return [*again, made, *([Delete(table, columns, None)] if before else []), Insert(table, columns, rows)]

    def _entire(self, table: str) -> None:
        """Refuse to write a whole table anew of which only some rows are here."""
        if table in self._partly:
            raise RuntimeError(f"{table} cannot be written anew: some of its rows are not here")

    def _all(self, table: str) -> list[Row]:
        listed = ", ".join(leaving(f'"{name}"', kind) for name, kind in self._columns[table].items())
        return list(self.con.execute(f"SELECT {listed} FROM {STATE}.{table}").fetchall())

    def _make(self, table: str, columns: Columns) -> None:
        listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        self.con.execute(f"CREATE TABLE {STATE}.{table} ({listed})")
        self._columns[table] = dict(columns)

    def _publish(self, *, now: bool = False) -> None:
        """Commit what was captured to the owner, unless it is only acknowledgements and they can wait a little."""
        steps = [*self._waiting, *self._steps]
        if not steps and not now:
            return
        lazy = all(isinstance(step, Insert) and step.table in LAZY for step in steps)
        if lazy and not now and self._monotonic() - self._since < PATIENCE:
            self._waiting, self._steps = steps, []
            return
        if self._token is None:
            raise RuntimeError("a shared state that was opened for reading is written to")
        if not self.owner.write(self._token, steps, self.head):
            raise lost()
        self._waiting, self._steps = [], []
        self._since = self._monotonic()


def lost() -> TryLater:
    """Return the error of a run whose lease is gone."""
    return TryLater(
        "RVT-512",
        "this run could not renew its lease in time, so another may have taken over",
        kept="what was sent is recorded as sent or as unknown; nothing more was sent",
        hint="run the same command again: what is unknown is sent again",
    )

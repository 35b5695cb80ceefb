"""A state in memory whose runs are closed: two syncs by the same keys, changes and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from revetl.state.close import Closing, close_run
from revetl.state.layout import StoredField, StoredSync, add_field, make_tables
from revetl.state.outbox import begin_run
from revetl.state.schema import STATE
from revetl.state.store import Store
from revetl.warehouse.connection import connect
from tests.unit.state.written import NOON

S, T = "crm.person's", "crm.other"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
SLOTS = (
    StoredField(0, "email", "p", "m", "VARCHAR", None, fresh=False, orphan=False),
    StoredField(1, "band", "p", "m", "VARCHAR", None, fresh=False, orphan=False),
    StoredField(2, "firm", "p", "m", "VARCHAR", None, fresh=False, orphan=False, link="crm.firm"),
    StoredField(3, "former", "p", "m", "VARCHAR", None, fresh=False, orphan=True),
    StoredField(4, "since", "p", "m", "VARCHAR", None, fresh=False, orphan=False, cohort="vip"),
    StoredField(5, "until", "p", "m", "VARCHAR", None, fresh=False, orphan=True, cohort="vip"),
)


@dataclass(frozen=True)
class C:
    """One change, and what became of it: ``status`` None if nothing was heard of it."""

    who: str
    op: str = "upsert"
    m: str | None = None
    status: str | None = "delivered"
    cohort: str | None = None
    before: str | None = None
    local: str | None = None
    code: str = ""
    reason: str = ""
    values: Mapping[int, str] = field(default_factory=dict)  # slot → value
    body: str = "{}"
    links: str | None = None
    new: tuple[str | None, bool | None] | None = None  # id there, whether it was made
    sync: str = S

    @property
    def key(self) -> str:
        """Return the key's text."""
        return key(self.who)


def key(who: str) -> str:
    """Return the text of somebody's key."""
    return f'["{who}",1]'


class World:
    """A state in memory with two syncs by the same keys, of which the second one is never meant."""

    def __init__(self, directory: Path | None = None) -> None:
        """Begin at noon; everybody whom the first sync knows is known to the second one, too."""
        self.con = connect()
        self.con.execute("SET threads = 1; PRAGMA disable_optimizer")
        self.now, self.seq, self.runs = NOON, 0, 0
        self.points: list[str] = []
        self.store = Store(self.con, directory, lambda: self.now, self.points.append)
        for number, name in ((1, S), (2, T)):
            make_tables(
                self.store, StoredSync(number, name, ("VARCHAR", "INTEGER"), "email", 1, {}, None, f"flow'{number}", 0)
            )
            for slot in SLOTS:
                add_field(self.store, number, slot)
        self.con.execute(f"UPDATE {STATE}.fields SET orphan = true WHERE field IN ('former', 'until')")

    def known(self, *people: str, **slots: str) -> None:
        """Let both syncs have these people in their snapshot."""
        for who in people:
            for number in (1, 2):
                values = [who, 1, f"{who}@x", *(slots.get(f"f{n}") for n in range(4))]
                self.con.execute(f"INSERT INTO {STATE}.snap_{number} VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def member(self, who: str, cohort: str, *values: str | None) -> None:
        """Let both syncs have a membership."""
        for number in (1, 2):
            row = [who, 1, cohort, *(values or (None, None))]
            self.con.execute(f"INSERT INTO {STATE}.members_{number} VALUES (?, ?, ?, ?, ?)", row)

    def stage(self, *changes: C, run: str | None = None) -> str:
        """Begin a run with these changes; answers come a minute later."""
        self.runs += 1
        run = run or f"r{self.runs}"
        begin_run(self.store, run, {})
        for one in changes:
            self.seq += 1
            self._put(run, one)
        self.store.set_meta("seq", str(self.seq))
        return run

    def _put(self, run: str, one: C) -> None:
        low, before = (text.lower() if text else None for text in (one.m, one.before))
        self.add(
            "outbox", run=run, seq=self.seq, sync=one.sync, key=one.key, op=one.op, cohort=one.cohort, cause="data",
            m=one.m, i=low, bm=one.before, bi=before, local=one.local, body=one.body, links=one.links,
        )  # fmt: skip
        at = self.now + MINUTE
        if one.local is None and one.status == "delivered" and not one.code:
            self.add("acks", run=run, lo=self.seq, hi=self.seq, status="delivered", ts=at, http_status=200)
        elif one.local is None and one.status is not None:
            self.add("exceptions", run=run, seq=self.seq, status=one.status, code=one.code, reason=one.reason, ts=at)
        if one.op in {"upsert", "join"}:
            slots = {f"f{n}": value for n, value in one.values.items()}
            number = 1 if one.sync == S else 2
            self.add(f"after_{number}", seq=self.seq, k0=one.who, k1=1, m=one.m, **slots)
        if one.new is not None:
            self.add("remote_new", run=run, seq=self.seq, remote_id=one.new[0], created=one.new[1])

    def add(self, table: str, **row: object) -> None:
        """Insert a row."""
        marks = ", ".join("?" * len(row))
        self.con.execute(f"INSERT INTO {STATE}.{table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))

    def do(self, *changes: C, late: float = 900.0, **closing: Any) -> str:
        """Do a whole run; an hour later is the next one."""
        run = self.stage(*changes)
        close_run(self.store, run, Closing({S: late}, **closing))
        self.now += HOUR
        return run

    def rows(self, sql: str) -> list[Any]:
        """Ask the state."""
        return self.store.rows(sql.replace("{s}", STATE))

    def snap(self) -> dict[str, list[Any]]:
        """Return the snapshot: person → address and fields."""
        return {
            row[0]: list(row[2:]) for row in self.rows("SELECT k0, k1, m, f0, f1, f2, f3 FROM {s}.snap_1 ORDER BY ALL")
        }

    def members(self) -> list[Any]:
        """Return the memberships: person, cohort and what they carry."""
        return self.rows("SELECT k0, cohort, f4, f5 FROM {s}.members_1 ORDER BY ALL")

    def other(self) -> list[Any]:
        """Return what the second sync has."""
        tables = (
            "snap_2",
            "members_2",
            *(f"{table} WHERE sync = '{T}'" for table in ("remote", "pending", "rejected")),
        )
        return [self.rows(f"SELECT * FROM {{s}}.{table} ORDER BY ALL") for table in tables]

    def doubts(self, what: str = "key, op, cohort") -> list[Any]:
        """Return the doubts of the first sync."""
        return self.rows(f"SELECT {what} FROM {{s}}.pending WHERE sync <> '{T}' ORDER BY ALL")

"""The diff where models and state lie together: the warehouse finds who differs, and only their rows travel.

What it finds is never too little and may be too much: the rows of those keys are compared again here, as a partial
read is. To them belongs whoever else the rules look at: keys of unknown outcome, and whoever stands at an identity that
one of them comes to or goes from. What cannot be compared there is read whole, and the run says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from revetl.diff import candidates, desired
from revetl.diff.shape import STATE, Shape
from revetl.engine import shapes
from revetl.engine.keyed import Asked, Counted
from revetl.engine.nearby import PARTS, Nearby
from revetl.engine.recent import Recent
from revetl.engine.session import Session
from revetl.engine.shapes import Shaped
from revetl.engine.there import Cannot, Told, tables, there
from revetl.errors import ConfigError, StateError
from revetl.sqltext import quote_text
from revetl.state.layout import load_sync
from revetl.state.native import arriving, leaving
from revetl.state.trouble import is_broken
from revetl.types import SyncPlan
from revetl.warehouse.connection import QueryError
from revetl.warehouse.source import Answering, Tables

SHARE, FEW, MANY = 0.5, 1_000, 1_000_000  # of the known records; a few are no reason to read all, too many are


def look(session: Session, plans: Sequence[SyncPlan]) -> Mapping[str, Recent]:
    """Return what each sync reads in this run; nothing where models and state do not lie together."""
    source = session.source
    if session.spelling is None or not isinstance(source, Answering):
        return {}
    told = source.described([ref.relation for plan in plans for ref in shapes.described(plan)])
    found = {plan.name: _one(session, plan, told, number) for number, plan in enumerate(plans)}
    for plan in plans:
        stored = load_sync(session.store, plan.name)
        if stored is not None and found[plan.name].asked is None:
            for name in PARTS:
                session.store.entire(f"{name}_{stored.id}")  # some of it may be here
    bring_ids(session, plans, {name: one.asked for name, one in found.items() if one.asked is not None})
    return found


def bring_linked(session: Session, shaped: Shaped) -> None:
    """Bring the ids of the records that links of the rows that were read point to."""
    if shaped.shape.sizes is None:
        return
    for slot in shaped.shape.links:
        if slot.link is not None and slot.property:
            keys = desired.pointed(slot, shaped.names)
            pointed = f"SELECT {leaving('key', 'VARCHAR')} FROM ({keys}) WHERE key IS NOT NULL"
            rows = [(slot.link.sync, row[0]) for row in session.store.rows(pointed)]
            session.store.bring("remote", IDS, rows)


IDS = {"sync": "VARCHAR", "key": "VARCHAR"}


def bring_ids(session: Session, plans: Sequence[SyncPlan], asked: Mapping[str, Asked]) -> None:
    """Bring the ids of those whose rows are read, and of syncs that are read whole all of them."""
    if not asked:
        return
    whole = [plan for plan in plans if plan.name not in asked]
    names = {name for plan in whole for name in (plan.name, plan.was, *(link.target for link in plan.links)) if name}
    session.store.bring("remote", {"sync": "VARCHAR"}, [(name,) for name in sorted(names)])
    for plan in plans:
        if plan.name in asked:
            stored = load_sync(session.store, plan.name)
            assert stored is not None  # noqa: S101 - nothing else is asked for
            text = Shape(stored.id, plan.name, stored.keys, (), None).key_text("a")
            keys = f"SELECT {leaving(text, 'VARCHAR')} FROM {asked[plan.name].table} a"
            session.store.bring("remote", IDS, [(plan.name, row[0]) for row in session.store.rows(keys)])


def compared(session: Session, plan: SyncPlan, tables: Tables) -> Shape:
    """Return the shape of a sync that state and models know alike.

    Raises:
        Cannot: they do not.
    """
    stored = load_sync(session.store, plan.name)
    if stored is None:
        raise Cannot("nothing is settled yet")
    destination = session.workspace.registry[plan.type]
    shaped = shapes.shape_of(plan, stored, tables, destination, stored.id, session.workspace.options.clear)
    if shaped.retyped:
        raise Cannot("a mapped column has another type than before")
    return shaped.shape


def _one(session: Session, plan: SyncPlan, told: Told, number: int) -> Recent:
    try:
        return Recent(_Look(session, plan, told, number).asked())
    except Cannot as why:
        return Recent(why=str(why))
    except QueryError as error:
        if is_broken(error):
            raise
        return Recent(why="its keys cannot be compared")  # which the whole read tells in full
    except (ConfigError, StateError) as error:
        return Recent(why=f"the warehouse cannot compare it ({error.code})")


class _Look(Nearby):
    """One sync, compared in its warehouse."""

    def __init__(self, session: Session, plan: SyncPlan, told: Told, number: int) -> None:
        """Find out what is compared with what.

        Raises:
            Cannot: the warehouse cannot compare it.
        """
        shape = compared(session, plan, tables(plan, told))
        super().__init__(session, shape, number)
        self.plan, self.number = plan, number
        if shape.resend:
            raise Cannot("what the destination takes is written otherwise now")
        self.names = there(plan, shape, told, self.spelling)

    def asked(self) -> Asked:
        """Return the keys of all whose rows are needed, with everything that was counted."""
        counted = self._counted()
        table = f"temp.main.asked_{self.number}"
        if counted.nulls:
            self._make(table, [])
            return self._found(table, counted)
        most = min(max(FEW, round(SHARE * counted.sizes[None])), MANY)
        found = self.ask(candidates.records(self.plan, self.names, self.shape, self.spelling, most + 1), "records")
        parts = [self._typed(found), self._pending()]
        if self.shape.cohorts:
            sql = candidates.members(self.plan, self.names, self.shape, self.spelling, most + 1)
            parts.append(self._typed(self.ask(sql, "members")))
        self._make(table, parts)
        if int(self.store.one(f"SELECT count(*) FROM {table}")) > most:
            raise Cannot(f"more than {most:,} keys differ")
        counted = replace(counted, twice=self._twice(counted, found))
        if counted.twice is None:
            self.bring(table)
            self._add_standing(table, found)
            self.bring(table)
        return self._found(table, counted)

    def _numbers(self, sql: str) -> list[int]:
        return [int(value) for value in self.store.rows(f"FROM {self.ask(sql, 'numbers')}")[0]]

    def _counted(self) -> Counted:
        plan, names, shape = self.plan, self.names, self.shape
        rows, nulls = self._numbers(candidates.health(plan.base, names[plan.base.unique_id], self.spelling))
        (wanted,) = self._numbers(candidates.count(plan, names, shape, self.spelling))
        return Counted(rows, nulls, wanted, self.sizes())

    def _typed(self, found: str) -> str:
        """Return a SELECT of the keys of an answer; those that state alone has are spelt as state spells texts."""
        typed = ", ".join(
            f"CASE WHEN wanted IS NULL THEN {arriving(k, kind)} ELSE CAST({k} AS {kind}) END AS {k}"
            for k, kind in self.shape.columns.items()
        )
        return f"SELECT {typed} FROM {found}"

    def _pending(self) -> str:
        keys = self.shape.key_from_text("p.key")
        return f"SELECT {keys} FROM {STATE}.pending p WHERE p.sync = {quote_text(self.plan.name)}"

    def _make(self, table: str, parts: Sequence[str]) -> None:
        columns = ", ".join(f"CAST(NULL AS {kind}) AS {k}" for k, kind in self.shape.columns.items())
        every = " UNION ".join(parts) or f"SELECT {columns} WHERE false"
        null = " OR ".join(f"{k} IS NULL" for k in self.shape.ks)
        self.store.con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM ({every}) WHERE NOT ({null})")

    def _twice(self, counted: Counted, found: str) -> tuple[str, int] | None:
        """Return a model in which a key stands twice: suspected from counts, then asked model by model.

        Raises:
            Cannot: the counts do not agree, and no model says why.
        """
        news, gone, more = self.store.rows(
            "SELECT count(*) FILTER (WHERE known IS NULL), count(*) FILTER (WHERE wanted IS NULL), "
            f"count(*) - (SELECT count(*) FROM (SELECT DISTINCT {', '.join(self.shape.ks)} FROM {found})) FROM {found}"
        )[0]
        if counted.wanted - news == counted.sizes[None] - gone and not more:
            return None
        for ref in (self.plan.base, *self.plan.joined):
            sql = candidates.health(ref, self.names[ref.unique_id], self.spelling, twice=True)
            _, nulls, extra = self._numbers(sql)
            if extra - max(nulls - 1, 0) > 0:
                return ref.model, extra
        raise Cannot("its keys cannot be told apart there")

    def _add_standing(self, table: str, found: str) -> None:
        """Add who stands at an identity that somebody comes to, goes from, or may have come to."""
        places = f"temp.main.places_{self.number}"
        self.store.con.execute(f"CREATE OR REPLACE TEMP TABLE {places} AS {self._places(table, found)}")
        new = f"(SELECT DISTINCT * FROM {self.standing(places)}) n"
        same = self.shape.same_key("n", "o")
        self.store.con.execute(f"INSERT INTO {table} SELECT n.* FROM {new} ANTI JOIN {table} o ON {same}")

    def _places(self, table: str, found: str) -> str:
        """Return a SELECT of match values: of who comes and who goes, and whatever is in doubt.

        Where memberships carry something, of everybody: it may have been carried for another.
        """
        shape, held = self.shape, arriving("sm", "VARCHAR")
        moved = f"{shape.normalised('dm')} IS DISTINCT FROM {shape.normalised(held)}"
        parts = [
            f"SELECT dm AS m FROM {found} WHERE {moved}",
            f"SELECT {held} FROM {found} WHERE {moved}",
            *self.doubts(),
        ]
        if shape.memberships:
            parts += [
                f"SELECT dm FROM {found}",
                f"SELECT m FROM {shape.table('snap')} s SEMI JOIN {table} o ON {shape.same_key('s', 'o')}",
            ]
        return f"SELECT m FROM ({' UNION '.join(parts)}) WHERE trim(m) <> ''"

    def _found(self, table: str, counted: Counted) -> Asked:
        keys = self.store.rows(f"SELECT {', '.join(f'CAST({k} AS VARCHAR)' for k in self.shape.ks)} FROM {table}")
        told = frozenset(tuple(row) for row in keys)
        return Asked(table, self.shape.keys, told, settled=True, counted=counted, sizes=counted.sizes)

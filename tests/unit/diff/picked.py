"""Tables of rows picked at random, read back so that a test can say in Python what SQL must say of each."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any

from revetl.diff.shape import Pointer, Shape, Slot
from revetl.types import OnNull, SyncPlan, Write
from tests.unit.engine.harness import NAME, cohort, plan

NUMBERS = count()  # begins anew with each picker: what a test picks is always the same
MAILS = ("a@x.org", " A@x.org", "b@x.org", "B@X.org ", "c@x.org", "d@x.org", "", "  ", None)
NO = "consent:unsubscribe"
FIRM = "sim.firm"


def yes(percent: int = 50) -> str:
    """Return SQL of a condition that so many rows ``n`` fulfil, others each time."""
    return f"hash(n, {next(NUMBERS)}) % 100 < {percent}"


def pick(*values: str | int | None, of: str = "n") -> str:
    """Return SQL of one of these values; the same wherever ``of`` is."""
    spelt = ["NULL" if one is None else str(one) if isinstance(one, int) else f"'{one}'" for one in values]
    return f"list_extract([{', '.join(spelt)}], CAST(1 + hash({of}, {next(NUMBERS)}) % {len(values)} AS INTEGER))"


def keyed(n: str = "n") -> dict[str, str]:
    """Return the columns of the key number ``n``, and its text."""
    k0, k1 = f"(({n}) // 2)", f"['a', 'b'][CAST(1 + ({n}) % 2 AS INTEGER)]"
    return {"k0": k0, "k1": k1, "key": f"'[' || {k0} || ',\"' || {k1} || '\"]'"}


def mostly(column: str, other: str, percent: int = 12) -> str:
    """Return SQL of what another column has, and of something else in so many rows."""
    return f"CASE WHEN {yes(percent)} THEN {other} ELSE {column} END"


def norm(mail: str | None) -> str | None:
    """Return an identity as the destination compares it."""
    return None if mail is None else mail.strip(" ").lower()


def blank(mail: str | None) -> bool:
    """Return whether nothing can be found by it."""
    return not norm(mail)


def among(value: object, some: Any) -> bool:
    """Return whether a value is there and one of these."""
    return value is not None and value in some


class Picker:
    """A connection with an empty state on which tables are made of picked rows."""

    def __init__(self, con: Any) -> None:
        """Take a connection."""
        self.con = con
        con.execute("SET threads = 1; PRAGMA disable_optimizer")  # tiny tables: planning well costs more than it brings

    def make(self, name: str, number: int, /, **columns: str) -> None:
        """Make a table of so many rows; columns may use ``n`` and those before them."""
        told = ", ".join(f"{sql} AS {column}" for column, sql in columns.items())
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {told} FROM range({number}) t(n)")

    def put(self, name: str, number: int, /, **columns: str) -> None:
        """Fill a table of state."""
        told = ", ".join(f"{sql} AS {column}" for column, sql in columns.items())
        self.con.execute(f"DELETE FROM revetl_state.{name}")
        self.con.execute(f"INSERT INTO revetl_state.{name} BY NAME SELECT {told} FROM range({number}) t(n)")

    def run(self, statements: Any) -> None:
        """Run statements in order."""
        for sql in statements:
            self.con.execute(sql)

    def rows(self, sql: str) -> list[SimpleNamespace]:
        """Return the rows of a SELECT, columns by name."""
        found = self.con.execute(sql)
        names = [one[0] for one in found.description]
        return [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in found.fetchall()]

    def tuples(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT, sorted, nulls too."""
        return ordered(self.con.execute(sql).fetchall())


def ordered(rows: Any) -> list[tuple[Any, ...]]:
    """Return rows in an order that nulls have a place in."""
    return sorted((tuple(row) for row in rows), key=repr)


POINTER = Pointer(FIRM, ("BIGINT",), ("firm",))
SLOTS = (
    Slot(0, "email", "email", "model.sim.people", "VARCHAR"),
    Slot(1, "a", "a", "model.sim.people", "VARCHAR"),
    Slot(2, "keep", "keep", "model.sim.people", "VARCHAR", on_null=OnNull.KEEP),
    Slot(3, "once", "once", "model.sim.people", "VARCHAR", write=Write.CREATE),
    Slot(4, "empty", "empty", "model.sim.more", "VARCHAR", write=Write.IF_EMPTY),
    Slot(5, "fresh", "fresh", "model.sim.more", "VARCHAR", fresh=True),
)
LINKS = (
    Slot(6, "firm", "firm", "model.sim.people", "VARCHAR", link=POINTER),
    Slot(7, "owner", "owner", "model.sim.people", "VARCHAR", link=POINTER, fresh=True),
)
CARRIED = (
    Slot(8, "level", "level", "model.sim.gold", "VARCHAR", cohort="gold"),
    Slot(9, "since", "since", "model.sim.gold", "VARCHAR", cohort="gold", fresh=True, on_null=OnNull.KEEP),
)


def shaped(**more: Any) -> Shape:
    """Return the shape of a sync with every kind of field, of link and of membership."""
    whole: dict[str, Any] = {
        "cohorts": ("gold", "risky", NO), "consent": NO, "memberships": CARRIED, "slots": SLOTS + LINKS, **more
    }  # fmt: skip
    return Shape(1, NAME, ("BIGINT", "VARCHAR"), whole.pop("slots"), 0, **whole)


def planned(**more: Any) -> SyncPlan:
    """Return its plan, as far as the statements ask for it."""
    return plan(cohorts=(cohort("gold"), cohort("risky")), **more)

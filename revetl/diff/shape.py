"""How the rows of one sync lie in state: typed key columns ``k0…``, the match value ``m``, fields ``f0…``.

A field of the destination owns one *slot*, and keeps it for good: a field that is mapped anew gets a new column of
nulls, so that the ordinary diff finds its backfill, and a field that is no longer mapped keeps what was delivered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from revetl.sqltext import quote_text
from revetl.types import Hash, OnNull, Write

STATE = "revetl_state"  # the name under which the state database is attached


def identity(expression: str, normalise: str) -> str:
    """Return SQL for an identity as a destination that normalises it so compares it."""
    if normalise == "email":
        return f"lower(trim({expression}))"
    return f"lower({expression})" if normalise == "lower" else expression


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where a link's slot points: records of another sync, by the key that our columns hold."""

    sync: str
    keys: tuple[str, ...]  # DuckDB types of the other sync's key
    columns: tuple[str, ...]  # ours, position by position


@dataclass(frozen=True, slots=True)
class Slot:
    """One field of the destination and the snapshot column that holds what was last acknowledged of it.

    Without a ``property`` it is mapped no more, and is being cleared wherever revetl delivered it. The slot of a link
    holds the id there of the record that it points to.
    """

    ordinal: int
    field: str
    property: str
    model: str  # unique id
    type: str  # DuckDB type of the snapshot column
    stored: bool = True  # False: the column does not exist yet
    fresh: bool = False  # mapped since the last settled run: its differences are a backfill
    on_null: OnNull = OnNull.CLEAR
    write: Write = Write.ALWAYS
    pii: str | None = None
    link: Pointer | None = None
    cohort: str | None = None  # whose memberships carry it; None: records do
    hash: Hash | None = None
    through: str = "{x}"  # SQL over the column, {x}: of its digest where it leaves hashed

    def digest(self) -> str | None:
        """Return what decides the digest of a value: another one makes every value another. None: it is in clear."""
        return None if self.hash is None else f"{self.hash}:{self.pii}"

    def read(self, column: str) -> str:
        """Return SQL of the value that a column, quoted, gives."""
        return f"CAST({self.through.replace('{x}', column)} AS {self.type})"


@dataclass(frozen=True, slots=True)
class Shape:
    """The layout of one sync in state, and the rules that decide what a difference means."""

    id: int
    sync: str
    keys: tuple[str, ...]  # DuckDB types of the key columns
    slots: tuple[Slot, ...]
    match_slot: int | None  # ordinal of the slot that holds the match property
    normalise: str = "email"
    partial: bool = True
    resend: bool = False  # the wire format changed: every known record is sent again
    stored: bool = True  # False: the first sync, no tables yet
    cohorts: tuple[str, ...] = ()  # that are mapped now
    consent: str | None = None  # the cohort of those who withdrew
    memberships: tuple[Slot, ...] = ()  # fields of memberships; their columns lie beside the members
    asked: str | None = None  # table of the keys that a partial read is about; None: all are read
    settled: bool = False  # of a partial read: whoever is not asked for is as state says
    complete: bool = False  # the asked are all who differ
    sizes: Mapping[str | None, int] | None = None  # of state, if not at hand: members by cohort, (None) records

    @property
    def whole(self) -> bool:
        """Return whether all that may differ is read."""
        return self.asked is None or self.complete

    def size(self, cohort: str | None = None) -> str:
        """Return a SELECT of how many records are known, or members of a cohort."""
        if self.sizes is not None:
            return f"SELECT {self.sizes.get(cohort, 0)}"
        if cohort is None:
            return f"SELECT count(*) FROM {self.table('snap')}"
        return f"SELECT count(*) FROM {self.table('members')} WHERE cohort = {quote_text(cohort)}"

    @property
    def ks(self) -> tuple[str, ...]:
        """Return the names of the key columns."""
        return tuple(f"k{n}" for n in range(len(self.keys)))

    @property
    def columns(self) -> dict[str, str]:
        """Return the key columns with their DuckDB types."""
        return {f"k{n}": kind for n, kind in enumerate(self.keys)}

    @property
    def columned(self) -> str:
        """Return them as CREATE TABLE has them."""
        return ", ".join(f"{k} {kind}" for k, kind in self.columns.items())

    @property
    def fs(self) -> tuple[str, ...]:
        """Return the names of the field columns."""
        return tuple(f"f{slot.ordinal}" for slot in self.slots)

    @property
    def ms(self) -> tuple[str, ...]:
        """Return the names of the columns of memberships' fields."""
        return tuple(f"f{slot.ordinal}" for slot in self.memberships)

    @property
    def links(self) -> tuple[Slot, ...]:
        """Return the slots of links."""
        return tuple(slot for slot in self.slots if slot.link is not None)

    @property
    def linked(self) -> tuple[int, ...]:
        """Return the ordinals of links."""
        return tuple(slot.ordinal for slot in self.links)

    @property
    def ws(self) -> tuple[str, ...]:
        """Return the columns that hold, for each link that waits, the key of the record that has no id yet."""
        return tuple(f"w{n}" for n in self.linked)

    def table(self, name: str) -> str:
        """Return the name of a table of this sync in state: snap, members or after."""
        return f"{STATE}.{name}_{self.id}"

    def temp(self, name: str) -> str:
        """Return the name of a temporary table of this sync."""
        return f"temp.main.{name}_{self.id}"

    def normalised(self, expression: str) -> str:
        """Return SQL for an identity as the destination compares it."""
        return identity(expression, self.normalise)

    def within(self, alias: str) -> str:
        """Return SQL that joins a table to the keys that are read; nothing where all are."""
        return f" SEMI JOIN {self.asked} o ON {self.same_key(alias, 'o')}" if self.asked else ""

    def key_text(self, alias: str) -> str:
        """Return SQL for the key as a JSON array: the one spelling of a key outside typed tables."""
        parts = " || ',' || ".join(f"to_json({alias}.{k})" for k in self.ks)
        return f"'[' || {parts} || ']'"

    def key_from_text(self, text: str) -> str:
        """Return the typed key columns out of a key's text, as a SELECT has them."""
        return ", ".join(f"CAST({text}->>'$[{n}]' AS {kind}) AS k{n}" for n, kind in enumerate(self.keys))

    def same_key(self, left: str, right: str) -> str:
        """Return SQL that joins two tables on the key."""
        return " AND ".join(f"{left}.{k} = {right}.{k}" for k in self.ks)

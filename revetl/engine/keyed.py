"""A partial read: the keys that a run was given, as each sync knows them, and the rows of each model that they mean."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from revetl.diff.shape import STATE, identity
from revetl.state.layout import StoredSync
from revetl.state.store import Store
from revetl.types import Relation, SyncPlan
from revetl.warehouse.source import Only, Tables, Within

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """What the warehouse counted of a sync's models and of its state, where it found who differs itself."""

    rows: int  # of the base model
    nulls: int  # in its key
    wanted: int
    sizes: Mapping[str | None, int]  # members by cohort, and (None) records
    twice: tuple[str, int] | None = None  # a model, and how many of its rows repeat a key


@dataclass(frozen=True, slots=True)
class Asked:
    """What the given texts mean to one sync: ``table`` holds the keys, typed as ``kinds``; ``unknown`` mean none."""

    table: str
    kinds: tuple[str, ...]
    keys: frozenset[Key]  # the same, as text
    unknown: int = 0
    settled: bool = False  # whoever is not asked for is as state says
    counted: Counted | None = None  # these are all who differ
    sizes: Mapping[str | None, int] | None = None  # of state, as in ``counted``, where no more of it is at hand
    why: str = ""  # all of state is

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what to say of texts that mean nothing here, and of state that was read whole."""
        unknown = (f"{self.unknown} of the given keys can be no key of this sync",) if self.unknown else ()
        return (*unknown, f"all that state has of it was read: {self.why}") if self.why else unknown


def ask(store: Store, plan: SyncPlan, stored: StoredSync | None, kinds: tuple[str, ...], number: int,
        texts: Sequence[str]) -> Asked:  # fmt: skip
    """Make the table of the keys that ``texts`` mean: keys, or match values of records that state knows."""
    table = f"asked_{number}"
    ks = [f"k{n}" for n in range(len(kinds))]
    typed = ", ".join(f"TRY_CAST(parts[{n + 1}] AS {kind}) AS k{n}" for n, kind in enumerate(kinds))
    spelt = [(text, list(parts)) for text in dict.fromkeys(texts) for parts in _parts(text, len(plan.key))]
    meant = f"SELECT text, {typed} FROM revetl_texts"
    if stored is not None:
        here, there = identity("t.text", stored.normalise), identity("s.m", stored.normalise)
        known = f"SELECT t.text, {', '.join(f's.{k}' for k in ks)} FROM {STATE}.snap_{stored.id} s"
        meant += f" UNION {known} JOIN revetl_texts t ON {here} = {there}"
    with _registered(store, spelt):
        store.con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {meant}")
    store.con.execute(f"DELETE FROM {table} WHERE {' OR '.join(f'{k} IS NULL' for k in ks)}")
    unknown = len(set(texts)) - int(store.one(f"SELECT count(DISTINCT text) FROM {table}"))
    store.con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT DISTINCT {', '.join(ks)} FROM {table}")
    rows = store.rows(f"SELECT {', '.join(f'CAST({k} AS VARCHAR)' for k in ks)} FROM {table}")
    return Asked(f"temp.main.{table}", kinds, frozenset(tuple(row) for row in rows), unknown)


def kinds_of(plan: SyncPlan, stored: StoredSync | None, described: Tables) -> tuple[str, ...]:
    """Return the types of a sync's key: those that state pinned, else the base model's."""
    if stored is not None:
        return stored.keys
    table = described.found.get(plan.base.relation)
    columns = {name.lower(): kind for name, kind in table.columns.items()} if table else {}
    return tuple(columns.get(column.lower(), "VARCHAR") for column in plan.base.key)


def only(pairs: Iterable[tuple[SyncPlan, Asked]], whole: Collection[SyncPlan] = ()) -> Only:
    """Return the rows to read of each relation; one that two syncs know by other columns is left out: read whole.

    So are the relations of syncs that read everything.
    """
    within: dict[Relation, Within | None] = {}
    pairs = tuple(pairs)
    for plan, found in pairs:
        for ref in plan.models:
            mine = Within(ref.key, found.kinds, found.keys)
            other = within.get(ref.relation, mine)
            within[ref.relation] = mine.union(other) if other is not None else None
    for plan, _ in pairs:
        for link in plan.links:  # of whom it points to, the types alone are of interest
            within.setdefault(link.ref.relation, Within((), (), frozenset()))
    every = {ref.relation for plan in whole for ref in plan.models}
    return {relation: rows for relation, rows in within.items() if rows is not None and relation not in every}


@contextmanager
def _registered(store: Store, spelt: Sequence[tuple[str, list[str]]]) -> Iterator[None]:
    """Let statements of the block read ``spelt`` as ``revetl_texts``."""
    import pyarrow as pa  # 26 MB that only runs of some keys need

    schema = pa.schema([("text", pa.string()), ("parts", pa.list_(pa.string()))])
    columns = [[text for text, _ in spelt], [parts for _, parts in spelt]]
    store.con.register("revetl_texts", pa.table(columns, schema=schema))
    try:
        yield
    finally:
        store.con.unregister("revetl_texts")


def _parts(text: str, width: int) -> Iterator[Key]:
    """Yield the keys that a text may spell, a JSON array or parts with commas between; without any, one of nothing."""
    bare = (text,) if width == 1 else tuple(part.strip() for part in text.split(","))
    found = [key for key in (bare, _array(text)) if len(key) == width and all(map(sound, key))]
    yield from found or [()]


def _array(text: str) -> Key:
    try:
        found = json.loads(text) if text.startswith("[") else ()
    except ValueError:
        return ()
    return tuple(part if isinstance(part, str) else json.dumps(part) for part in found)


def sound(part: str) -> bool:
    """Return whether a warehouse can hold this text: no NUL, no half of a surrogate pair."""
    return "\0" not in part and not any("\ud800" <= letter <= "\udfff" for letter in part)

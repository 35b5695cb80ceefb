"""Keys that a run is given (``--keys``): what they mean to each sync, and what is fetched of state for them.

Where models and state lie in one warehouse, no more of state is fetched than the rows of these keys, of records that
stand where one of them stands, comes to or may have come to, and numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from revetl.diff import desired
from revetl.diff.shape import Shape
from revetl.engine import inside, keyed
from revetl.engine.keyed import Asked
from revetl.engine.nearby import Nearby
from revetl.engine.session import Session
from revetl.engine.shapes import Shaped
from revetl.engine.there import Cannot
from revetl.errors import ConfigError, RevetlError, StateError, TryLater
from revetl.state.journal import insert_rows
from revetl.state.layout import load_sync
from revetl.types import Relation, SyncPlan
from revetl.warehouse.source import Answering, Tables


def ask(session: Session, plans: Sequence[SyncPlan], relations: Sequence[Relation]) -> Mapping[str, Asked]:
    """Return, by sync, which keys the run is about: their types are known once the models are described."""
    assert session.source is not None  # noqa: S101 - only commands with a warehouse come here
    described = session.source.tables(session.store.con, relations)
    found = {plan.name: _one(session, plan, described, number) for number, plan in enumerate(plans)}
    inside.bring_ids(session, plans, {name: one for name, one in found.items() if one.sizes is not None})
    return found


def _one(session: Session, plan: SyncPlan, described: Tables, number: int) -> Asked:
    store, texts = session.store, session.workspace.options.keys
    stored = load_sync(store, plan.name)
    before = stored or (load_sync(store, plan.was) if plan.was else None)
    kinds = keyed.kinds_of(plan, before, described)
    if session.spelling is None or not isinstance(session.source, Answering) or stored is None:
        return keyed.ask(store, plan, before, kinds, number, texts)
    shape = Shape(stored.id, plan.name, stored.keys, (), None, stored.normalise)
    nearby = Nearby(session, shape, number)
    try:
        inside.compared(session, plan, described)
        nearby.bring(nearby.standing(_spelt(nearby, number, texts)))
    except TryLater:
        raise
    except (Cannot, RevetlError) as error:
        nearby.whole()
        why = str(error) if isinstance(error, Cannot) else f"the warehouse cannot compare it ({error.code})"
        return replace(keyed.ask(store, plan, stored, kinds, number, texts), why=why)
    asked = keyed.ask(store, plan, stored, kinds, number, texts)
    nearby.bring(asked.table)
    return replace(asked, sizes=nearby.sizes())


def _spelt(nearby: Nearby, number: int, texts: Sequence[str]) -> str:
    """Return a table of the texts that may be match values."""
    table = f"temp.main.texts_{number}"
    nearby.store.con.execute(f"CREATE OR REPLACE TEMP TABLE {table} (m VARCHAR)")
    insert_rows(nearby.store, table, [(text,) for text in dict.fromkeys(texts) if keyed.sound(text)])
    return table


def bring_standing(session: Session, plan: SyncPlan, shaped: Shaped, number: int) -> None:
    """Bring the records that stand where those which were read stand, come to, or may have come to."""
    shape = shaped.shape
    if shape.sizes is None or shape.complete:
        return
    nearby, places = Nearby(session, shape, number), f"temp.main.places_{number}"
    every = desired.everybody(plan, shaped.names, shape)
    known = f"SELECT z.m FROM {shape.table('snap')} z{shape.within('z')}"
    parts = " UNION ".join([f"SELECT m FROM ({every})", known, *nearby.doubts()])
    nearby.store.con.execute(f"CREATE OR REPLACE TEMP TABLE {places} AS SELECT m FROM ({parts}) WHERE trim(m) <> ''")
    try:
        nearby.bring(nearby.standing(places))
    except (ConfigError, StateError):
        nearby.whole()

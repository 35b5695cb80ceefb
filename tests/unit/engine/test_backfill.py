"""A backfill takes no more than its share of a day's quota."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from revetl.contract import Limit
from revetl.engine.backfill import trim
from revetl.engine.inspect import inspect
from revetl.engine.lanes import Line
from revetl.engine.session import Session
from revetl.engine.staging import Masking
from revetl.engine.survey import Survey
from revetl.send.ports import Lane
from revetl.state.approvals import Approvals
from revetl.state.store import Store
from tests.faults.people import Row
from tests.faults.plans import PLAN, MemorySource, workspace
from tests.faults.vendor import SIM, Settings
from tests.faults.world import World

DAILY = replace(SIM, limits=lambda _: (Limit("day", 4, 86_400.0, kind="quota"),))
LINE = Line(Lane("sim", DAILY, Settings(), "sim"), Settings(), ())


@pytest.fixture
def world() -> Iterator[World]:
    """Return a world of five people, synced without the field ``b``, in which ``b`` is mapped now."""
    made = World(1)
    made.faulty = False
    made.model = {f"c{n}": Row(f"p{n}@example.org", "x", n + 1, frozenset()) for n in range(5)}
    made._write()
    made.plan = replace(PLAN, fields=PLAN.fields[:2])
    made.run()
    made.plan = PLAN
    yield made
    made.con.close()


def survey(world: World) -> tuple[Survey, Store]:
    """Return what a run would do now."""
    store = Store(world.con, None, world.now)
    found = replace(workspace(), registry={"sim": DAILY})
    session = Session(found, store, MemorySource(), Approvals(store), Masking("clear", b"k"), world.now)
    return inspect(session, (PLAN,), lambda _p, _s: {}, lambda _: None).surveys[0], store


@pytest.mark.parametrize(("used", "share", "left"), [(0, 0.25, 3), (0, 1.0, 5), (3, 1.0, 3), (4, 1.0, 0)])
def test_the_rest_of_a_backfill_waits(world: World, used: int, share: float, left: int) -> None:
    """Calls of three rows each, out of four a day: the share of what is left goes now, the rest waits and is named."""
    now = world.clock.now()
    whole, store = survey(world)
    assert whole.preview.changes == 5
    spent = {"sim": {"day": tuple((now - 60.0, 1) for _ in range(used))}}
    cut = trim(whole, LINE, store, spent, share, now)
    assert cut.span[1] - cut.span[0] + 1 == left
    assert cut.trimmed == 5 - left
    assert any("wait" in note for note in cut.preview.notes) == (left < 5)


def test_what_was_used_long_ago_does_not_count(world: World) -> None:
    """Use from before the window leaves the whole allowance."""
    whole, store = survey(world)
    now = world.clock.now()
    assert trim(whole, LINE, store, {"sim": {"day": ((now - 90_000.0, 4),)}}, 1.0, now).trimmed == 0

"""Planted bugs: each breaks one promise, and the schedules must notice. They are what the simulator is tested with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from revetl.diff import changes, delta
from revetl.diff.shape import Shape
from revetl.engine import session as sessions
from revetl.state import close
from revetl.state.close import Closing
from revetl.state.journal import Journal
from revetl.state.store import Store
from revetl.types import Outcome, Status

Plant = Callable[[pytest.MonkeyPatch], None]


def snapshot_at_the_end(patch: pytest.MonkeyPatch) -> None:
    """A killed run leaves no trace: what it sent and nobody acknowledged is taken as never sent."""
    plain = close._final

    def final(store: Store, run: str, _unsettled: str) -> None:
        plain(store, run, "waiting")

    patch.setattr(close, "_final", final)


def no_intents(patch: pytest.MonkeyPatch) -> None:
    """Only a clean answer counts: an unknown outcome is forgotten instead of keeping its key dirty."""
    plain = Journal.settle

    def settle(self: Journal, outcomes: Sequence[Outcome]) -> None:
        plain(self, [_forget(outcome) for outcome in outcomes])

    patch.setattr(Journal, "settle", settle)


def _forget(outcome: Outcome) -> Outcome:
    if outcome.status is Status.UNKNOWN:
        return replace(outcome, status=Status.WAITING)
    return replace(outcome, repeated=False)


def cleared_too_early(patch: pytest.MonkeyPatch) -> None:
    """The first clean answer clears a pending key, although the lost request may still land."""
    plain = sessions.Session.closing

    def closing(self: sessions.Session, **facts: object) -> Closing:
        return replace(plain(self, **facts), late_apply={"sim.person": 0.0})

    patch.setattr(sessions.Session, "closing", closing)


def partial_fields(patch: pytest.MonkeyPatch) -> None:
    """A pending key sends only what differs from the snapshot, not every field."""
    patch.setattr(changes, "full", lambda shape: "true" if shape.resend else "NOT x.known")


def archives_the_heir(patch: pytest.MonkeyPatch) -> None:
    """A leave removes the record at an identity that another key has just taken over."""
    plain = delta._neighbours

    def neighbours(shape: Shape) -> list[str]:
        found = plain(shape)
        return [f"{sql} AND false" if "holders_" in sql.split(" AS ")[0] else sql for sql in found]

    patch.setattr(delta, "_neighbours", neighbours)


# Each with a seed that shows it, which is tried first; were it to pass one day, others are.
MUTANTS: Mapping[Plant, int] = {
    snapshot_at_the_end: 9,
    no_intents: 10,
    cleared_too_early: 10,
    partial_fields: 13,
    archives_the_heir: 116,
}

"""Planted bugs: each breaks one promise, and the schedules must notice. They are what the simulator is tested with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from revetl.contract import Diagnosis, Reply
from revetl.diff import changes, delta, differing, verdicts
from revetl.diff.shape import Shape
from revetl.engine import session as sessions
from revetl.engine import survey
from revetl.engine.staging import Masking
from revetl.send import landing
from revetl.send.meter import Meter
from revetl.send.order import Order
from revetl.send.retry import Policy
from revetl.send.verdict import Tries, Verdict, judge_reply
from revetl.state import close
from revetl.state.close import Closing
from revetl.state.head import GENESIS
from revetl.state.journal import Journal
from revetl.state.outbox import Outbox
from revetl.state.store import Store
from revetl.types import Change, Outcome, Status

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
    plain = delta._rivalry

    def rivalry(shape: Shape) -> list[str]:
        found = plain(shape)
        return [f"{sql} AND false" if "holders_" in sql.split(" AS ")[0] else sql for sql in found]

    patch.setattr(delta, "_rivalry", rivalry)


def sent_before_committed(patch: pytest.MonkeyPatch) -> None:
    """Changes leave whose intents are not there: they were read, and taken back."""
    plain = Outbox.read

    def read(self: Outbox, lo: int, hi: int) -> Sequence[Change]:
        found = plain(self, lo, hi)
        self.store.con.execute(
            f"DELETE FROM revetl_state.outbox WHERE run = '{self.run}' AND seq BETWEEN {lo} AND {hi}"
        )
        return found

    patch.setattr(Outbox, "read", read)


def slots_free_at_once(patch: pytest.MonkeyPatch) -> None:
    """A call counts in a window only while it is under way, not for the window's length after it."""

    def replied(self: Meter, units: int, _now: float) -> None:
        self.in_flight -= units

    patch.setattr(Meter, "replied", replied)


def personal_values_in_clear(patch: pytest.MonkeyPatch) -> None:
    """The ledger keeps values that are marked as personal as they are."""
    patch.setattr(Masking, "hidden", lambda _self, _slot: False)


def sends_after_a_verdict(patch: pytest.MonkeyPatch) -> None:
    """A guard finds that the model is broken, and its sync goes on all the same."""
    plain = survey.read

    def read(*args: object, **more: object) -> object:
        return plain(*args, **{**more, "few": True})  # type: ignore[arg-type]

    patch.setattr(survey, "read", read)


def asserts_everything(patch: pytest.MonkeyPatch) -> None:
    """Memberships are sent again and again, although nothing about them changed."""
    plain = differing.members
    patch.setattr(differing, "members", lambda *args: f"{plain(*args)} OR true")


def forgets_who_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the tombstones."""
    patch.setattr(survey, "leave_out", lambda *_: 0)


def broken_chain(patch: pytest.MonkeyPatch) -> None:
    """Each file of the ledger begins a chain of its own."""
    patch.setattr(Store, "chain_end", lambda _self: GENESIS)


def repeats_for_ever(patch: pytest.MonkeyPatch) -> None:
    """A call that fails is repeated far beyond its budget, and a vendor is never thought to be down."""

    def judge(reply: Reply, found: Diagnosis | None, tries: Tries, policy: Policy) -> Verdict:
        return judge_reply(reply, found, tries, replace(policy, attempts=60))

    patch.setattr(landing, "judge_reply", judge)


def counts_the_lost(patch: pytest.MonkeyPatch) -> None:
    """The summary says that a change was delivered of which nobody knows it."""
    plain = Journal.flush

    def flush(self: Journal) -> None:
        lost = [o for o in self._open if o.status is Status.UNKNOWN]
        plain(self)
        for outcome in lost:
            self.tally(outcome.change.sync).counts[Status.DELIVERED] += 1

    patch.setattr(Journal, "flush", flush)


def never_rests(patch: pytest.MonkeyPatch) -> None:
    """What is refused is sent again in every run, without a gap."""
    plain = verdicts.frozen
    patch.setattr(verdicts, "frozen", lambda shape, now, **_: plain(shape, now, retry=True))


def overtakes(patch: pytest.MonkeyPatch) -> None:
    """Calls about one identity are under way side by side."""
    patch.setattr(Order, "free", lambda _self, _tokens: True)


@dataclass(frozen=True)
class Mutant:
    """Where a planted bug shows: the promise it breaks, and a seed that is tried first; were it to pass, others are."""

    promise: str  # of reliability.md §3
    seed: int = 0
    world: str = "few"


MUTANTS: Mapping[Plant, Mutant] = {
    snapshot_at_the_end: Mutant("I1", 9),
    no_intents: Mutant("I2"),
    cleared_too_early: Mutant("I1"),
    partial_fields: Mutant("I2"),
    archives_the_heir: Mutant("I4", 24),
    sent_before_committed: Mutant("I3"),
    slots_free_at_once: Mutant("I5"),
    personal_values_in_clear: Mutant("I6", 1),
    sends_after_a_verdict: Mutant("I7", 8),
    asserts_everything: Mutant("I8"),
    forgets_who_is_forgotten: Mutant("I9", 2),
    broken_chain: Mutant("I10"),
    repeats_for_ever: Mutant("I11", 6),
    counts_the_lost: Mutant("I12"),
    never_rests: Mutant("I16", 3),
    overtakes: Mutant("order"),
}

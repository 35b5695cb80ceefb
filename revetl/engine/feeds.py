"""The batches of one sync, made one at a time from the outbox, in the order in which they must leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from revetl.contract import Action
from revetl.engine.implied import Implied
from revetl.engine.lanes import Line
from revetl.send.ports import Lane, Work
from revetl.state.journal import Journal
from revetl.state.outbox import Learnt, Outbox, Stage, learnt_ids
from revetl.types import JSON, Batch, Change, Cohort, Count, Op, SyncPlan

_NONE: frozenset[Op] = frozenset()
_MADE = frozenset({Op.IDENTITY, Op.UPSERT})
# operation → those of the same key before it that may have brought an id which it needs
FORERUNNERS = {Op.UPSERT: frozenset({Op.IDENTITY}), Op.JOIN: _MADE, Op.PART: _MADE, Op.LEAVE: _MADE}
AHEAD = 10_000
"""Changes whose keys' ids are looked up at once, when no more come in: each look reads all keys that the run sends."""


def batch_of(plan: SyncPlan, changes: Sequence[Change], settings: object, prepared: Mapping[str, JSON]) -> Batch:
    """Return changes of one operation (and cohort) as the batch that a destination's action is given."""
    first, cohort = changes[0], None
    if first.cohort is not None:
        labels = {cohort.name: cohort.label for cohort in plan.cohorts}
        cohort = Cohort(first.cohort, labels.get(first.cohort, first.cohort), plan.cohort_style or "")
        if plan.consent is not None and first.cohort == plan.consent.cohort:
            cohort = Cohort(first.cohort, plan.consent.on_false, plan.consent.on_false)
    return Batch(
        sync=plan.name, object=plan.object, op=first.op, changes=changes, settings=settings, mode=plan.mode,
        cohort=cohort, on_leave=plan.on_leave, match_field=plan.match_field, prepared=prepared,
        new_as=plan.consent.new_as if plan.consent else None,
    )  # fmt: skip


class SyncFeed:
    """Reads a sync's changes chunk by chunk; intents are durable before a batch is given out."""

    def __init__(  # noqa: PLR0913 - what one sync sends with
        self,
        plan: SyncPlan,
        line: Line,
        outbox: Outbox,
        journal: Journal,
        stage: Stage,
        prepared: dict[str, JSON],
        counts: Sequence[Count] = (),
        after: frozenset[str] = frozenset(),
        upsert: Callable[[Action], Action] = lambda action: action,
        implied: Implied | None = None,
    ) -> None:
        """Take everything a batch carries beside its changes.

        ``counts`` decide between single calls and bulk jobs; ``after`` names syncs whose records this one links to;
        ``upsert`` makes of the destination's action the one that is run, but for what is ``implied``.
        """
        self.plan, self.destination, self.settings = plan, line.lane.destination, line.settings
        self._lane, self._journal = line.lane, journal
        self._prepared = prepared
        self._given: set[Op] = set()
        self._rows = Counter[tuple[Op, str | None]]()
        for count in counts:
            self._rows[count.op, count.cohort] += count.rows
        self._changes = outbox.changes(stage)
        self._next: Change | None = None  # did not fit into the batch before
        self._begun = False
        self._after = after
        self._upsert = upsert
        self._implied = implied or Implied()
        self._news = 0  # how often ids had come when they were looked up last
        self._ids: Mapping[str, Learnt | None] = {}

    @property
    def sync(self) -> str:
        """Return the sync's name."""
        return self.plan.name

    @property
    def lane(self) -> Lane:
        """Return the lane it travels on."""
        return self._lane

    @property
    def after(self) -> frozenset[str]:
        """Return the syncs that must be through before its first batch is made."""
        return self._after

    def next(self) -> Work | None:
        """Return the next batch, None once there is nothing more."""
        if not self._begun:  # not earlier: by now the ids are known that links need
            self._begun = True
            if self._after:
                self._journal.flush()
        first = self._take()
        if first is None:
            return None
        action = self.destination.actions.get(first.op)
        if action is not None:
            action = action.for_many(self._rows[first.op, first.cohort])
            action = self._implied.sparing(self._upsert(action)) if first.op is Op.UPSERT else action
        changes = [first] if action is None else [first, *self._more(first, action)]
        return self.refresh(Work(self.batch(changes), action=action))

    def _more(self, first: Change, action: Action) -> Iterator[Change]:
        """Yield what fits behind ``first``: same operation and cohort, within count and bytes, nothing twice."""
        keys, identities = {first.key}, {first.identity, first.before_identity or first.identity}
        op, cohort = first.op, first.cohort
        left = action.max_bytes - len(first.body) - action.overhead
        for change in islice(self._changes, action.room(self.settings) - 1):  # a row costs what stands in this loop
            key, new, old = change.key, change.identity, change.before_identity or change.identity
            left -= len(change.body) + action.overhead
            alike = change.op is op and change.cohort == cohort
            if not alike or left < 0 or key in keys or new in identities or old in identities:
                self._next = change
                return
            keys.add(key)
            identities.add(new)
            identities.add(old)
            yield change

    def _take(self) -> Change | None:
        found, self._next = self._next, None
        return found or next(self._changes, None)

    def batch(self, changes: list[Change]) -> Batch:
        """Return a batch of these changes with the sync's context."""
        return batch_of(self.plan, changes, self.settings, self._prepared)

    def refresh(self, work: Work) -> Work:
        """Return ``work`` with the remote ids that earlier batches of this run brought, also for ids that are gone."""
        batch = work.batch
        self._given.add(batch.op)
        if not self._given & FORERUNNERS.get(batch.op, _NONE):
            return work
        if not self._journal.brought_ids(batch.sync):
            return work
        self._look_up(batch)
        self._implied.learn(self._journal.store, self._journal.run, batch)
        changes = [_learnt(change, self._ids[change.key]) for change in batch.changes]
        return replace(work, batch=replace(batch, changes=changes))

    def _look_up(self, batch: Batch) -> None:
        """Make the ids of the batch's keys be at hand; of those behind it, too, once no more ids come in."""
        seqs = [change.seq for change in batch.changes]
        news, lo, hi = self._journal.brought_ids(batch.sync), min(seqs), max(seqs)
        if news == self._news:
            if all(change.key in self._ids for change in batch.changes):
                return
            hi = max(hi, lo + AHEAD - 1)
        self._journal.flush()
        self._news = news
        self._ids = learnt_ids(self._journal.store, self._journal.run, batch.sync, lo, hi)


def _learnt(change: Change, brought: Learnt | None) -> Change:
    if brought is None:
        return change
    remote_id, created = brought
    own = change.created if created is None else created
    return replace(change, remote_id=remote_id or change.remote_id, created=own)

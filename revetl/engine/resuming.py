"""Jobs that an earlier run left at a vendor: gone on with and settled before anything is compared.

A run whose job was cut off by a kill, or outlasted the run, stays open, and its keys wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from revetl.engine.feeds import batch_of
from revetl.engine.lanes import Line
from revetl.engine.session import Session
from revetl.send.ports import Lane, Work
from revetl.send.sender import Sender
from revetl.state.journal import Journal
from revetl.state.outbox import OpenJob, Outbox, open_jobs
from revetl.types import SyncPlan


@dataclass
class JobFeed:
    """The batches of one sync whose jobs were started and never settled."""

    plan: SyncPlan
    line: Line
    outbox: Outbox
    jobs: list[OpenJob]

    @property
    def sync(self) -> str:
        """Return the sync's name."""
        return self.plan.name

    @property
    def lane(self) -> Lane:
        """Return the lane it travels on."""
        return self.line.lane

    @property
    def after(self) -> frozenset[str]:
        """Return nothing: jobs depend on nobody."""
        return frozenset()

    def next(self) -> Work | None:
        """Return the next job with the changes it was started for, as they were."""
        while self.jobs:
            job = self.jobs.pop(0)
            changes = self.outbox.unsettled(job.lo, job.hi)
            if changes:
                action = self.line.lane.destination.actions.get(changes[0].op)
                batch = batch_of(self.plan, changes, self.line.settings, {})
                return Work(batch, job.job, action.resumable if action else None)
        return None

    def refresh(self, work: Work) -> Work:
        """Return the work as it is."""
        return work


def resume_jobs(
    session: Session,
    plans: Mapping[str, SyncPlan],
    lines: Mapping[str, Line],
    sender: Callable[[Journal], Sender],
) -> tuple[str, ...]:
    """Go on with the jobs of open runs, then close those whose syncs could all be asked; return them."""
    runs: dict[str, list[OpenJob]] = {}
    for job in open_jobs(session.store):
        runs.setdefault(job.run, []).append(job)
    asked = {run: jobs for run, jobs in runs.items() if all(j.sync in lines and j.sync in plans for j in jobs)}
    for run, jobs in asked.items():
        outbox = Outbox(session.store, run)
        syncs = sorted({job.sync for job in jobs})
        feeds = [JobFeed(plans[s], lines[s], outbox, [job for job in jobs if job.sync == s]) for s in syncs]
        sender(Journal(session.store, run)).deliver(feeds)
    session.close_killed(keep=frozenset(runs) - frozenset(asked))
    return tuple(asked)

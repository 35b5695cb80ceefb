"""Cases about jobs: started, killed at every step, gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from revetl.contract import Action, JobStarted
from revetl.testing.conformance.records import RecordCases
from revetl.testing.drive import Driven, Handler, drive, step
from revetl.types import Batch, Change, Op, Outcome, Status

_STEPS = 60  # of one job, before a case gives up


class JobCases(RecordCases):
    """A job is known before anything is given to it, and whoever comes after a kill ends it as well."""

    job_rows: ClassVar[int] = 12  # that are worth a job there

    def job_of(self, op: Op) -> Action:
        """Return the form of the action that starts jobs; without one the case does not apply."""
        action = self.needs(op).resumable
        if action.resume is None:
            self.not_applicable("jobs", f"{self.destination.name} starts no job for {op.value}")
        return action

    def many(self, service: Handler, op: Op) -> Batch:
        """Return a batch for a job."""
        fields = self.fields(service)
        rows = [self.change(n, fields=self.values(fields, n)) for n in range(1, self.job_rows + 1)]
        prepared = self.prepared(service)
        if op is not Op.UPSERT:
            rows = [replace(row, op=op, body=b"{}") for row in self.delivers(service, rows)]
        return self.batch(rows, op, prepared=prepared)

    @pytest.mark.parametrize("op", [Op.UPSERT, Op.JOIN, Op.PART])
    def test_a_job_delivers_every_row(self, op: Op) -> None:
        """From its start to its end in one go: one outcome each, all delivered, and the job was named."""
        action = self.job_of(op)
        service = self.service()
        work = self.many(service, op)
        seen = drive(action.run(work), service, pause=self.pass_time)
        assert seen.jobs
        assert seen.statuses() == {change.seq: Status.DELIVERED for change in work.changes}
        self.stand_there(service, work, op)

    @pytest.mark.parametrize("op", [Op.UPSERT, Op.JOIN, Op.PART])
    def test_a_killed_job_is_gone_on_with(self, op: Op) -> None:
        """Killed after each of its steps in turn: ``resume`` with the job's name alone brings it to the same end."""
        action = self.job_of(op)
        for kill in range(1, _STEPS):
            service = self.service()
            work = self.many(service, op)
            job, settled, over = self.killed(action, work, service, kill)
            if over:
                assert kill > 2, "a job takes more than two steps"
                return
            rest = replace(work, changes=[c for c in work.changes if c.seq not in settled])
            if job is None or not rest.changes:
                continue
            assert action.resume is not None
            seen = drive(action.resume(job, rest), service, pause=self.pass_time)
            if seen.rejected is not None:  # the job never got its rows: they come again
                seen = drive(action.run(rest), service, pause=self.pass_time)
            again = [c for c in rest.changes if seen.statuses().get(c.seq) is not Status.DELIVERED]
            assert not [o for o in seen.outcomes if o.status is Status.REJECTED], seen.outcomes
            if again:  # unknown or waiting: a later run asserts them once more
                later = drive(action.run(replace(rest, changes=again)), service, pause=self.pass_time)
                assert set(later.statuses().values()) == {Status.DELIVERED}
            self.stand_there(service, work, op)
        pytest.fail(f"the job is not over after {_STEPS} steps")

    def killed(self, action: Action, work: Batch, service: Handler, steps: int) -> tuple[str | None, set[int], bool]:
        """Run so many steps of a job; return its name, the rows that were settled, whether it was over by then."""
        exchange: Any = action.run(work)
        seen, sent, job = Driven(), None, None
        for _ in range(steps):
            try:
                item = exchange.send(sent)
            except StopIteration:
                return job, {o.change.seq for o in seen.outcomes}, True
            job = item.id if isinstance(item, JobStarted) else job
            sent = step(item, service, seen, self.pass_time)
        exchange.close()
        return job, {o.change.seq for o in seen.outcomes}, False

    def stand_there(self, service: Handler, work: Batch, op: Op) -> None:
        """Hold what a job wrote to what is read back."""
        if self.destination.read_back is None:
            return
        told: dict[str, Any] = {"cohorts": (("vip", "High Value"),), "prepared": work.prepared}
        there = self.read(service, *(c.match for c in work.changes), **(told if op is not Op.UPSERT else {}))
        assert set(there) == {change.identity for change in work.changes}
        if op is not Op.UPSERT:
            inside = {who for who, record in there.items() if "High Value" in record.cohorts}
            assert inside == (set(there) if op is Op.JOIN else set())

    def test_a_job_refuses_one_row_by_name(self) -> None:
        """The poisoned row of a job is rejected, with its reason; the others are delivered."""
        action = self.job_of(Op.UPSERT)
        if self.poison is None:
            self.not_applicable("poison", f"{self.destination.name} refuses no row")
        service = self.service()
        work = self.many(service, Op.UPSERT)
        fields = self.fields(service)
        rows = list(work.changes)
        rows[4] = self.change(5, fields={**self.values(fields, 5), **self.poison})
        seen = drive(action.run(replace(work, changes=rows)), service, pause=self.pass_time)
        (refused,) = _of(seen.outcomes, rows[4])
        assert refused.status is Status.REJECTED
        assert refused.reason
        assert {s for s, status in seen.statuses().items() if status is not Status.DELIVERED} == {5}

    def test_a_job_that_is_gone_is_not_believed(self) -> None:
        """A job that the service does not know (any more) proves nothing: what is delivered then stands there."""
        action = self.job_of(Op.UPSERT)
        assert action.resume is not None
        service = self.service()
        work = self.many(service, Op.UPSERT)
        job = next(iter(drive(action.run(work), service, pause=self.pass_time).jobs))
        empty = self.service()
        strange = drive(action.resume(job, work), empty, pause=self.pass_time)
        told = [c for c in work.changes if strange.statuses().get(c.seq) is Status.DELIVERED]
        assert len(told) in (0, len(work.changes))
        if told:
            self.stand_there(empty, work, Op.UPSERT)


def _of(outcomes: Sequence[Outcome], change: Change) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.change.seq == change.seq]

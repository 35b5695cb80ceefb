"""``why``: what a destination believed about a key at a time, each flow that made it so, and the reason at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from revetl.engine.belief import Belief, fold
from revetl.engine.focus import Focus, focused
from revetl.engine.forgotten import Hasher, stone_of
from revetl.engine.glimpse import glimpse
from revetl.engine.keytext import parts_of
from revetl.engine.presence import open_models
from revetl.engine.reasons import Case, Reason, reason_of
from revetl.engine.search import Search, stored_syncs
from revetl.engine.workspace import Workspace
from revetl.state.backlog import RunModel, RunRow, held, run_facts, run_models
from revetl.state.flowlog import Filters, Flow, introduced
from revetl.state.onekey import KeyState, key_state
from revetl.state.schema import STATE
from revetl.state.tombstones import Tombstone
from revetl.types import SyncPlan

_PRUNED = f"SELECT 1 FROM {STATE}.chain WHERE starts_with(why, 'pruned') LIMIT 1"


@dataclass(frozen=True, slots=True)
class Origin:
    """The run that brought something, and what it was made from; None where state no longer knows."""

    run: str
    at: datetime
    git_commit: str | None = None
    dbt_invocation: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One flow of a timeline. ``standing``: what it brought still stood at the moment asked for."""

    flow: Flow
    git_commit: str | None
    dbt_invocation: str | None
    standing: bool
    models: tuple[RunModel, ...] = ()  # from which it was made


@dataclass(frozen=True)
class SyncAnswer:
    """What one sync's destination believed of one key, and the reason why."""

    sync: str
    destination: str
    key: str | None  # None: no key was found for the identity
    belief: Belief
    reason: Reason
    steps: tuple[Step, ...] = ()  # oldest first
    introduced: Mapping[tuple[str, str], Origin] = field(default_factory=dict)  # (field | cohort, name) → first run
    hidden: frozenset[str] = frozenset()  # fields that hold personal values


@dataclass(frozen=True)
class Answer:
    """The answer to ``why``: one entry per sync and key."""

    asked: str
    at: datetime | None
    syncs: tuple[SyncAnswer, ...]
    notes: tuple[str, ...] = ()


def why(
    workspace: Workspace,
    asked: str,
    *,
    to: str | None = None,
    at: datetime | None = None,
    field: str | None = None,
    cohort: str | None = None,
) -> Answer:
    """Return what was believed about a key (its text, or a JSON array) or an identity such as an e-mail address.

    Raises:
        UsageError: RVT-850, ``to`` names neither a sync nor a destination; RVT-852, the key is no JSON array.
        StateError: RVT-521, the ledger cannot be read.
    """
    asked = asked.strip()
    plans = {plan.name: plan for plan in workspace.resolved.syncs}
    only = _selected(workspace)
    with glimpse(workspace) as seen, open_models(workspace, _chosen_plans(plans.values(), to, only)) as models:
        search = _Asked(seen, models, plans, stored_syncs(seen), to, only=only)
        pairs = search.pairs(asked)
        wish = Focus(field, cohort)
        search.stones, search.asked = seen.forgotten(workspace.state_dir), asked
        answers = tuple(search.answer(sync, key, at, wish) for sync, key in pairs)
        notes = tuple(note for note in (seen.view.notice, models.note, search.note) if note)
    return Answer(asked, at, answers, notes)


def _selected(workspace: Workspace) -> frozenset[str] | None:
    """Return the syncs that were selected by name, None where nobody selects; the others are mapped all the same."""
    options = workspace.options
    return frozenset(plan.name for plan in workspace.syncs) if options.select or options.exclude else None


def _chosen_plans(plans: Iterable[SyncPlan], to: str | None, only: frozenset[str] | None) -> list[SyncPlan]:
    asked = (plan for plan in plans if to is None or to in {plan.name, plan.destination})
    return [plan for plan in asked if only is None or plan.name in only]


@dataclass
class _Asked(Search):
    """A question, and the answers to it."""

    stones: Sequence[Tombstone] = ()
    asked: str = ""

    def answer(self, sync: str, key: str | None, at: datetime | None, focus: Focus) -> SyncAnswer:
        """Return the answer for one key of one sync."""
        plan = self.plans.get(sync)
        flows = self.flows_of(Filters(keys=(key,), syncs=(sync,), newest_first=False)) if key else []
        past = [flow for flow in flows if at is None or flow.time <= at]
        case = self._case(sync, key, at, past, [flow for flow in flows if at is not None and flow.time > at])
        wish = focus.within(plan)
        first = introduced(self.seen.view, sync) if past else {}
        made = run_models(self.seen.view, sync, [flow.run for flow in past])
        facts = run_facts(self.seen.view, [*{flow.run for flow in past}, *{run for run, _ in first.values()}])
        return SyncAnswer(
            sync=sync,
            destination=sync.partition(".")[0],
            key=key,
            belief=case.belief,
            reason=focused(case, wish) or reason_of(case),
            steps=tuple(
                Step(
                    flow,
                    *_made_from(facts.get(flow.run)),
                    standing=flow.seq in case.belief.made_by,
                    models=made.get(flow.run, ()),
                )
                for flow in past
                if wish.about(flow, plan.match_field if plan else None)
            ),
            introduced={what: Origin(run, when, *_made_from(facts.get(run))) for what, (run, when) in first.items()},
            hidden=case.state.hidden,
        )

    def _case(
        self, sync: str, key: str | None, at: datetime | None, past: Sequence[Flow], later: Sequence[Flow]
    ) -> Case:
        plan, stored, view = self.plans.get(sync), self.stored.get(sync), self.seen.view
        belief = fold(past, plan.match_field if plan else None)
        state = key_state(view, stored, key, parts_of(key)) if key and stored else KeyState()
        presence = self.presence(sync, key) if at is None or not (past or later) else None
        return Case(
            sync, plan, stored is not None, view.readable, past, later, belief, state, presence,
            stopped=self._stopped(sync), at=at, running=view.busy, pid=view.pid, note=self.models.note,
            pruned=view.readable and bool(view.rows(_PRUNED)),
            forgotten=self._forgotten(plan, key),
        )  # fmt: skip

    def _forgotten(self, plan: SyncPlan | None, key: str | None) -> datetime | None:
        """Return since when the person is forgotten; None: they are not."""
        if self.seen.ring is None or not self.stones:
            return None
        pairs = [(plan.entity, key)] if plan is not None and key is not None else []
        stone = stone_of(self.stones, Hasher(self.seen.ring), self.asked, pairs)
        return stone.at if stone is not None else None

    def _stopped(self, sync: str) -> str | None:
        return next((f"{h.guard}: {h.reason}" for h in held(self.seen.view) if h.sync == sync and h.stops), None)


def _made_from(facts: RunRow | None) -> tuple[str | None, str | None]:
    return (facts.git_commit, facts.dbt_invocation) if facts else (None, None)

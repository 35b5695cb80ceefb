"""``why``: what a destination believed about a key at a time, each flow that made it so, and the reason at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from difflib import get_close_matches

from revetl.engine.belief import Belief, fold
from revetl.engine.focus import Focus, focused
from revetl.engine.glimpse import Glimpse, glimpse
from revetl.engine.keytext import candidates, parts_of
from revetl.engine.presence import Models, Presence, open_models
from revetl.engine.reasons import Case, Reason, reason_of
from revetl.engine.workspace import Workspace
from revetl.errors import UsageError
from revetl.state.backlog import RunRow, held, run_facts
from revetl.state.flowlog import Filters, Flow, introduced, search_ledger
from revetl.state.layout import StoredSync, known_syncs
from revetl.state.onekey import KeyState, key_state, keys_of_identity
from revetl.types import SyncPlan


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
    plans = {plan.name: plan for plan in workspace.syncs}
    with glimpse(workspace) as seen, open_models(workspace, _chosen_plans(plans.values(), to)) as models:
        stored = {sync.sync: sync for sync in known_syncs(seen.view)} if seen.view.readable else {}
        search = _Search(seen, models, plans, stored, to)
        pairs = search.pairs(asked)
        wish = Focus(field, cohort)
        answers = tuple(search.answer(sync, key, at, wish) for sync, key in pairs)
        notes = tuple(note for note in (seen.view.notice, models.note, search.note) if note)
    return Answer(asked, at, answers, notes)


def _chosen_plans(plans: Iterable[SyncPlan], to: str | None) -> list[SyncPlan]:
    return [plan for plan in plans if to is None or to in {plan.name, plan.destination}]


@dataclass
class _Search:
    seen: Glimpse
    models: Models
    plans: Mapping[str, SyncPlan]
    stored: Mapping[str, StoredSync]
    to: str | None
    note: str = ""

    # --- which keys of which syncs ----------------------------------------------------------------------------------

    def pairs(self, asked: str) -> list[tuple[str, str | None]]:
        """Return (sync, key) of everything the question is about; at least one."""
        keys = candidates(asked)
        by_key = self._flows_of(Filters(keys=keys))
        person = () if asked.startswith("[") else self.seen.identities(asked)
        by_identity = self._flows_of(Filters(identities=person))
        syncs = self._syncs((*by_key, *by_identity))
        hits = {(flow.sync, flow.key): None for flow in (*by_key, *by_identity) if flow.sync in syncs}
        for sync in syncs:
            hits |= dict.fromkeys((sync, key) for key in self._in_state(sync, asked, keys))
        for sync in syncs if not hits else ():
            hits |= dict.fromkeys((sync, key) for key in self._in_models(sync, asked, keys))
        if self.seen.key is None and not self.seen.clear and not hits:
            self.note = "the ledger's HMAC key is not at hand: identities cannot be looked up in it"
        return self._spread(hits, syncs) or [(sync, None) for sync in syncs]

    def _flows_of(self, filters: Filters) -> list[Flow]:
        if not (filters.keys or filters.identities):
            return []
        syncs = filters.syncs or ((self.to,) if self.to else ())
        return search_ledger(self.seen.view, replace(filters, syncs=syncs))

    def _syncs(self, flows: Sequence[Flow]) -> list[str]:
        """Return the syncs that the question is about, by name."""
        known = {*self.plans, *self.stored, *(flow.sync for flow in flows)}
        chosen = sorted(name for name in known if self.to in {None, name, name.partition(".")[0]})
        if not chosen:
            near = get_close_matches(self.to or "", sorted(known), n=1)
            listed = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"
            what = f"{self.to} is neither a sync nor a destination" if self.to else "there is no sync"
            raise UsageError("RVT-850", what, hint=listed)
        return chosen

    def _in_state(self, sync: str, asked: str, keys: Sequence[str]) -> list[str]:
        stored, view = self.stored.get(sync), self.seen.view
        if stored is None:
            return []
        fitting = [key for key in keys if self._fits(sync, key)]
        found = [key for key in fitting if _somewhere(key_state(view, stored, key, parts_of(key)))]
        return found if asked.startswith("[") else [*found, *keys_of_identity(view, stored, asked)]

    def _in_models(self, sync: str, asked: str, keys: Sequence[str]) -> list[str]:
        plan = self.plans.get(sync)
        if plan is None:
            return []
        found = [key for key in keys if self._fits(sync, key) and (p := self._presence(sync, key)) and p.in_model]
        stored = self.stored.get(sync)
        kind = stored.normalise if stored else "email"
        return found if asked.startswith("[") else [*found, *self.models.keys_of(plan, asked, kind)]

    def _fits(self, sync: str, key: str) -> bool:
        """Return whether a key has the types of the sync's key, as far as they are known."""
        stored = self.stored.get(sync)
        if stored is None:
            return True
        parts = parts_of(key)
        texts = [kind in {"VARCHAR", "UUID", "DATE"} for kind in stored.keys]
        return len(parts) == len(texts) and all(isinstance(p, str) is t for p, t in zip(parts, texts, strict=True))

    def _spread(self, hits: Mapping[tuple[str, str], None], syncs: Sequence[str]) -> list[tuple[str, str | None]]:
        """Return the hits, and the same keys in the other syncs of the same entity: one person side by side."""
        entities = {(plan.entity, key) for sync, key in hits if (plan := self.plans.get(sync))}
        more = {
            (sync, key): None
            for sync in syncs
            for entity, key in sorted(entities)
            if sync in self.plans and self.plans[sync].entity == entity
        }
        return [(sync, key) for sync, key in sorted({**hits, **more})]

    # --- what is known of one of them -------------------------------------------------------------------------------

    def answer(self, sync: str, key: str | None, at: datetime | None, focus: Focus) -> SyncAnswer:
        """Return the answer for one key of one sync."""
        plan = self.plans.get(sync)
        flows = self._flows_of(Filters(keys=(key,), syncs=(sync,), newest_first=False)) if key else []
        past = [flow for flow in flows if at is None or flow.time <= at]
        case = self._case(sync, key, at, past, [flow for flow in flows if at is not None and flow.time > at])
        wish = focus.within(plan)
        first = introduced(self.seen.view, sync) if past else {}
        facts = run_facts(self.seen.view, [*{flow.run for flow in past}, *{run for run, _ in first.values()}])
        return SyncAnswer(
            sync=sync,
            destination=sync.partition(".")[0],
            key=key,
            belief=case.belief,
            reason=focused(case, wish) or reason_of(case),
            steps=tuple(
                Step(flow, *_made_from(facts.get(flow.run)), standing=flow.seq in case.belief.made_by)
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
        presence = self._presence(sync, key) if at is None or not (past or later) else None
        return Case(
            sync, plan, stored is not None, view.readable, past, later, belief, state, presence,
            stopped=self._stopped(sync), at=at, running=view.busy, pid=view.pid, note=self.models.note,
        )  # fmt: skip

    def _presence(self, sync: str, key: str | None) -> Presence | None:
        plan = self.plans.get(sync)
        if plan is None or key is not None:
            return self.models.presence(plan, parts_of(key or ""), self.stored.get(sync)) if plan else None
        return Presence(in_model=False) if self.models.asked else None

    def _stopped(self, sync: str) -> str | None:
        return next((f"{h.guard}: {h.reason}" for h in held(self.seen.view) if h.sync == sync and h.stops), None)


def _somewhere(state: KeyState) -> bool:
    return bool(state.known or state.cohorts or state.doubts or state.rejected or state.held or state.unmatched)


def _made_from(facts: RunRow | None) -> tuple[str | None, str | None]:
    return (facts.git_commit, facts.dbt_invocation) if facts else (None, None)

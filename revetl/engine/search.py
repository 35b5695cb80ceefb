"""Which keys of which syncs a question is about: a key as typed, or an identity such as an e-mail address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from revetl.encode import digest
from revetl.encode.encoding import HOLE
from revetl.engine.glimpse import Glimpse
from revetl.engine.keytext import candidates, parts_of
from revetl.engine.presence import Models, Presence
from revetl.errors import UsageError
from revetl.state.flowlog import Filters, Flow, search_ledger, under_present_keys
from revetl.state.layout import StoredSync, known_syncs
from revetl.state.onekey import KeyState, key_state, keys_of_identity
from revetl.types import SyncPlan


def stored_syncs(seen: Glimpse) -> dict[str, StoredSync]:
    """Return the syncs that state knows, by name; none where it cannot be read."""
    return {sync.sync: sync for sync in known_syncs(seen.view)} if seen.view.readable else {}


@dataclass
class Search:
    """What is looked through: the ledger, state, the models.

    ``to`` narrows it to a sync or a destination, ``only`` to syncs by name.
    """

    seen: Glimpse
    models: Models
    plans: Mapping[str, SyncPlan]
    stored: Mapping[str, StoredSync]
    to: str | None
    note: str = ""
    only: frozenset[str] | None = None

    def pairs(self, asked: str) -> list[tuple[str, str | None]]:
        """Return (sync, key) of everything the question is about; at least one."""
        keys = candidates(asked)
        by_key = self.flows_of(Filters(keys=keys))
        texts = () if asked.startswith("[") else self._texts(asked)
        person = tuple(form for text in texts for form in self.seen.identities(text))
        by_identity = self.flows_of(Filters(identities=person))
        syncs = self._syncs((*by_key, *by_identity))
        hits = {(flow.sync, flow.key): None for flow in (*by_key, *by_identity) if flow.sync in syncs}
        for sync in syncs:
            hits |= dict.fromkeys((sync, key) for key in self._in_state(sync, texts, keys))
        met = {self.plans[sync].entity for sync, _ in hits if sync in self.plans}
        for sync in syncs:
            if sync in self.plans and self.plans[sync].entity in met:
                continue
            hits |= dict.fromkeys((sync, key) for key in self._in_models(sync, texts, keys))
        if self.seen.ring is None and not self.seen.clear and not hits:
            self.note = "the ledger's HMAC key is not at hand: identities cannot be looked up in it"
        return self._spread(hits, syncs) or [(sync, None) for sync in syncs]

    def _texts(self, asked: str) -> tuple[str, ...]:
        """Return an identity, and its digests by the rules of the syncs whose records are found by one."""
        match = [f for plan in self.plans.values() for f in plan.fields if f.field == plan.match_field]
        digests = dict.fromkeys(digest(f.hash, f.pii).replace(HOLE, "v") for f in match if f.hash)
        found = (self.seen.view.one(f"SELECT {d} FROM (SELECT CAST(? AS VARCHAR) AS v)", [asked]) for d in digests)
        return (asked, *(text for text in found if text))

    def flows_of(self, filters: Filters) -> list[Flow]:
        """Return the flows that pass; none where they name neither a key nor an identity."""
        if not (filters.keys or filters.identities):
            return []
        syncs = filters.syncs or ((self.to,) if self.to else ())
        return under_present_keys(self.seen.view, search_ledger(self.seen.view, replace(filters, syncs=syncs)))

    def _syncs(self, flows: Sequence[Flow]) -> list[str]:
        """Return the syncs that the question is about, by name."""
        known = {*self.plans, *self.stored, *(flow.sync for flow in flows)}
        known = known if self.only is None else known & self.only
        chosen = sorted(name for name in known if self.to in {None, name, name.partition(".")[0]})
        if not chosen:
            near = get_close_matches(self.to or "", sorted(known), n=1)
            listed = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"
            what = f"{self.to} is neither a sync nor a destination" if self.to else "there is no sync"
            raise UsageError("RVT-850", what, hint=listed)
        return chosen

    def _in_state(self, sync: str, texts: Sequence[str], keys: Sequence[str]) -> list[str]:
        stored, view = self.stored.get(sync), self.seen.view
        if stored is None:
            return []
        fitting = [key for key in keys if self.fits(sync, key)]
        found = [key for key in fitting if _somewhere(key_state(view, stored, key, parts_of(key)))]
        return [*found, *(key for text in texts for key in keys_of_identity(view, stored, text))]

    def _in_models(self, sync: str, texts: Sequence[str], keys: Sequence[str]) -> list[str]:
        plan = self.plans.get(sync)
        if plan is None:
            return []
        found = [key for key in keys if self.fits(sync, key) and (p := self.presence(sync, key)) and p.in_model]
        stored = self.stored.get(sync)
        kind = stored.normalise if stored else "email"
        return [*found, *(key for text in texts for key in self.models.keys_of(plan, text, kind))]

    def fits(self, sync: str, key: str) -> bool:
        """Return whether a key has the types of the sync's key, as far as they are known."""
        stored = self.stored.get(sync)
        if stored is None:
            return True
        parts = parts_of(key)
        texts = [kind in {"VARCHAR", "UUID", "DATE"} for kind in stored.keys]
        return len(parts) == len(texts) and all(isinstance(p, str) is t for p, t in zip(parts, texts, strict=True))

    def _spread(self, hits: Mapping[tuple[str, str], None], syncs: Sequence[str]) -> list[tuple[str, str | None]]:
        """Return the hits, and the same keys in the other syncs of the same entity: one person side by side."""
        entities = {(entity, key) for sync, key in hits if (entity := self._entity(sync))}
        more = {
            (sync, key): None
            for sync in syncs
            for entity, key in sorted(entities)
            if sync in self.plans and self.plans[sync].entity == entity
        }
        return [(sync, key) for sync, key in sorted({**hits, **more})]

    def models_of(self, sync: str) -> set[str]:
        """Return the models of the fields that state knows of a sync, by their unique ids."""
        stored = self.stored.get(sync)
        return {field.model for field in stored.fields} if stored is not None else set()

    def _entity(self, sync: str) -> str | None:
        """Return a sync's entity; that of one which is configured no more is the one that alone has its models."""
        if sync in self.plans:
            return self.plans[sync].entity
        models = self.models_of(sync)
        theirs = {p.entity for p in self.plans.values() if models & {ref.unique_id for ref in (p.base, *p.joined)}}
        return theirs.pop() if len(theirs) == 1 else None

    def presence(self, sync: str, key: str | None) -> Presence | None:
        """Return what the models say now of a key of a sync, None where they cannot be asked."""
        plan = self.plans.get(sync)
        if plan is None or key is not None:
            return self.models.presence(plan, parts_of(key or ""), self.stored.get(sync)) if plan else None
        return Presence(in_model=False) if self.models.asked else None


def _somewhere(state: KeyState) -> bool:
    return bool(state.known or state.cohorts or state.doubts or state.rejected or state.held or state.unmatched)

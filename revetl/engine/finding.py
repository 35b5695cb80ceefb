"""Who is meant by a key or an address: the keys in each sync, and where and as whom the person may stand there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from revetl.engine.forgotten import forms
from revetl.engine.glimpse import Glimpse
from revetl.engine.keytext import parts_of
from revetl.engine.presence import Models
from revetl.engine.sealing import opened
from revetl.engine.search import Search
from revetl.engine.staging import Masking
from revetl.engine.standing import MAKES, MAY_STAND, Standing, ended, others_at, standing, stayed
from revetl.sqltext import quote_text
from revetl.state.flowlog import Filters, Flow, search_ledger
from revetl.state.schema import STATE
from revetl.state.tombstones import Tombstone
from revetl.types import SyncPlan


@dataclass(frozen=True)
class Whereabouts:
    """One key of one sync. ``sent``: a record of it may stand there, under one of ``identities`` or the remote id.

    ``strange``: those of them at which somebody else may stand, who was written there or away from there, of unknown
    outcome. ``shared``: not among them, since somebody else stands there, to whose record a lost request may have
    brought the person. ``hidden``: a record stayed at a former identity that nobody can tell any more. ``passed``:
    those of ``identities`` that are somebody else's by now in some sync of the entity: they are no more the person's.
    """

    sync: str
    key: str
    plan: SyncPlan | None  # None: the sync is configured no more
    sent: bool
    identities: tuple[str, ...] = ()  # in clear, as the destination compares them
    hashed: tuple[str, ...] = ()  # as the ledger keeps them, the former ones too
    remote_id: str | None = None
    strange: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    hidden: bool = False
    passed: tuple[str, ...] = ()

    @property
    def own(self) -> tuple[str, ...]:
        """Return the identities that are the person's."""
        return tuple(one for one in self.identities if one not in {*self.strange, *self.passed})


def whereabouts(seen: Glimpse, models: Models, search: Search, asked: str) -> tuple[Whereabouts, ...]:
    """Return every key of every sync that a key or an identity means, by sync."""
    pairs = [(sync, key) for sync, key in search.pairs(asked) if key is not None]
    person = () if asked.startswith("[") else forms(asked)
    found = _all(seen, models, search, pairs, person)
    former = _all(seen, models, search, _formerly(search, found), person)
    if old := [(one.sync, one.key) for one in former if same_person(one, found)]:
        pairs = sorted([*pairs, *old])
        found = _all(seen, models, search, pairs, person)
    if all(one.identities or not one.sent for one in found):
        return found
    told = (*person, *dict.fromkeys(name for one in found for name in one.identities))  # of one sync, to know another's
    return _all(seen, models, search, pairs, told)


def _all(
    seen: Glimpse, models: Models, search: Search, pairs: Sequence[tuple[str, str]], person: Sequence[str]
) -> tuple[Whereabouts, ...]:
    meant: dict[str, list[str]] = {}
    for sync, key in pairs:
        meant.setdefault(sync, []).append(key)
    return tuple(_one(seen, models, search, sync, key, person, meant[sync]) for sync, key in pairs)


def _formerly(search: Search, found: Sequence[Whereabouts]) -> list[tuple[str, str]]:
    """Return the same keys in syncs that are configured no more, of which it is not known whose keys they were."""
    keys = tuple(dict.fromkeys(one.key for one in found if one.plan is not None))
    old = {(flow.sync, flow.key) for flow in search.flows_of(Filters(keys=keys))}
    old |= {(sync, key) for sync in search.stored for key in keys if search.fits(sync, key)}
    return sorted((sync, key) for sync, key in old - {(o.sync, o.key) for o in found} if sync not in search.plans)


def set_apart(seen: Glimpse, search: Search, found: Sequence[Whereabouts]) -> tuple[Whereabouts, ...]:
    """Return them, with those of their identities that are by now somebody else's in any sync of their entities."""
    entities = {one.plan.entity for one in found if one.plan is not None}
    keys = list(dict.fromkeys(one.key for one in found))
    names = {name for one in found for name in (*one.identities, *one.hashed)}
    syncs = (s for name, s in search.stored.items() if name in search.plans and search.plans[name].entity in entities)
    passed = {name for stored in syncs for name in others_at(seen, stored, keys, names)}
    return tuple(
        replace(
            one, passed=tuple(name for name in one.identities if name in passed),
            hashed=tuple(name for name in one.hashed if name not in passed),
        )
        for one in found
    )  # fmt: skip


def same_person(one: Whereabouts, found: Iterable[Whereabouts]) -> bool:
    """Return whether a key of a sync that is configured no more, of whichever entity, has an address of the person."""
    theirs = {name for other in found if other.plan is not None for name in (*other.own, *other.hashed)}
    return not theirs.isdisjoint((*one.identities, *one.hashed))


def of_stone(
    seen: Glimpse, models: Models, search: Search, stone: Tombstone, found: Sequence[Whereabouts]
) -> tuple[Whereabouts, ...]:
    """Return what state has of a forgotten person's keys that the question does not lead to.

    A command that died may have left them, and the model may say something else by now.
    """
    key = seen.ring.find(stone.key_id) if seen.ring is not None else None
    if key is None or not seen.view.readable:
        return ()
    hashed = Masking("hash", key).hmac(f"{quote_text(stone.entity)} || chr(10) || c.key")
    keys: set[str] = set()
    for stored in (s for name, s in search.stored.items() if name in search.plans):
        rows = seen.view.rows(
            f"SELECT key FROM (SELECT {stored.key_text()} AS key FROM {STATE}.snap_{stored.id} UNION "
            f"SELECT key FROM {STATE}.pending WHERE sync = ?) c WHERE {hashed} IN (SELECT unnest(?))",
            [stored.sync, list(stone.keys)],
        )
        keys |= {str(row[0]) for row in rows}
    more = (whereabouts(seen, models, search, text) for text in sorted(keys - {one.key for one in found}))
    return tuple(one for some in more for one in some)


def of_entity(
    plans: Sequence[SyncPlan], search: Search, found: Sequence[Whereabouts], entity: str
) -> tuple[tuple[Whereabouts, ...], tuple[Whereabouts, ...]]:
    """Return which keys are of an entity, and those of syncs configured no more of which that is not known."""
    mine, others = (
        {ref.unique_id for plan in plans if (plan.entity == entity) is its for ref in (plan.base, *plan.joined)}
        for its in (True, False)
    )
    known, strays = list[Whereabouts](), list[Whereabouts]()
    for one in found:
        models = search.models_of(one.sync)
        old = all(plan.name != one.sync for plan in plans)
        if one.plan is not None or same_person(one, found) or (old and models & mine):
            known.append(one)
        elif old and not models & others:
            strays.append(one)
    return tuple(known), tuple(strays)


def _one(
    seen: Glimpse, models: Models, search: Search, sync: str, key: str, person: Sequence[str], meant: Sequence[str]
) -> Whereabouts:
    plan, stored = search.plans.get(sync), search.stored.get(sync)
    flows = search_ledger(seen.view, Filters(keys=(key,), syncs=(sync,), newest_first=False))
    hashed = tuple(dict.fromkeys(i for f in flows for i in (f.identity, f.before_identity) if i))
    kind = stored.normalise if stored else "email"
    guesses = dict.fromkeys((*_in_flows(seen, flows, plan), *person, *_in_model(models, plan, key)))
    known = {g for g in (_normal(kind, text) for text in guesses) if set(seen.identities(g)) & set(hashed)}
    here, left = Standing(), stayed(seen, plan, flows, meant)
    if stored is not None and seen.view.readable:
        here = standing(seen, stored, key, meant, flows, known, left)
    went = any(f.outcome in MAY_STAND and f.op in MAKES for f in flows) and not ended(flows)
    identities = tuple(sorted(({*here.found, *known} - here.taken) | here.strange))
    hidden = not left <= seen.spelt((*identities, *here.shared)) | here.taken
    sent = here.known or hidden or here.remote_id is not None or (went and bool(identities or not here.taken))
    theirs = seen.spelt(here.strange) | here.taken
    return Whereabouts(
        sync, key, plan, sent, identities, tuple(one for one in hashed if one not in theirs), here.remote_id,
        tuple(sorted(here.strange)), tuple(sorted(here.shared)), hidden,
    )  # fmt: skip


def _normal(kind: str, text: str) -> str:
    if kind == "email":
        return text.strip().lower()
    return text.lower() if kind == "lower" else text


def _in_flows(seen: Glimpse, flows: Iterable[Flow], plan: SyncPlan | None) -> list[str]:
    """Return identities that the ledger itself tells: kept in clear, or encrypted under a key that is here."""
    found = [i for flow in flows for i in (flow.identity, flow.before_identity) if i] if seen.clear else []
    name = plan.match_field if plan else ""
    values = [opened((flow.values or {}).get(name), seen.ring) for flow in flows]
    return [*found, *(value for value in values if isinstance(value, str))]


def _in_model(models: Models, plan: SyncPlan | None, key: str) -> list[str]:
    if plan is None:
        return []
    value = models.match_of(plan, parts_of(key))
    return [value] if value else []

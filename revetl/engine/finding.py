"""Who is meant by a key or an address: the keys in each sync, and where and as whom the person may stand there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from revetl.engine.forgotten import forms
from revetl.engine.glimpse import Glimpse
from revetl.engine.keytext import parts_of
from revetl.engine.presence import Models
from revetl.engine.sealing import opened
from revetl.engine.search import Search
from revetl.engine.staging import Masking
from revetl.sqltext import quote_text
from revetl.state.flowlog import Filters, Flow, search_ledger
from revetl.state.layout import StoredSync
from revetl.state.onekey import key_state, normalised
from revetl.state.schema import STATE
from revetl.state.tombstones import Tombstone
from revetl.types import OnLeave, Op, SyncPlan

_MAY_STAND = frozenset({"delivered", "unknown", "open"})
# Under which identities changes in doubt were written, and which they may have changed; a run that was killed has some.
_OPEN = f"FROM {STATE}.outbox WHERE local IS NULL"
_TRIED = (
    "(SELECT sync, key, op = 'upsert' AS record, unnest(list_transform(tried, lambda t: t.i)) AS i "
    f"FROM {STATE}.pending UNION ALL SELECT sync, key, op NOT IN ('join', 'part'), i {_OPEN})"
)
_NEAR = (
    f"(SELECT sync, key, unnest(near) AS i FROM {STATE}.pending UNION ALL SELECT sync, key, unnest([i, bi]) {_OPEN})"
)
_DONE = frozenset({"delivered", "local"})
_GOES = frozenset({OnLeave.DELETE, OnLeave.ARCHIVE})
_MAKES = frozenset({Op.UPSERT.value, Op.IDENTITY.value, Op.JOIN.value})


@dataclass(frozen=True)
class Whereabouts:
    """One key of one sync. ``sent``: a record of it may stand there, under one of ``identities`` or the remote id.

    ``strange``: those of them at which somebody else may stand, who was written there or away from there, of unknown
    outcome. ``shared``: not among them, since somebody else stands there, to whose record a lost request may have
    brought the person. ``hidden``: a record stayed at a former identity that nobody can tell any more.
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

    @property
    def own(self) -> tuple[str, ...]:
        """Return the identities that are the person's."""
        return tuple(one for one in self.identities if one not in self.strange)


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
        stored = search.stored.get(one.sync)
        models = {field.model for field in stored.fields} if stored is not None else set()
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
    found = list[str]()
    remote_id, standing, taken, strange, shared = None, False, frozenset[str](), set[str](), set[str]()
    if stored is not None and seen.view.readable:
        state = key_state(seen.view, stored, key, parts_of(key))
        standing = state.known or bool(state.cohorts or state.doubts)
        own, near, others = _in_state(seen, stored, key), _nearby(seen, sync, key), _others(seen, sync, meant)
        found, remote_id = [*own, *near], _remote(seen, sync, key, meant)
        taken = _taken(seen, stored, meant, {*found, *known, *hashed}) | _coming(seen, others, found)
        kept = _kept(seen, flows, meant)
        taken |= kept.union(n for n in (*found, *known) if kept.intersection(seen.identities(n)))
        strange = {n for n in others.intersection(near) - {*own, *known} if not set(seen.identities(n)) & set(hashed)}
        shared = set(taken.intersection(found))
        strange = (strange - taken) | (shared & _moving(seen, stored, meant))
        shared -= strange
    went = any(f.outcome in _MAY_STAND and f.op in _MAKES for f in flows) and not _ended(flows)
    identities = tuple(sorted(({*found, *known} - taken) | strange))
    told = {spelt for name in (*identities, *shared) for spelt in seen.identities(name)}
    hidden = not _stayed(seen, plan, flows, meant) <= {*told, *taken}
    sent = standing or hidden or remote_id is not None or (went and bool(identities or not taken))
    left = tuple(one for one in hashed if one not in taken)
    return Whereabouts(
        sync, key, plan, sent, identities, left, remote_id, tuple(sorted(strange)), tuple(sorted(shared)), hidden
    )


def _taken(seen: Glimpse, stored: StoredSync, meant: Sequence[str], identities: Collection[str]) -> frozenset[str]:
    """Return those identities, in clear and as the ledger keeps them, under which somebody else stands by now."""
    if not identities:
        return frozenset()
    masks = [Masking("hash", one).hmac("i") for one in (seen.ring.keys if seen.ring else ())]
    spelt = ", ".join(["i", *masks])
    rows = seen.view.rows(
        f"SELECT DISTINCT unnest([{spelt}]) FROM (SELECT {normalised(stored.normalise, 'm')} AS i "
        f"FROM {STATE}.snap_{stored.id} WHERE {stored.key_text()} NOT IN (SELECT unnest(?)) AND m IS NOT NULL) "
        f"WHERE list_has_any([{spelt}], ?)",
        [list(meant), sorted(identities)],
    )
    return frozenset(str(row[0]) for row in rows)


def _kept(seen: Glimpse, flows: Sequence[Flow], meant: Sequence[str]) -> frozenset[str]:
    """Return the person's identities, as the ledger keeps them, where somebody else came later and was let go of.

    Their record stayed there, though state knows of it no more.
    """
    mine = {i: flow.seq for flow in flows if flow.outcome in _MAY_STAND for i in (flow.identity,) if i}
    if not mine:
        return frozenset()
    met = search_ledger(seen.view, Filters(identities=tuple(mine), syncs=(flows[0].sync,)))
    keys = tuple(dict.fromkeys(flow.key for flow in met if flow.key not in meant))
    theirs: dict[str, list[Flow]] = {key: [] for key in keys}
    for flow in (
        search_ledger(seen.view, Filters(keys=keys, syncs=(flows[0].sync,), newest_first=False)) if keys else ()
    ):
        if flow.outcome == "delivered" and flow.op in {Op.UPSERT, Op.IDENTITY, Op.LEAVE} and flow.key in theirs:
            theirs[flow.key].append(flow)
    last = [some[-1] for some in theirs.values() if some and not _ended(some)]
    return frozenset(flow.identity for flow in last if flow.identity and flow.seq > mine.get(flow.identity, flow.seq))


def _stayed(seen: Glimpse, plan: SyncPlan | None, flows: Sequence[Flow], meant: Sequence[str]) -> set[str]:
    """Return the identities, as the ledger keeps them, at which a record of the person was left when they left.

    Whoever was written there since has it.
    """
    if plan is None or (plan.on_leave in _GOES and plan.on_leave_scope == "all"):
        return set()
    last = {i: flow for flow in flows for i in (flow.before_identity, flow.identity) if i and flow.outcome in _DONE}
    left = {i for i, flow in last.items() if flow.op == Op.LEAVE and (flow.outcome == "local" or flow.values)}
    wrote = {flow.identity: flow.seq for flow in flows if flow.outcome == "delivered" and flow.op in _MAKES}
    met = search_ledger(seen.view, Filters(identities=tuple(left), syncs=(plan.name,))) if left else ()
    others = (flow for flow in met if flow.key not in meant and flow.outcome == "delivered" and flow.op in _MAKES)
    return left & {*wrote} - {flow.identity for flow in others if flow.seq > wrote.get(flow.identity, flow.seq)}


def _moving(seen: Glimpse, stored: StoredSync, meant: Sequence[str]) -> frozenset[str]:
    """Return identities at which somebody else stands who may have moved away: by a change of unknown outcome."""
    stands = normalised(stored.normalise, "s.m")
    rows = seen.view.rows(
        f"SELECT DISTINCT {stands} FROM {STATE}.snap_{stored.id} s JOIN {_TRIED} t ON t.sync = ? "
        f"AND t.key = {stored.key_text('s.')} AND t.record AND t.i <> {stands} WHERE t.key NOT IN (SELECT unnest(?))",
        [stored.sync, list(meant)],
    )
    return frozenset(str(row[0]) for row in rows)


def _others(seen: Glimpse, sync: str, meant: Sequence[str]) -> frozenset[str]:
    """Return identities at which somebody else was written, of unknown outcome."""
    rows = seen.view.rows(
        f"SELECT DISTINCT i FROM {_TRIED} WHERE sync = ? AND record AND key NOT IN (SELECT unnest(?))",
        [sync, list(meant)],
    )
    return frozenset(str(row[0]) for row in rows if row[0] is not None)


def _coming(seen: Glimpse, others: Collection[str], found: Collection[str]) -> frozenset[str]:
    """Return identities, in both ways, of such others, which the person left."""
    return frozenset(spelt for one in {*others} - {*found} for spelt in (one, *seen.identities(one)))


def _ended(flows: Sequence[Flow]) -> bool:
    """Return whether the last that is known of it is that its record is gone there."""
    last = next(
        (flow for flow in reversed(flows) if flow.outcome == "delivered" and flow.op in {*_MAKES, "leave"}), None
    )
    return last is not None and last.op == Op.LEAVE and not last.values


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


def _in_state(seen: Glimpse, stored: StoredSync, key: str) -> list[str]:
    """Return the identities of the snapshot, and those under which the person was written, of unknown outcome."""
    rows = seen.view.rows(
        f"SELECT {normalised(stored.normalise, 'm')} FROM {STATE}.snap_{stored.id} WHERE {stored.key_text()} = ? "
        f"UNION SELECT i FROM {_TRIED} WHERE sync = ? AND key = ?",
        [key, stored.sync, key],
    )
    return [str(row[0]) for row in rows if row[0] is not None and str(row[0]).strip()]


def _nearby(seen: Glimpse, sync: str, key: str) -> list[str]:
    """Return the identities that a lost request may have brought the person's record to."""
    rows = seen.view.rows(f"SELECT DISTINCT i FROM {_NEAR} WHERE sync = ? AND key = ?", [sync, key])
    return [str(row[0]) for row in rows if row[0] is not None and str(row[0]).strip()]


def _remote(seen: Glimpse, sync: str, key: str, meant: Sequence[str]) -> str | None:
    """Return the id there, unless it is by now another record's, to whom the person's was handed over."""
    found = seen.view.one(
        f"SELECT remote_id FROM {STATE}.remote r WHERE sync = ? AND key = ? AND NOT EXISTS (SELECT 1 FROM "
        f"{STATE}.remote o WHERE o.sync = r.sync AND o.remote_id = r.remote_id AND o.key NOT IN (SELECT unnest(?)))",
        [sync, key, list(meant)],
    )
    return None if found is None else str(found)

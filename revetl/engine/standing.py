"""Where a record stands, as state and ledger have it, and who else does: what is theirs is not erased with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from revetl.engine.glimpse import Glimpse
from revetl.engine.keytext import parts_of
from revetl.engine.staging import Masking
from revetl.state.flowlog import Filters, Flow, search_ledger
from revetl.state.layout import StoredSync
from revetl.state.onekey import key_state, normalised
from revetl.state.schema import STATE
from revetl.types import OnLeave, Op, SyncPlan

MAY_STAND = frozenset({"delivered", "unknown", "open"})
_NEVER = ("rejected", "waiting")  # provably not applied
# Under which identities changes in doubt were written, and which they may have changed; a run that was killed has some.
_NOT_DONE = f"SELECT 1 FROM {STATE}.exceptions e WHERE e.run = o.run AND e.seq = o.seq AND e.status IN {_NEVER}"
_OPEN = f"FROM {STATE}.outbox o WHERE local IS NULL AND NOT EXISTS ({_NOT_DONE})"
_TRIED = (
    "(SELECT sync, key, op = 'upsert' AS record, unnest(list_transform(tried, lambda t: t.i)) AS i "
    f"FROM {STATE}.pending UNION ALL SELECT sync, key, op NOT IN ('join', 'part'), i {_OPEN})"
)
_NEAR = (
    f"(SELECT sync, key, unnest(near) AS i FROM {STATE}.pending UNION ALL SELECT sync, key, unnest([i, bi]) {_OPEN})"
)
_DONE = frozenset({"delivered", "local"})
_GOES = frozenset({OnLeave.DELETE, OnLeave.ARCHIVE})
MAKES = frozenset({Op.UPSERT.value, Op.IDENTITY.value, Op.JOIN.value})


@dataclass(frozen=True)
class Standing:
    """What state has of a record. ``found``: identities under which it may stand; ``taken``: where somebody else does.

    ``strange``: those, and former ones at which it was left, at which somebody else may stand; ``shared``: those of
    ``found`` at which somebody else does (see `Whereabouts`).
    """

    known: bool = False
    found: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()  # as the ledger keeps them, too
    strange: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    remote_id: str | None = None


def standing(
    seen: Glimpse,
    stored: StoredSync,
    key: str,
    meant: Sequence[str],
    flows: Sequence[Flow],
    known: Collection[str],
    left: Collection[str],
) -> Standing:
    """Return where a record stands.

    ``meant``: the person's keys, whose records are nobody else's; ``flows``: of this one; ``known``: identities that
    are the person's; ``left``: where it stayed when they left, as the ledger keeps them.
    """
    hashed = {i for flow in flows for i in (flow.identity, flow.before_identity) if i}
    own, near = _in_state(seen, stored, key), _nearby(seen, stored.sync, key)
    found, others = own | near, _others(seen, stored.sync, meant)
    kept = _kept(seen, flows, meant, found)
    behind = frozenset(name for name in others - found if not set(left).isdisjoint(seen.identities(name)))
    taken = _taken(seen, stored, meant, {*found, *known, *hashed}) | _coming(seen, others - behind, found)
    taken |= kept | {name for name in (*found, *known) if not kept.isdisjoint(seen.identities(name))}
    shared = taken & found
    moving = shared & _moving(seen, stored, meant)
    foreign = (others & near) - own - {*known} - taken
    strange = frozenset(name for name in foreign if hashed.isdisjoint(seen.identities(name)))
    state = key_state(seen.view, stored, key, parts_of(key))
    return Standing(
        state.known or bool(state.cohorts or state.doubts), found, taken, strange | moving | (behind - taken),
        shared - moving, _remote(seen, stored.sync, key, meant),
    )  # fmt: skip


def others_at(seen: Glimpse, stored: StoredSync, meant: Sequence[str], identities: Collection[str]) -> frozenset[str]:
    """Return those identities, in clear and as the ledger keeps them, where somebody else stands or was written."""
    written = ({name, *seen.identities(name)} for name in _others(seen, stored.sync, meant))
    return _taken(seen, stored, meant, identities).union(*(one for one in written if not one.isdisjoint(identities)))


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


def _kept(seen: Glimpse, flows: Sequence[Flow], meant: Sequence[str], found: Collection[str]) -> frozenset[str]:
    """Return the person's identities, as the ledger keeps them, where somebody else came later and was let go of.

    Their record stayed there, though state knows of it no more. If it is not known whether they came, it is theirs
    where the person is known to have moved away, or never to have been.
    """
    mine = {i: 0 for flow in flows if flow.outcome in _NEVER and (i := flow.identity)}
    mine |= {i: flow.seq for flow in flows if flow.outcome in MAY_STAND and (i := flow.identity)}
    if not mine:
        return frozenset()
    met = search_ledger(seen.view, Filters(identities=tuple(mine), syncs=(flows[0].sync,)))
    keys = tuple(dict.fromkeys(flow.key for flow in met if flow.key not in meant))
    theirs: dict[str, list[Flow]] = {key: [] for key in keys}
    if not keys:
        return frozenset()
    for flow in search_ledger(seen.view, Filters(keys=keys, syncs=(flows[0].sync,), newest_first=False)):
        if flow.outcome in MAY_STAND and flow.op in {Op.UPSERT, Op.IDENTITY, Op.LEAVE} and flow.key in theirs:
            theirs[flow.key].append(flow)
    gone = _moved_from(flows, mine) | {i for i, seq in mine.items() if not seq}
    free = gone - seen.spelt(found)
    last = [flow for some in theirs.values() for flow in _last(some, free)]
    return frozenset(flow.identity for flow in last if flow.identity and flow.seq > mine.get(flow.identity, flow.seq))


def _moved_from(flows: Sequence[Flow], mine: Mapping[str, int]) -> set[str]:
    """Return the identities of which it is known that the person, who was last written there, moved away."""
    moves = (flow for flow in flows if flow.outcome == "delivered" and flow.op == Op.IDENTITY)
    return {i for flow in moves if (i := flow.before_identity) and flow.seq > mine.get(i, flow.seq)}


def _last(flows: Sequence[Flow], free: Collection[str]) -> list[Flow]:
    """Return by which changes a record stands where it does: the last that was acknowledged, or one in doubt since."""
    sure = [flow for flow in flows if flow.outcome == "delivered"]
    since = sure[-1].seq if sure else 0
    doubts = [flow for flow in flows if flow.seq > since and flow.op != Op.LEAVE and flow.identity in free]
    return [*doubts, *(sure[-1:] if not ended(sure) else ())]


def stayed(seen: Glimpse, plan: SyncPlan | None, flows: Sequence[Flow], meant: Sequence[str]) -> set[str]:
    """Return the identities, as the ledger keeps them, at which a record of the person was left when they left.

    What wrote it may never have been answered. Whoever was written there since has it.
    """
    if plan is None or (plan.on_leave in _GOES and plan.on_leave_scope == "all"):
        return set()
    last = {i: flow for flow in flows for i in (flow.before_identity, flow.identity) if i and flow.outcome in _DONE}
    left = {i for i, flow in last.items() if flow.op == Op.LEAVE and (flow.outcome == "local" or flow.values)}
    wrote = {flow.identity: flow.seq for flow in flows if flow.outcome in MAY_STAND and flow.op in MAKES}
    met = search_ledger(seen.view, Filters(identities=tuple(left), syncs=(plan.name,))) if left else ()
    others = (flow for flow in met if flow.key not in meant and flow.outcome == "delivered" and flow.op in MAKES)
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
    left = {*others} - {*found}
    return frozenset(left | seen.spelt(left))


def ended(flows: Sequence[Flow]) -> bool:
    """Return whether the last that is known of it is that its record is gone there."""
    last = next(
        (flow for flow in reversed(flows) if flow.outcome == "delivered" and flow.op in {*MAKES, "leave"}), None
    )
    return last is not None and last.op == Op.LEAVE and not last.values


def _in_state(seen: Glimpse, stored: StoredSync, key: str) -> frozenset[str]:
    """Return the identities of the snapshot, and those under which the person was written, of unknown outcome."""
    rows = seen.view.rows(
        f"SELECT {normalised(stored.normalise, 'm')} FROM {STATE}.snap_{stored.id} WHERE {stored.key_text()} = ? "
        f"UNION SELECT i FROM {_TRIED} WHERE sync = ? AND key = ?",
        [key, stored.sync, key],
    )
    return frozenset(str(row[0]) for row in rows if row[0] is not None and str(row[0]).strip())


def _nearby(seen: Glimpse, sync: str, key: str) -> frozenset[str]:
    """Return the identities that a lost request may have brought the person's record to."""
    rows = seen.view.rows(f"SELECT DISTINCT i FROM {_NEAR} WHERE sync = ? AND key = ?", [sync, key])
    return frozenset(str(row[0]) for row in rows if row[0] is not None and str(row[0]).strip())


def _remote(seen: Glimpse, sync: str, key: str, meant: Sequence[str]) -> str | None:
    """Return the id there, unless it is by now another record's, to whom the person's was handed over."""
    found = seen.view.one(
        f"SELECT remote_id FROM {STATE}.remote r WHERE sync = ? AND key = ? AND NOT EXISTS (SELECT 1 FROM "
        f"{STATE}.remote o WHERE o.sync = r.sync AND o.remote_id = r.remote_id AND o.key NOT IN (SELECT unnest(?)))",
        [sync, key, list(meant)],
    )
    return None if found is None else str(found)

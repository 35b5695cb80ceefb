"""``forget``: a person is erased wherever something of them was sent, and never sent again.

1. the tombstone, in a file, in state, counted in the head: from now on no run sends anything of the person
2. the erasures, in state, then at each destination, each answer noted as it comes
3. state and ledger without the person, the ledger's entry of the erasures, the receipt

Whatever it dies between, the same command goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from revetl.engine import remote
from revetl.engine.finding import Whereabouts, of_entity, of_stone, set_apart, whereabouts
from revetl.engine.forgotten import Hasher, keys_left, stone_of
from revetl.engine.glimpse import glimpse
from revetl.engine.lanes import LeasedWire, line_of
from revetl.engine.networking import wire_of
from revetl.engine.presence import open_models
from revetl.engine.publishing import was_published
from revetl.engine.receipts import signed, write_receipt
from revetl.engine.rehearsal import origins
from revetl.engine.search import Search, stored_syncs
from revetl.engine.session import Clock, Session, new_run, open_session, utc_now
from revetl.engine.workspace import Workspace
from revetl.errors import RevetlError, TryLater, UsageError
from revetl.send.sender import Sender
from revetl.send.wire import Wire
from revetl.state.erasing import DONE, LEFT, Erasure, add, blank, erasures, record, settle_erasure
from revetl.state.layout import load_sync
from revetl.state.outbox import open_runs
from revetl.state.purging import Purged, busy_keys, compact, doubts_since, purge
from revetl.state.rewriting import Removed
from revetl.state.tombstones import Tombstone, settle, write
from revetl.types import JSON, Erased, Person, SyncPlan

NO_ERASE = "cannot be asked to erase: it must be done there by hand"
GONE_SYNC = "is configured no more: it must be done there by hand"
WHOSE = "is configured no more, and whether its key is this person's is not known: it must be looked at by hand there"
WHO = "was sent the person, but under which identity is not known: ask again with the e-mail address"
UNSETTLED = "a run is under way or was killed: what it did is settled before anybody is forgotten, and looked at anew"
PASSED = (
    "an address that one sync still has as theirs is by now somebody else's in another: it is erased where it is "
    "theirs, and not forgotten; if both are one person, forget the other key, too"
)
SHARED = (
    "a lost request may have brought the person to a record of somebody else, which is not erased: forget again once "
    "`revetl sync` has settled it; else the next sync writes that record anew, and it must be looked at by hand there"
)


@dataclass(frozen=True, slots=True)
class Place:
    """One sync where something of the person may stand. ``how`` is open, or why nothing can be done from here."""

    sync: str
    title: str
    how: str
    what: str  # what the destination does and keeps, or why nothing is asked of it
    identities: int = 0


@dataclass(frozen=True)
class Meant:
    """Who is meant: keys in each sync, places where something stands, since when they are forgotten (None: not).

    ``unsettled``: a run is under way or was killed, and what it did is not settled.
    """

    asked: str
    found: tuple[Whereabouts, ...]
    placed: tuple[tuple[Whereabouts, Place], ...]
    stone: Tombstone | None
    notes: tuple[str, ...] = ()
    unsettled: bool = False

    @property
    def places(self) -> tuple[Place, ...]:
        """Return where something of them may stand."""
        return tuple(place for _, place in self.placed)


@dataclass(frozen=True)
class Forgotten:
    """What became of it; ``complete``: nothing is left to do, here or by hand."""

    id: str
    complete: bool
    places: tuple[Mapping[str, JSON], ...]
    purged: Purged
    receipt: Path
    notes: tuple[str, ...] = ()


def meant(workspace: Workspace, asked: str, entity: str | None = None) -> Meant:
    """Return who is meant by a key or an identity, and where something of them stands; nothing is changed.

    Raises:
        UsageError: RVT-853, nobody is known by it; RVT-854, it is a key of several entities.
    """
    asked = asked.strip()
    plans = {plan.name: plan for plan in workspace.resolved.syncs if entity in {None, plan.entity}}
    with glimpse(workspace) as seen, open_models(workspace, list(plans.values())) as models:
        search = Search(seen, models, plans, stored_syncs(seen), None)
        found = whereabouts(seen, models, search, asked) if plans or search.stored else ()
        known, strays = (found, ()) if entity is None else of_entity(workspace.resolved.syncs, search, found, entity)
        hasher = Hasher(seen.ring) if seen.ring is not None else None
        unsettled = seen.view.readable and bool(open_runs(seen.view))
        stones = [one for one in seen.forgotten(workspace.state_dir) if entity in {None, one.entity}]
        pairs = [(one.plan.entity, one.key) for one in known if one.plan is not None]
        stone = stone_of(stones, hasher, asked, pairs) if hasher is not None else None
        known = (*known, *(of_stone(seen, models, search, stone, known) if stone is not None else ()))
        known = set_apart(seen, search, known)
        passed = PASSED if any(one.passed for one in known) else ""
        notes = tuple(note for note in (seen.view.notice, models.note, UNSETTLED if unsettled else "", passed) if note)
    entities = sorted({one.plan.entity for one in known if one.plan is not None})
    if len(entities) > 1 and "@" not in asked:
        raise _several(asked, entities)
    if not known and stone is None:
        raise UsageError(
            "RVT-853", f"nobody is known by {asked[:60]}", kept="nothing was changed",
            hint="write a key of the model, a composite one as a JSON array, or an e-mail address",
        )  # fmt: skip
    placed = [(one, place) for one in known if one.sent for place in _places(workspace, one)]
    placed += [(one, Place(one.sync, one.sync, "unconfigured", WHOSE)) for one in strays if one.sent]
    return Meant(asked, known, tuple(placed), stone, notes, unsettled)


def look(workspace: Workspace, asked: str, entity: str | None = None, *, clock: Clock = utc_now) -> Meant:
    """Return who is meant, as :func:`meant` does, once what a killed run did is settled.

    Raises:
        TryLater: RVT-502, a run works on the target.
    """
    who = meant(workspace, asked, entity)
    if not who.unsettled:
        return who
    with open_session(workspace, clock=clock, warehouse=False):  # which settles it
        pass
    return meant(workspace, asked, entity)


def _several(asked: str, entities: Sequence[str]) -> UsageError:
    what = f"{asked[:60]} is a key of several entities: {', '.join(entities)}"
    return UsageError("RVT-854", what, kept="nothing was changed", hint=f"add --entity {entities[0]}")


def _places(workspace: Workspace, one: Whereabouts) -> Iterator[Place]:
    plan = one.plan
    if plan is None:
        yield Place(one.sync, one.sync, "unconfigured", GONE_SYNC)
        return
    destination = workspace.registry[plan.type]
    if destination.erase is None:
        yield Place(one.sync, destination.title, "unsupported", NO_ERASE)
        return
    if one.identities:
        yield Place(one.sync, destination.title, "open", destination.erase.what, len(one.identities))
    if one.shared:
        yield Place(one.sync, destination.title, "shared", SHARED)
    if one.hidden or not (one.identities or one.shared):
        yield Place(one.sync, destination.title, "unresolved", WHO)


def forget(
    workspace: Workspace,
    who: Meant | None,
    *,
    by: str = "",
    reason: str = "",
    clock: Clock = utc_now,
    wire: Wire | None = None,
    crash: Callable[[str], None] = lambda _: None,
) -> tuple[Forgotten, ...]:
    """Forget ``who``; None goes on with erasures that were left unfinished.

    Raises:
        UsageError: RVT-855, a job at a vendor still carries the person.
        TryLater: RVT-502, a run works on the target; RVT-856, a lost request may still arrive.
    """
    with ExitStack() as stack:
        session = stack.enter_context(open_session(workspace, clock=clock, warehouse=False, crash=crash))
        work = _Work(session, stack, wire, by, reason)
        if who is None:
            ids = list(dict.fromkeys(one.id for one in erasures(session.store) if one.status in LEFT))
            return tuple(work.finish(ident, *work.left(ident)) for ident in ids)
        keys = _keys(who.found)
        if busy := busy_keys(session.store, keys):
            raise UsageError(
                "RVT-855", f"a job that carries the person still runs: {', '.join(busy)}", kept="nothing was changed",
                hint="revetl sync takes it to its end; then forget again",
            )  # fmt: skip
        if _on_the_way(session, keys):
            raise TryLater(
                "RVT-856", "a lost request about the person may still arrive there, and would bring them back",
                kept="nothing was changed", hint="run the same command again in a quarter of an hour",
            )  # fmt: skip
        stone = work.bury(who)
        left, names = work.left(stone.id) if who.stone else ({}, stone.identities)
        keys = {sync: sorted({*keys.get(sync, ()), *left.get(sync, ())}) for sync in (keys | left)}
        return (work.finish(stone.id, keys, names, who),)


def _on_the_way(session: Session, keys: Mapping[str, Sequence[str]]) -> bool:
    late = {plan.name: session.workspace.registry[plan.type].late_apply for plan in session.workspace.resolved.syncs}
    now = session.clock()
    return any(
        since > now - timedelta(seconds=late.get(sync, 0))
        for sync, some in keys.items()
        for since in doubts_since(session.store, sync, some)
    )


def _keys(found: Sequence[Whereabouts]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = {}
    for one in found:
        keys.setdefault(one.sync, []).append(one.key)
    return keys


@dataclass
class _Work:
    session: Session
    stack: ExitStack
    wire: Wire | None
    by: str
    reason: str

    def bury(self, who: Meant) -> Tombstone:
        """Write the tombstone, then what is to be erased; both durable before the first call."""
        store, ring = self.session.store, self.session.keys
        hasher, ident = Hasher(ring), ring.ids[0]
        entity = next((one.plan.entity for one in who.found if one.plan), who.stone.entity if who.stone else "")
        names = [name for one in who.found for name in one.own] + ([who.asked] if "@" in who.asked else [])
        digests = [d for name in names for d in hasher.identity(name)]
        digests += [h for one in who.found for h in one.hashed if self.session.mask.values != "clear"]
        keys = [d for one in who.found for d in hasher.key(one.plan.entity if one.plan else entity, one.key)]
        made = Tombstone(
            who.stone.id if who.stone else new_run(store.clock())[-12:], who.stone.at if who.stone else store.clock(),
            who.stone.key_id if who.stone else ident, entity, tuple(dict.fromkeys(keys)), tuple(dict.fromkeys(digests)),
        )  # fmt: skip
        made = who.stone.with_more(made) if who.stone else made
        write(store, [*(one for one in settle(store) if one.id != made.id), made])
        store.crash("after_tombstone")
        add(store, [e for one, p in who.placed for e in _erasures(made, one, p)])
        store.crash("after_erasures")
        return made

    def left(self, ident: str) -> tuple[dict[str, list[str]], tuple[str, ...]]:
        """Return what a process that died may have left here of a person: keys by sync, and identities."""
        session = self.session
        stone = next((one for one in settle(session.store) if one.id == ident), None)
        entities = {plan.name: plan.entity for plan in session.workspace.resolved.syncs}
        keys = keys_left(session.store, session.keys, entities, ident)
        hasher, known = Hasher(session.keys), stone.identities if stone else ()
        asked = [str(one.identity) for one in erasures(session.store, ident) if one.identity]
        clear = [one for one in asked if not set(known).isdisjoint(hasher.identity(one))]  # not who was near alone
        return keys, (*known, *(clear if session.mask.values == "clear" else ()))

    def finish(
        self, ident: str, keys: Mapping[str, Sequence[str]], identities: Sequence[str], who: Meant | None = None
    ) -> Forgotten:
        """Erase what is left to erase, purge, and write the receipt."""
        session, store = self.session, self.session.store
        self._erase([one for one in erasures(store, ident) if one.status in LEFT])
        store.crash("after_erased")
        clear = [i for one in (who.found if who else ()) for i in one.own]
        names = [*identities, *(clear if session.mask.values == "clear" else ())]
        done = purge(store, keys, names, f"forgotten {ident}") if keys or names else Purged(0, Removed())
        store.crash("after_purge")
        told = erasures(store, ident)
        complete = all(one.status in DONE for one in told)
        run = new_run(store.clock())
        record(store, run, [self._row(one) for one in told if one.identity], 0 if complete else 1)
        blank(store)
        session.show_opt_outs()
        compact(store)
        store.advance_head(run)
        places = tuple(self._told(one) for one in told)
        receipt = self._receipt(ident, places, done, complete=complete)
        path = write_receipt(session.workspace.state_dir, receipt)
        schema = was_published(session)
        again = [f"the record was published to {schema}: `revetl publish` takes the person out there"] if schema else []
        return Forgotten(ident, complete, places, done, path, (*(who.notes if who else ()), *again))

    def _erase(self, todo: Sequence[Erasure]) -> None:
        plans = {plan.name: plan for plan in self.session.workspace.resolved.syncs}
        wanted = [plans[name] for name in dict.fromkeys(one.sync for one in todo) if name in plans]
        if not wanted:
            return
        store = self.session.store
        places = self.stack.enter_context(origins(self.session.workspace, wanted))
        line = self.wire or wire_of(self.session.workspace)
        self.stack.callback(line.close)
        if self.session.lease is not None:
            line = LeasedWire(line, self.session.lease)
        with remote.asking(store, line, "forget", new_run(store.clock())) as sender:
            for plan in wanted:
                mine = [one for one in todo if one.sync == plan.name]
                try:
                    self._erase_there(plan, mine, places.get(plan.type) if plan.sandbox else None, sender)
                except RevetlError as error:  # one destination that is down holds up no other
                    for one in mine:
                        settle_erasure(store, one, "failed", error.code, error.what)

    def _erase_there(self, plan: SyncPlan, todo: Sequence[Erasure], origin: str | None, sender: Sender) -> None:
        workspace, store = self.session.workspace, self.session.store
        destination, stored = workspace.registry[plan.type], load_sync(store, plan.name)
        line = line_of(workspace, plan, destination, origin)
        if stored is not None:
            remote.pin_account(store, plan, line, destination, sender, stored)
        assert destination.erase is not None  # noqa: S101 - none is noted where there is none
        context = remote.context_of(plan, line, stored, create=False)
        people = {str(one.identity): one for one in todo}
        names = list(people)
        for at in range(0, len(names), destination.erase.max_records):
            some = names[at : at + destination.erase.max_records]
            asked = [Person(name, people[name].remote_id) for name in some]
            answers: Iterable[Erased] = sender.call(line.lane, destination.erase.run(context, asked))
            for answer in answers:
                settle_erasure(store, people[answer.identity], answer.status, answer.code, answer.reason)
                store.crash("after_erasure")

    def _row(self, one: Erasure) -> Sequence[object]:
        """Return an erasure as a row of the ledger; the key is the tombstone's id."""
        kept = self.session.keys.digests(str(one.identity))[0]
        outcome = "delivered" if one.status in DONE else "rejected"
        code = one.code or one.status
        return [self.session.clock(), one.sync, f'["forgotten {one.id}"]', kept, outcome, code, one.reason]

    def _told(self, one: Erasure) -> Mapping[str, JSON]:
        plan = next((plan for plan in self.session.workspace.resolved.syncs if plan.name == one.sync), None)
        destination = self.session.workspace.registry[plan.type] if plan else None
        what = destination.erase.what if destination is not None and destination.erase is not None else ""
        title = destination.title if destination is not None else one.sync
        return {
            "sync": one.sync, "destination": title, "status": one.status, "code": one.code, "reason": one.reason,
            "what": what,
        }  # fmt: skip

    def _receipt(
        self, ident: str, places: Sequence[Mapping[str, JSON]], done: Purged, *, complete: bool
    ) -> dict[str, JSON]:
        store, ring = self.session.store, self.session.keys
        stone = next((one for one in settle(store) if one.id == ident), None)
        person = {"entity": stone.entity, "key_id": stone.key_id, "keys": list(stone.keys),
                  "identities": list(stone.identities)} if stone else {}  # fmt: skip
        told = {
            "version": 1, "id": ident, "target": self.session.workspace.target, "at": store.clock().isoformat(),
            "forgotten_since": stone.at.isoformat() if stone else None, "by": self.by, "reason": self.reason,
            "person": person, "destinations": [dict(place) for place in places], "complete": complete,
            "purged": {"state": done.state, "ledger": asdict(done.ledger)}, "ledger_chain": store.chain_end(),
        }  # fmt: skip
        return signed(told, ring.current)


def _erasures(stone: Tombstone, one: Whereabouts, place: Place) -> Iterable[Erasure]:
    if place.how != "open":
        yield Erasure(stone.id, stone.at, one.sync, one.key, None, None, place.how, "", place.what)
        return
    for number, identity in enumerate(one.identities):
        yield Erasure(stone.id, stone.at, one.sync, one.key, identity, one.remote_id if number == 0 else None)


@dataclass(frozen=True, slots=True)
class Lifted:
    """A person who may be sent again."""

    id: str
    since: str


def lift(workspace: Workspace, asked: str, entity: str | None = None, *, clock: Clock = utc_now) -> tuple[Lifted, ...]:
    """End that somebody is forgotten, by key, identity or the tombstone's id; the next sync may send them again.

    Raises:
        UsageError: RVT-853, nobody who is forgotten is known by it; RVT-854, it is a key of several entities.
    """
    with open_session(workspace, clock=clock, warehouse=False, pinned=False) as session:
        known, hasher = settle(session.store), Hasher(session.keys)
        mine = [one for one in known if entity in {None, one.entity}]
        gone: list[Tombstone] = []
        while (one := stone_of([k for k in mine if k not in gone], hasher, asked.strip())) is not None:
            gone.append(one)
        if not gone:
            raise UsageError(
                "RVT-853", f"nobody who is forgotten is known by {asked[:60]}", hint="revetl forget --list"
            )
        if len({one.entity for one in gone}) > 1 and "@" not in asked:
            raise _several(asked, sorted({one.entity for one in gone}))
        session.store.forgotten -= len(gone)
        write(session.store, [one for one in known if one not in gone])
    return tuple(Lifted(one.id, one.at.isoformat()) for one in gone)

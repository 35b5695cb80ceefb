"""What a destination says of itself before anything is sent: its account, its fields, the ids of its cohorts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from random import Random

from revetl.contract import Context, Destination
from revetl.diff.shape import Shape
from revetl.engine import creating
from revetl.engine.lanes import Line
from revetl.errors import ConfigError, GuardError
from revetl.mapping.flows import flow_hash
from revetl.send.sender import Sender
from revetl.send.wire import Wire
from revetl.state.journal import Journal
from revetl.state.layout import StoredSync, load_sync, set_cohort, set_sync
from revetl.state.schema import STATE
from revetl.state.store import Store
from revetl.state.usage import read_usage, write_usage
from revetl.types import JSON, RemoteField, SyncPlan

DAY = 86_400.0


@contextmanager
def asking(store: Store, wire: Wire, command: str, seed: str) -> Iterator[Sender]:
    """Yield what a command asks through; its calls count in an account's quotas together with those of runs."""
    jitter = Random(seed)  # noqa: S311 - no secret
    sender = Sender(wire, Journal(store, command), random=jitter, usage=read_usage(store))
    yield sender
    write_usage(store, sender.usage())


def context_of(plan: SyncPlan, line: Line, stored: StoredSync | None, *, create: bool | None = None) -> Context:
    """Return what the destination's generators are told of a sync; ``create`` overrides its ``create_cohorts``."""
    known = stored.cohorts if stored else {}
    return Context(
        sync=plan.name, object=plan.object, settings=line.settings,
        fields=tuple(dict.fromkeys((*(f.field for f in plan.fields), *(c.field for c in plan.constants)))),
        match_field=plan.match_field,
        cohorts=tuple((cohort.name, cohort.label) for cohort in plan.cohorts),
        cohort_style=plan.cohort_style,
        ids={name: remote_id for name, (_, remote_id) in known.items() if remote_id},
        create=plan.create_cohorts if create is None else create,
    )  # fmt: skip


def remembered_fields(store: Store, plan: SyncPlan, now: float) -> Mapping[str, RemoteField] | None:
    """Return the fields discovered within a day for exactly this mapping, None where they must be asked for."""
    text = store.one(f"SELECT value FROM {STATE}.meta WHERE name = ?", [f"fields:{plan.name}"])
    if text is None:
        return None
    known = json.loads(text)
    if known["flow"] != flow_hash(plan) or now - known["at"] > DAY:
        return None
    return {f["name"]: RemoteField(**{**f, "options": tuple(f["options"])}) for f in known["fields"]}


def discover(
    store: Store,
    plan: SyncPlan,
    shape: Shape,
    line: Line,
    destination: Destination,
    sender: Sender,
    now: float,
    *,
    create: bool = False,
) -> Mapping[str, RemoteField]:
    """Ask the destination for its fields, remember them, and refuse a mapping that they do not allow.

    ``create`` makes the mapped fields that are missing, as a rehearsal always does.

    Raises:
        ConfigError: RVT-430, a mapped field does not exist there or cannot be written; RVT-431, the account is another
            one; RVT-432, a field cannot be made.
    """
    if destination.discover is None:
        return {}
    context = context_of(plan, line, None)
    fields: Sequence[RemoteField] = sender.call(line.lane, destination.discover(context))
    if create or plan.sandbox:
        wanted = creating.wishes(plan, destination, fields, {slot.field: slot.type for slot in shape.slots})
        stored = load_sync(store, plan.name)
        if wanted and stored is not None and not plan.sandbox:
            pin_account(store, plan, line, destination, sender, stored)  # no field in somebody else's account
        made = creating.make(plan, destination, context, wanted, partial(sender.call, line.lane))
        fields = (*fields, *made)
    found = {field.name: field for field in fields}
    complain(plan, destination, found)
    value = {"flow": flow_hash(plan), "at": now, "fields": [asdict(field) for field in fields]}
    store.set_meta(f"fields:{plan.name}", json.dumps(value))
    return found


def complain(plan: SyncPlan, destination: Destination, found: Mapping[str, RemoteField]) -> None:
    """Refuse mapped fields that are missing or read-only there, all of them at once."""
    if destination.objects[plan.object].any_field:
        return
    mapped = [field.field for field in plan.fields] + [constant.field for constant in plan.constants]
    missing = sorted({name for name in mapped if name not in found and name != plan.match_field})
    there = {name for name in mapped if name in found and name != plan.match_field}
    locked = sorted(name for name in there if not found[name].writable)
    if missing or locked:
        what = [f"{', '.join(missing)} do not exist there"] if missing else []
        what += [f"{', '.join(locked)} cannot be written"] if locked else []
        raise ConfigError(
            "RVT-430",
            f"{plan.name}: fields of {destination.title}: {'; '.join(what)}",
            kept="nothing of this sync was sent",
            hint=f"{repair(destination)} (names are case-sensitive), or correct the mapping",
        )


def repair(destination: Destination) -> str:
    """Return what makes missing fields there."""
    return "revetl sync --create-fields" if destination.create_field else "create them there"


def prepare(
    store: Store, plan: SyncPlan, line: Line, destination: Destination, sender: Sender, stored: StoredSync
) -> dict[str, JSON]:
    """Find or create what cohorts land in, and remember the ids."""
    if destination.prepare is None:
        return {}
    prepared = dict(sender.call(line.lane, destination.prepare(context_of(plan, line, stored))))
    gone = {name: remote_id for name, (_, remote_id) in stored.cohorts.items() if remote_id}  # being ended, if at all
    ids = prepared["cohorts"] = {**gone, **(prepared.get("cohorts") or {})}
    for cohort in plan.cohorts:
        remote_id = ids.get(cohort.name)
        if remote_id is not None and stored.cohorts.get(cohort.name) != (cohort.label, str(remote_id)):
            set_cohort(store, stored.id, cohort.name, cohort.label, str(remote_id))
    return prepared


def pin_account(
    store: Store, plan: SyncPlan, line: Line, destination: Destination, sender: Sender, stored: StoredSync
) -> None:
    """Read which account the credentials open, and refuse one that is not the sync's.

    Raises:
        GuardError: RVT-431.
    """
    if destination.account is None:
        return
    account = sender.call(line.lane, destination.account(line.settings))
    if stored.account is None:
        set_sync(store, stored.id, account=account.id)
    elif stored.account != account.id:
        raise GuardError(
            "RVT-431",
            f"{plan.name}: the credentials open account {account.id}, but this sync belongs to {stored.account}",
            kept="nothing of this sync was sent",
            hint="restore the credentials, or give the other account a target of its own",
        )

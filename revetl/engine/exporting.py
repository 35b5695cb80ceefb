"""``export``: everything that revetl holds of a person, and everything that it sent of them, for an access request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from revetl.engine.finding import Whereabouts, whereabouts
from revetl.engine.forgetting import meant
from revetl.engine.glimpse import Glimpse, glimpse
from revetl.engine.keytext import parts_of
from revetl.engine.presence import Models, open_models
from revetl.engine.sealing import hidden, opened
from revetl.engine.search import Search, stored_syncs
from revetl.engine.workspace import Workspace
from revetl.errors import UsageError
from revetl.state.files import replace_file
from revetl.state.flowlog import Filters, Flow, search_ledger
from revetl.state.layout import StoredSync
from revetl.state.onekey import KeyState, key_state
from revetl.types import JSON


def export_person(workspace: Workspace, asked: str, entity: str | None = None) -> dict[str, JSON]:
    """Return it as plain data, one part a sync; values that only an HMAC is kept of are told where they still stand.

    Raises:
        UsageError: RVT-853, nobody is known by it; RVT-854, it is a key of several entities.
    """
    who = meant(workspace, asked, entity)
    plans = {plan.name: plan for plan in workspace.resolved.syncs if entity in {None, plan.entity}}
    with glimpse(workspace) as seen, open_models(workspace, list(plans.values())) as models:
        search = Search(seen, models, plans, stored_syncs(seen), None)
        found = whereabouts(seen, models, search, asked.strip())
        parts = [_part(workspace, seen, models, search, one) for one in found if entity is None or one.plan]
    since = who.stone.at.isoformat() if who.stone else None
    return {"target": workspace.target, "forgotten_since": since, "syncs": parts, "notes": list(who.notes)}


def write_person(path: Path, told: Mapping[str, JSON]) -> None:
    """Write an export for its owner alone.

    Raises:
        UsageError: RVT-523, the file cannot be written.
    """
    try:
        replace_file(path, json.dumps(told, indent=2, ensure_ascii=False, default=str).encode())
    except OSError as error:
        raise UsageError("RVT-523", f"{path} cannot be written: {error.strerror}", kept="nothing was written") from None


def _part(workspace: Workspace, seen: Glimpse, models: Models, search: Search, one: Whereabouts) -> dict[str, JSON]:
    stored, plan = search.stored.get(one.sync), one.plan
    state = _state(seen, stored, one.key)
    presence = models.presence(plan, parts_of(one.key), stored) if plan else None
    now = dict(presence.values) if presence else {}
    flows = search_ledger(seen.view, Filters(keys=(one.key,), syncs=(one.sync,), newest_first=False))
    clear = _digests(seen, [*state.values.values(), *now.values(), *one.identities])
    destination = workspace.registry[plan.type] if plan else None
    return {
        "sync": one.sync,
        "destination": destination.title if destination else one.sync.partition(".")[0],
        "key": json.loads(one.key),
        "identities": list(one.identities),
        "remote_id": one.remote_id,
        "in_model": None if presence is None else presence.in_model,
        "model": {"values": now, "cohorts": list(presence.cohorts) if presence else []},
        "acknowledged": {"values": dict(state.values), "cohorts": list(state.cohorts)},
        "rejected": [asdict(refusal) for refusal in state.rejected],
        "sent": [_flow(seen, flow, clear) for flow in flows],
    }


def _state(seen: Glimpse, stored: StoredSync | None, key: str) -> KeyState:
    return key_state(seen.view, stored, key, parts_of(key)) if stored is not None else KeyState()


def _digests(seen: Glimpse, texts: Iterable[str | None]) -> Mapping[str, str]:
    """Return HMAC → text of values that still stand somewhere, as they are spelt in JSON."""
    ring = seen.ring
    if ring is None:
        return {}
    known = [text for text in texts if text is not None]
    return {digest: text for text in known for digest in ring.digests(json.dumps(text, ensure_ascii=False))}


def _flow(seen: Glimpse, flow: Flow, clear: Mapping[str, str]) -> dict[str, JSON]:
    values = {name: _told(seen, value, clear) for name, value in (flow.values or {}).items()}
    return {
        "at": flow.time.isoformat(), "run": flow.run, "operation": flow.op, "cohort": flow.cohort, "values": values,
        "outcome": flow.outcome, "code": flow.code, "reason": flow.reason,
    }  # fmt: skip


def _told(seen: Glimpse, value: JSON, clear: Mapping[str, str]) -> JSON:
    found = opened(value, seen.ring)
    return clear.get(str(found["hmac"]), found) if hidden(found) else found

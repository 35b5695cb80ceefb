"""What was used of each account's quotas, kept between runs: a day's allowance does not begin anew with a process."""

from __future__ import annotations

import json
from collections.abc import Mapping

from revetl.contract import Limit
from revetl.state.schema import STATE
from revetl.state.store import Store

# account → limit → ((UTC epoch seconds, units), …)
Used = Mapping[str, Mapping[str, tuple[tuple[float, int], ...]]]


def read_usage(store: Store) -> Used:
    """Return what earlier runs used."""
    text = store.one(f"SELECT value FROM {STATE}.meta WHERE name = 'usage'")
    known = json.loads(text) if text else {}
    return {
        account: {name: tuple((float(at), int(units)) for at, units in used) for name, used in limits.items()}
        for account, limits in known.items()
    }


def spent(used: Used, account: str, limit: Limit, now: float) -> int:
    """Return the units of ``limit`` that still count at ``now`` (UTC epoch seconds)."""
    known = used.get(account, {}).get(limit.name, ())
    return sum(units for at, units in known if at > now - limit.seconds)


def write_usage(store: Store, used: Used) -> None:
    """Keep what was used; accounts and limits that this run did not touch keep theirs."""
    known = read_usage(store)
    merged = {**known, **{account: {**known.get(account, {}), **limits} for account, limits in used.items()}}
    if merged != known:
        store.set_meta("usage", json.dumps(merged))

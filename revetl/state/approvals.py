"""Approvals of a guard's verdict: bounded, expiring, recorded, used up by the run that stays within them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from revetl.state.schema import STATE
from revetl.state.store import Store

FRESH = timedelta(hours=24)  # how long a refusal can be approved by its hash


@dataclass(frozen=True, slots=True)
class Approval:
    """Who let what through, up to how many rows, until when, and why."""

    id: str
    sync: str
    guard: str
    cohort: str | None
    hash: str | None
    up_to: int | None
    until: datetime
    who: str
    at: datetime
    reason: str
    used_by: str | None = None


class Approvals:
    """The approvals of one target. What a run uses is marked when the run closes."""

    def __init__(self, store: Store) -> None:
        """Read and write them in ``store``."""
        self.store = store
        self.used: list[str] = []
        self.hashes: dict[str, tuple[str, str, str | None, int]] = {}  # hash → sync, guard, cohort, rows

    def add(
        self, sync: str, guard: str, *, cohort: str | None, up_to: int | None, span: timedelta, who: str, reason: str
    ) -> Approval:
        """Record an approval and return it."""
        now = self.store.clock()
        made = Approval(secrets.token_hex(4), sync, guard, cohort, None, up_to, now + span, who, now, reason)
        self.store.con.execute(
            f"INSERT INTO {STATE}.approvals VALUES (?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, NULL)",
            [made.id, sync, guard, cohort, up_to, made.until, who, now, reason],
        )
        return made

    def allows(self, sync: str, guard: str, cohort: str | None, rows: int, hashes: Sequence[str] = ()) -> bool:
        """Return whether an open approval, or one of these approved refusals, lets ``rows`` changes through."""
        now = self.store.clock()
        found = self.store.one(
            f"SELECT id FROM {STATE}.approvals WHERE sync = ? AND guard = ? AND cohort IS NOT DISTINCT FROM ? "
            "AND used_by IS NULL AND until > ? AND (up_to IS NULL OR up_to >= ?) ORDER BY until LIMIT 1",
            [sync, guard, cohort, now, rows],
        )
        if found:
            self.used.append(found)
            return True
        fresh = next((digest for digest in hashes if self._fresh(digest, sync, guard, now)), None)
        if fresh is not None:
            self.hashes[fresh] = (sync, guard, cohort, rows)
        return fresh is not None

    def _fresh(self, digest: str, sync: str, guard: str, now: datetime) -> bool:
        at = self.store.one(
            f"SELECT max(ts) FROM {STATE}.refused WHERE hash = ? AND sync = ? AND guard = ?", [digest, sync, guard]
        )
        return at is not None and at >= now - FRESH

    def known(self, digest: str) -> bool:
        """Return whether a refusal of this hash can be approved now."""
        since = self.store.clock() - FRESH
        return bool(self.store.one(f"SELECT count(*) FROM {STATE}.refused WHERE hash = ? AND ts >= ?", [digest, since]))

    def refused(self, digest: str, sync: str, guard: str, held: str) -> None:
        """Remember the exact changes of a refusal, so that ``--approve HASH`` can release a subset of them."""
        self.store.con.execute(f"DELETE FROM {STATE}.refused WHERE hash = ?", [digest])
        self.store.con.execute(
            f"INSERT INTO {STATE}.refused SELECT ?, ?, ?, key, op, cohort, ? FROM {held}",
            [digest, sync, guard, self.store.clock()],
        )

    def close(self, run: str, who: str, *, keep: bool = False) -> None:
        """Use up what this run relied on; who ran it approved the refusals that it named.

        ``keep``: it was a canary, after which the rest is still to go: what it relied on stays good.
        """
        for ident in () if keep else self.used:
            self.store.con.execute(f"UPDATE {STATE}.approvals SET used_by = ? WHERE id = ?", [run, ident])
        now = self.store.clock()
        for digest, (sync, guard, cohort, rows) in self.hashes.items():
            self.store.con.execute(
                f"INSERT INTO {STATE}.approvals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [secrets.token_hex(4), sync, guard, cohort, digest, rows, now, who, now, "named by its hash", run],
            )
            if not keep:
                self.store.con.execute(f"DELETE FROM {STATE}.refused WHERE hash = ?", [digest])
        self.used, self.hashes = [], {}

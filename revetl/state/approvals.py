"""Approvals of a guard's verdict: bounded, expiring, recorded, used up by the run that stays within them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from revetl.state.schema import STATE
from revetl.state.store import Store


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
        self.hashes: list[str] = []

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
        return any(self._fresh(digest, now) for digest in hashes)

    def _fresh(self, digest: str, now: datetime) -> bool:
        at = self.store.one(f"SELECT max(ts) FROM {STATE}.refused WHERE hash = ?", [digest])
        if at is None or at < now - timedelta(hours=24):
            return False
        self.hashes.append(digest)
        return True

    def refused(self, digest: str, sync: str, guard: str, held: str) -> None:
        """Remember the exact changes of a refusal, so that ``--approve HASH`` can release a subset of them."""
        self.store.con.execute(f"DELETE FROM {STATE}.refused WHERE hash = ?", [digest])
        self.store.con.execute(
            f"INSERT INTO {STATE}.refused SELECT ?, ?, ?, key, op, cohort, ? FROM {held}",
            [digest, sync, guard, self.store.clock()],
        )

    def close(self, run: str) -> None:
        """Use up what this run relied on."""
        for ident in self.used:
            self.store.con.execute(f"UPDATE {STATE}.approvals SET used_by = ? WHERE id = ?", [run, ident])
        for digest in self.hashes:
            self.store.con.execute(f"DELETE FROM {STATE}.refused WHERE hash = ?", [digest])
        self.used, self.hashes = [], []

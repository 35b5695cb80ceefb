"""A state on disk as runs write it: intents, acknowledgements and the close, through the production code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from revetl.engine.staging import Masking
from revetl.state.close import Closing, close_run
from revetl.state.files import replace_file
from revetl.state.layout import StoredField, StoredSync, add_field, make_tables
from revetl.state.outbox import begin_run
from revetl.state.places import Place
from revetl.state.schema import STATE
from revetl.state.store import Store
from revetl.warehouse.connection import connect

KEY = bytes(range(32))
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MAIL, HUB = "mailchimp.customer", "hubspot.customer"
MASK = Masking("hash", KEY)


@dataclass(frozen=True)
class Sent:
    """One change of a run: what it says, and what became of it."""

    key: str
    op: str = "upsert"
    m: str | None = "a@example.org"
    before: str | None = None
    cohort: str | None = None
    body: dict[str, object] | None = None  # clear wire values; e-mail is hidden in the record
    band: str | None = None  # the snapshot's value of LTV_BAND
    cause: str = "data"
    status: str | None = "delivered"  # None: never answered
    code: str = ""
    reason: str = ""
    local: str | None = None
    sync: str = MAIL


@dataclass
class Written:
    """The state of one target; ``now`` is moved by the test."""

    directory: Path
    now: datetime = NOON
    seq: int = 0
    ids: dict[str, int] = field(default_factory=dict)
    place: Place | None = None  # of the ledger's files; None: they stay here

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the state as a run does."""
        con = connect()
        try:
            yield Store(con, self.directory, lambda: self.now, place=self.place)
        finally:
            con.close()

    def make(self, *syncs: str, keys: tuple[str, ...] = ("VARCHAR",)) -> Written:
        """Make the tables of these syncs: an e-mail address (personal) and a band each."""
        with self.store() as store:
            for sync in syncs:
                number = len(self.ids) + 1
                self.ids[sync] = number
                make_tables(store, StoredSync(number, sync, keys, "email", 1, {}, None, "flow", 0))
                model = "model.shop.customers"
                add_field(
                    store, number, StoredField(0, "email_address", "email", model, "VARCHAR", "email", True, False)
                )
                add_field(store, number, StoredField(1, "LTV_BAND", "band", model, "VARCHAR", None, True, False))
        replace_file(self.directory / "ledger.key", KEY.hex().encode())
        return self

    def stage(self, store: Store, run: str, changes: Sequence[Sent], commit: str | None = None) -> None:
        """Begin a run, commit its intents and what was acknowledged; it stays open."""
        begin_run(store, run, {"git_commit": commit, "dbt_invocation": f"dbt-of-{run}"})
        for change in changes:
            self.seq += 1
            self._intent(store, run, change)
            if change.status == "delivered" and change.local is None:
                store.con.execute(
                    f"INSERT INTO {STATE}.acks VALUES (?, ?, ?, 'delivered', ?, 200, 'req-1')",
                    [run, self.seq, self.seq, self.now],
                )
            elif change.status is not None and change.local is None:
                store.con.execute(
                    f"INSERT INTO {STATE}.exceptions VALUES (?, ?, ?, ?, ?, ?, 400, 'req-2')",
                    [run, self.seq, change.status, change.code, change.reason, self.now],
                )
        store.set_meta("seq", str(self.seq))
        store.advance_head(run)

    def _intent(self, store: Store, run: str, change: Sent) -> None:
        body = json.dumps(change.body or {})
        record = None
        if change.op == "upsert" and "email_address" in (change.body or {}):
            wire = json.dumps(change.body["email_address"])  # type: ignore[index]
            digest = store.one(f"SELECT {MASK.hmac('?')}", [wire])
            record = json.dumps({**(change.body or {}), "email_address": {"hmac": digest}})
        low = change.m.lower() if change.m else None
        before = change.before.lower() if change.before else None
        store.con.execute(
            f"INSERT INTO {STATE}.outbox (run, seq, sync, key, op, cohort, cause, m, i, bm, bi, local, body, record) "
            f"VALUES ({', '.join('?' * 14)})",
            [run, self.seq, change.sync, change.key, change.op, change.cohort, change.cause, change.m, low,
             change.before, before, change.local, None if change.local else body, record],
        )  # fmt: skip
        if change.op == "upsert":
            parts = json.loads(change.key)
            marks = ", ".join("?" * (len(parts) + 4))
            store.con.execute(
                f"INSERT INTO {STATE}.after_{self.ids[change.sync]} VALUES ({marks})",
                [self.seq, *parts, change.m, change.m, change.band],
            )

    def run(self, run: str, *changes: Sent, commit: str | None = None, after: float = 60.0, **closing: object) -> None:
        """Do a whole run; the clock is ``after`` seconds later when it ends."""
        with self.store() as store:
            self.stage(store, run, changes, commit)
            self.now += timedelta(seconds=after)
            close_run(store, run, Closing({MAIL: 0.0, HUB: 0.0}, identity=MASK.hmac, **closing))  # type: ignore[arg-type]

    def change(self, work: Callable[[Store], object]) -> None:
        """Do something to the state by hand."""
        with self.store() as store:
            work(store)

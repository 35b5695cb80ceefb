"""One command's hold on a target: the lock, the connection, the state, and the models while they are read."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from revetl.diff.spelling import Elsewhere
from revetl.engine.holding import held
from revetl.engine.keyring import Keyring, keyring, pin
from revetl.engine.naming import own
from revetl.engine.sealing import sealer
from revetl.engine.staging import Masking
from revetl.engine.workspace import Workspace
from revetl.state import optouts
from revetl.state.approvals import Approvals
from revetl.state.close import Closing, close_run
from revetl.state.lease import Lease
from revetl.state.outbox import open_jobs, open_runs
from revetl.state.rewriting import finish
from revetl.state.store import Store
from revetl.state.tombstones import settle
from revetl.state.trouble import worded
from revetl.warehouse.connection import lockdown
from revetl.warehouse.source import Source, open_source

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time of day in UTC."""
    return datetime.now(UTC)


def new_run(now: datetime) -> str:
    """Return a run's id: a UUIDv7 (RFC 9562), so that ids sort by time."""
    value = int(now.timestamp() * 1000) << 80 | 0x7 << 76 | secrets.randbits(12) << 64
    text = f"{value | 0b10 << 62 | secrets.randbits(62):032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


@dataclass
class Session:
    """What the flow works on. ``source`` is None where a command needs no warehouse."""

    workspace: Workspace
    store: Store
    source: Source | None
    approvals: Approvals
    mask: Masking
    clock: Clock
    ring: Keyring | None = None  # None: the mask's key alone
    lease: Lease | None = None  # of a shared state
    spelling: Elsewhere | None = None  # of the warehouse, where it has the state, too

    @property
    def keys(self) -> Keyring:
        """Return the keys of the ledger."""
        return self.ring or Keyring((self.mask.key,))

    def closing(self, **facts: object) -> Closing:
        """Return how a run of this session is closed."""
        registry = self.workspace.registry
        late = {plan.name: registry[plan.type].late_apply for plan in self.workspace.resolved.syncs}
        codes = {plan.name: registry[plan.type].opted_out for plan in self.workspace.resolved.syncs}
        identity = self.mask.hmac if self.mask.values != "clear" else str
        seal = sealer(self.mask.key) if self.mask.values == "encrypted" else None
        return Closing(late_apply=late, identity=identity, opted_out=codes, seal=seal, **facts)  # type: ignore[arg-type]

    def show_opt_outs(self) -> None:
        """Write the file of who opted out at the destinations, for dbt to read."""
        optouts.write_file(self.store, {plan.name: plan.entity for plan in self.workspace.resolved.syncs})

    def settled(self, command: str) -> None:
        """Let no copy of the state from before ``command``, which changed it and sent nothing, pass for this one."""
        with self.store.transaction():
            self.store.tick()
        self.store.advance_head(self.store.head.run if self.store.head else command)

    def close_killed(self, *, keep: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """Close runs that a kill left open: what they sent and nobody acknowledged is unknown from now on.

        ``keep`` stays open: runs with jobs at a vendor that must be resumed first.
        """
        runs = tuple(run for run in open_runs(self.store) if run not in keep)
        for run in runs:
            close_run(self.store, run, self.closing(crashed=True, exit_code=137))
        return runs


def masking(workspace: Workspace, ring: Keyring) -> Masking:
    """Return how the ledger of this target keeps personal values."""
    return Masking(workspace.config.ledger.values, ring.current)


@contextmanager
def open_session(
    workspace: Workspace,
    *,
    clock: Clock = utc_now,
    warehouse: bool = True,
    checked: bool = True,
    pinned: bool = True,
    anew: bool = False,
    crash: Callable[[str], None] = lambda _: None,
) -> Iterator[Session]:
    """Lock the target, open its state (and its warehouse), and close what a killed run left open.

    Raises:
        TryLater: RVT-502 another run works on it, RVT-411 dbt is writing the models.
        StateError: the state cannot be trusted, is another target's, or its file fails while the block runs (RVT-510).
    """
    ring = keyring(workspace)
    with worded(), held(workspace, clock().isoformat()) as hold:
        source = _source(workspace) if warehouse else None
        with closing(hold.open(clock, crash, anew=anew)) as store:
            if checked and not (anew and not store.chain_end().strip("0")):
                store.check_head()
            if source is not None:
                source.attach(hold.con)
            lockdown(hold.con, [hold.directory / "ledger", hold.scratch])
            own(workspace, store)
            if pinned:
                pin(store, ring)
            settle(store)
            mask = masking(workspace, ring)
            session = Session(workspace, store, source, Approvals(store), mask, clock, ring, hold.lease, hold.spelling)
            finish(store)
            session.close_killed(keep=frozenset(job.run for job in open_jobs(store)))
            yield session


def _source(workspace: Workspace) -> Source | None:
    return open_source(workspace.profile, workspace.options.project_dir) if workspace.profile else None

"""revetl.yml as the rest of revetl sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from revetl.config.notify import FreshnessSpec, NotifySpec, TelemetrySpec
from revetl.config.policies import PoliciesSpec
from revetl.config.specs import IncrementalConfig, LedgerConfig, NetworkSpec, SendConfig, StateConfig, SyncConfig
from revetl.config.yamltext import Lines
from revetl.types import EMPTY, JSON, Problem, Severity


@dataclass(frozen=True, slots=True)
class Connection:
    """What a destination says of one target: raw settings (references, no secrets), or the local stand-in."""

    settings: Mapping[str, JSON] = field(default_factory=dict, repr=False)
    sandbox: bool = False


@dataclass(frozen=True, slots=True)
class DestinationConfig:
    """One destination: its type, its targets, and the syncs that are valid.

    ``syncs`` is None where none are listed: one sync per mapped entity then.
    """

    name: str
    type: str
    targets: Mapping[str, Connection]
    syncs: Mapping[str, SyncConfig] | None = None


@dataclass(frozen=True)
class Config:
    """revetl.yml, with everything that is wrong with it in ``problems``.

    A problem whose ``sync`` is a destination's name concerns all of its syncs; one without ``sync`` the whole project.
    """

    path: str
    destinations: Mapping[str, DestinationConfig] = EMPTY
    groups: Mapping[str, tuple[str, ...]] = EMPTY
    require_tests: str = "failed"  # failed | all | off
    timezone: str | None = None
    state: StateConfig | None = None  # None: beside the project
    ledger: LedgerConfig = LedgerConfig()  # noqa: RUF009 - frozen
    send: SendConfig = SendConfig()  # noqa: RUF009 - frozen
    network: NetworkSpec = NetworkSpec()  # noqa: RUF009 - frozen
    warehouse: Mapping[str, Mapping[str, JSON]] = EMPTY  # target → what stands in place of profiles.yml's output
    policies: PoliciesSpec = PoliciesSpec()  # noqa: RUF009 - frozen
    incremental: IncrementalConfig | None = None  # None: every run reads all
    notify: NotifySpec = NotifySpec()  # noqa: RUF009 - frozen
    telemetry: TelemetrySpec = TelemetrySpec()  # noqa: RUF009 - frozen
    freshness: FreshnessSpec | None = None
    memory_limit: str | None = None
    problems: tuple[Problem, ...] = ()
    lines: Lines = field(default_factory=dict, repr=False)

    @property
    def fatal(self) -> bool:
        """Return whether something concerns the whole project, so that no sync can run."""
        return any(problem.sync is None and problem.severity is Severity.ERROR for problem in self.problems)

    @property
    def broken(self) -> frozenset[str]:
        """Return the names of syncs, and of whole destinations, that cannot run."""
        return frozenset(p.sync for p in self.problems if p.sync and p.severity is Severity.ERROR)

    def connection(self, destination: str, target: str) -> Connection | None:
        """Return what ``destination`` says of ``target``; None: it does not name the target and writes nothing."""
        found = self.destinations.get(destination)
        return found.targets.get(target) if found else None

    def where(self, *path: str | int) -> str:
        """Return ``revetl.yml:LINE`` of the nearest thing that is written at ``path``."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.path}:{self.lines[path]}" if path else self.path

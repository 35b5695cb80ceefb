"""From a destination of revetl.yml and a target to the lane on which its calls travel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from revetl.config import resolve_settings, secrets_of
from revetl.contract import Call, Destination
from revetl.engine.workspace import Workspace
from revetl.errors import ConfigError
from revetl.send.ports import Lane
from revetl.send.wire import Before, Completion, Failure, Wire
from revetl.state.lease import Lease
from revetl.types import JSON, SyncPlan
from revetl.types.paths import file_name


@dataclass(frozen=True)
class Line:
    """One sync's lane with the settings its batches carry, and every secret that must never be shown."""

    lane: Lane
    settings: Any
    secrets: tuple[str, ...]


class LeasedWire(Before):
    """A wire that lets no call begin without the lease of the state, however late the question for it was."""

    def __init__(self, wire: Wire, lease: Lease) -> None:
        """Guard ``wire``."""
        super().__init__(wire)
        self._lease = lease

    def submit(self, ticket: int, lane: Lane, call: Call) -> None:
        """Take up a call, or refuse it: provably no byte of it left."""
        if self._lease.valid:
            super().submit(ticket, lane, call)
        else:
            failure = Failure("RVT-512", "the lease of the state is lost", sent=False, again=False, fatal=True)
            self._answered.append(Completion(ticket, failure=failure))


def guarded(wire: Wire, stop: Callable[[], str | None], lease: Lease | None) -> tuple[Wire, Callable[[], str | None]]:
    """Return a wire and a question for signals that end with the lease of a shared state; without one, the same."""
    if lease is None:
        return wire, stop
    return LeasedWire(wire, lease), lambda: stop() or (None if lease.valid else "the loss of its lease")


def raw_settings(workspace: Workspace, plan: SyncPlan, destination: Destination) -> Mapping[str, JSON]:
    """Return the settings of a sync's destination for this target, still with references in place of secrets."""
    needed = any(field.is_required() for field in destination.settings.model_fields.values())
    if plan.sandbox and needed and not destination.rehearsal and plan.type != "file":
        raise ConfigError(
            "RVT-680",
            f"there is no stand-in of {destination.title}",
            kept="nothing was sent",
            hint=f"give {plan.destination} settings of its own for the target {workspace.target} in revetl.yml",
        )
    if plan.sandbox:
        folder = str(workspace.state_dir / "sandbox" / file_name(plan.destination))
        return {**destination.rehearsal, **({"directory": folder} if plan.type == "file" else {})}
    connection = workspace.config.connection(plan.destination, workspace.target)
    if connection is None:
        raise ConfigError(
            "RVT-107",
            f"{plan.destination} does not name the target {workspace.target}",
            kept="nothing was sent",
            hint=f"add `targets: {{{workspace.target}: …}}` to it in revetl.yml",
        )
    return connection.settings


def line_of(workspace: Workspace, plan: SyncPlan, destination: Destination, origin: str | None) -> Line:
    """Return the lane of a sync; secrets are read from the environment here and nowhere earlier.

    Raises:
        ConfigError: RVT-104 a variable is missing, RVT-106 the settings do not fit the destination.
    """
    raw, env = raw_settings(workspace, plan, destination), workspace.options.env
    where = f"destinations.{plan.destination}.targets.{workspace.target}"
    settings: Any = resolve_settings(raw, env, destination.settings, where=where)
    if destination.name == "file" and "://" not in settings.directory:
        settings = settings.model_copy(update={"directory": str(file_directory(workspace, settings))})
    own: Any = settings
    if plan.settings:
        own = resolve_settings({**raw, **plan.settings}, env, destination.settings, where=f"{plan.name} settings")
    account = destination.account_key(settings) or plan.destination
    knobs = workspace.config.send
    lane = Lane(
        name=plan.destination,
        destination=destination,
        settings=settings,
        account=f"{destination.name}/{account}",
        origin=origin if destination.hosts else None,
        max_in_flight=knobs.max_in_flight or 64,
    )
    return Line(lane, own, secrets_of(settings, raw, env))


def file_directory(workspace: Workspace, settings: Any) -> Path:
    """Return where a file destination writes: relative to the project."""
    return workspace.options.project_dir.absolute() / Path(str(settings.directory))

"""Where a target's state lies, and how a command holds it: a locked directory, or the lease of a shared owner."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from revetl.config import resolve_text
from revetl.diff.engines import SPELLINGS
from revetl.diff.spelling import Elsewhere
from revetl.engine.workspace import HOME, Workspace, connection
from revetl.errors import ConfigError
from revetl.state.files import private_directory
from revetl.state.lease import Lease, leased
from revetl.state.lock import locked
from revetl.state.places import Objects, Place
from revetl.state.shared import SharedStore, open_shared_view
from revetl.state.sqlowner import Dialect, SqlOwner
from revetl.state.store import Store
from revetl.state.views import View, open_view
from revetl.state.witness import Folder, Witness
from revetl.state.working import WorkingCopy
from revetl.warehouse.connection import connect


@dataclass(frozen=True)
class Hold:
    """A state that nobody else changes meanwhile. ``lease`` is None where a file on this machine is the lock."""

    con: Any
    directory: Path
    scratch: Path
    open: Callable[..., Store]
    lease: Lease | None = None
    spelling: Elsewhere | None = None  # of the warehouse, where it has the state, too


def _keep_out_of_git(home: Path) -> None:
    """Let git pass by what lies here: values of people, and the key of the ledger."""
    path = home / ".gitignore"
    if home.name == HOME and not path.exists():
        path.write_text("*\n", encoding="ascii")


@contextmanager
def held(workspace: Workspace, started_at: str) -> Iterator[Hold]:
    """Hold the target's state for the block.

    Raises:
        TryLater: RVT-502, another run does; RVT-513, its owner is out of reach.
        ConfigError: RVT-514 or RVT-516, it cannot lie where `state:` says; RVT-517, nor the ledger where it shall.
    """
    os.umask(0o077)
    directory = private_directory(workspace.state_dir)
    _keep_out_of_git(directory.parent)
    scratch = private_directory(directory / "tmp")
    place = place_of(workspace)
    if place is not None:
        place.check()
    if not is_shared(workspace):
        with locked(directory / "lock", started_at), closing(connect(workspace.config.memory_limit, scratch)) as con:
            witness = witness_of(workspace)

            def local(*words: Any, **options: Any) -> Store:
                return Store(con, directory, *words, place=place, witness=witness, **options)

            yield Hold(con, directory, scratch, local)
        return
    if workspace.config.state and workspace.config.state.witness:
        what = "a shared state has one owner, and no copies that a witness could tell apart"
        raise ConfigError("RVT-516", what, hint="remove `witness` from `state:`")
    with closing(owner_of(workspace)) as owner:
        owner.prepare()
        with (
            leased(owner, workspace.config.state.lease if workspace.config.state else 60.0) as lease,
            closing(connect(workspace.config.memory_limit, scratch)) as con,
        ):

            def shared(*words: Any, **options: Any) -> Store:
                copy = WorkingCopy(con, owner, lease.token)
                return SharedStore(copy, directory, *words, place=place, **options)

            yield Hold(con, directory, scratch, shared, lease, _spelling(workspace, owner))


def _spelling(workspace: Workspace, owner: SqlOwner) -> Elsewhere | None:
    """Return how the warehouse of the models spells a comparison with the state that it has."""
    state, profile = workspace.config.state, workspace.profile
    made = SPELLINGS.get(profile.type) if profile is not None and state is not None and state.engine else None
    return made(owner.name, owner.native) if made is not None else None


@contextmanager
def viewed(workspace: Workspace, identity: Callable[[str], str]) -> Iterator[View]:
    """Open the target's state and ledger for reading; it takes no lock and makes nothing."""
    if not is_shared(workspace):
        with open_view(workspace.state_dir, identity, place_of(workspace)) as view:
            yield view
        return
    with (
        closing(owner_of(workspace, reading=True)) as owner,
        open_shared_view(owner, identity, place_of(workspace)) as view,
    ):
        yield view


def is_shared(workspace: Workspace) -> bool:
    """Return whether an owner elsewhere holds the state; a rehearsal's is always local."""
    state = workspace.config.state
    if state is None or workspace.options.sandbox:
        return False
    return state.engine is not None or (
        "://" in _url(workspace, state.url or "", "state")
        and not _url(workspace, state.url or "", "state").startswith("file://")
    )


def _url(workspace: Workspace, text: str, where: str) -> str:
    return resolve_text(text, workspace.options.env, where=where)


def place_of(workspace: Workspace) -> Place | None:
    """Return where the ledger's files are kept; None: with the state."""
    if workspace.config.ledger.url is None or workspace.options.sandbox:
        return None
    url = _url(workspace, workspace.config.ledger.url, "ledger.url")
    if url.startswith(("postgres://", "postgresql://")):
        what = "a ledger lies in Postgres where the state does, and nowhere else"
        raise ConfigError("RVT-517", what, hint="remove `ledger: …` and write `state: postgresql://…`")
    if "://" not in url:
        url = str(workspace.options.project_dir.absolute() / url)
    return Objects(url, workspace.state_name)


def witness_of(workspace: Workspace) -> Witness | None:
    """Return what keeps a second head record elsewhere, where one is asked for; a rehearsal needs none.

    Raises:
        ConfigError: RVT-517, its place cannot be used.
        TryLater: RVT-518, its place is out of reach.
    """
    state = workspace.config.state
    if state is None or state.witness is None or workspace.options.sandbox:
        return None
    url = _url(workspace, state.witness, "state.witness")
    if "://" in url and not url.startswith("file://"):
        return Witness(Objects(url, workspace.state_name, "state.witness"))
    root = workspace.options.project_dir.absolute() / url.removeprefix("file://")
    return Witness(Folder(root / workspace.state_name))


def owner_of(workspace: Workspace, *, reading: bool = False) -> SqlOwner:
    """Return the owner of a shared state, connected.

    Raises:
        ConfigError: RVT-514, it refuses the credentials; RVT-516, nothing there can own a state.
        TryLater: RVT-513, it is out of reach.
    """
    state = workspace.config.state
    assert state is not None  # noqa: S101 - is_shared
    name = f"{state.schema_}_{workspace.state_name}".replace("-", "_").lower()
    dialect = _warehouse(workspace, reading) if state.engine else _database(workspace, state.url or "", reading)
    return SqlOwner(dialect, name)


def _database(workspace: Workspace, text: str, reading: bool) -> Dialect:  # noqa: FBT001 - ours alone
    url = _url(workspace, text, "state")
    if url.startswith(("postgres://", "postgresql://")):
        from revetl.state.postgres import Postgres

        return Postgres(url, reading=reading)
    what = f"a state cannot lie at {url.partition('://')[0]}://"
    raise ConfigError("RVT-516", what, hint="a directory, postgresql://…, or `{engine: warehouse}`")


def _warehouse(workspace: Workspace, reading: bool) -> Dialect:  # noqa: FBT001 - ours alone
    profile = workspace.profile or connection(replace(workspace.options, target=workspace.target), workspace.config)
    if profile.type == "postgres":
        from revetl.state.postgres import Postgres
        from revetl.warehouse.postgres import uri

        return Postgres(uri(profile.fields), reading=reading)
    if profile.type == "snowflake":
        from revetl.state.snowflake import OPTIONS, Snowflake, failed
        from revetl.warehouse.sfsession import Session

        return Snowflake(lambda: Session(profile, failed, **OPTIONS))
    what = f"a {profile.type} warehouse cannot hold the state"
    raise ConfigError("RVT-516", what, hint="remove `state:`, or name a database: `state: postgresql://…`")

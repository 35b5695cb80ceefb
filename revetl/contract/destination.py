"""A destination, declared."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from revetl.contract.calls import Call, Reply
from revetl.contract.faults import Diagnosis
from revetl.contract.parts import Action, Auth, Context, Erase, Limit, Object, ReadBack, WireFormat
from revetl.types import EMPTY, JSON, OnLeave, Op, RemoteField


@dataclass(frozen=True, slots=True)
class Account:
    """Which account the credentials open: pinned at a sync's first run."""

    id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """One tool that revetl can write to. Everything it needs stands here; nothing about it stands elsewhere."""

    name: str
    title: str
    settings: type[BaseModel]  # secrets are pydantic SecretStr
    objects: Mapping[str, Object]  # default first
    actions: Mapping[Op, Action]
    wire: WireFormat
    base_url: Callable[[Any], str] = lambda _: ""  # settings → https://host/prefix
    hosts: tuple[str, ...] = ()  # allow-list; "*.example.com" matches one label or more, "*" the settings' own host
    database: Callable[[Any], Mapping[str, str]] | None = None  # settings → libpq's parameters, where calls are Sql
    auth: Auth | None = None
    limits: Callable[[Any], tuple[Limit, ...]] = lambda _: ()
    account: Callable[[Any], Generator[Call, Reply, Account]] | None = None  # one read; also the credentials check
    account_key: Callable[[Any], str] = lambda _: ""  # offline: what limits are shared by, without secrets
    discover: Callable[[Context], Generator[Call, Reply, tuple[RemoteField, ...]]] | None = None
    prepare: Callable[[Context], Generator[Call, Reply, Mapping[str, JSON]]] | None = None
    # makes a field (name, type, label, options, max_length of the wish) and returns it as it stands there; raises
    # DestinationError RVT-651 where the vendor refuses
    create_field: Callable[[Context, RemoteField], Generator[Call, Reply, RemoteField]] | None = None
    read_back: ReadBack | None = None
    erase: Erase | None = None
    rehearsal: Mapping[str, JSON] = EMPTY  # settings in place of a real account's, before the stand-in
    diagnose: Callable[[Reply], Diagnosis | None] = lambda _: None
    request_id: str | None = None  # header that names the request at the vendor
    opted_out: frozenset[str] = frozenset()  # codes of refusals that say that the person opted out there, for good
    late_apply: float = 900.0  # seconds after which a lost request is taken as never applied
    same: Callable[[RemoteField | None, JSON, JSON], bool] | None = None  # our wire value against theirs
    docs: str = ""  # the vendor's page


def check_actions(destination: Destination) -> None:
    """Refuse a declaration that contradicts itself.

    Raises:
        ValueError: an object is without identity, a cohort style without JOIN and PART, a leave policy without LEAVE.
    """
    for name, thing in destination.objects.items():
        if not thing.match:
            raise ValueError(f"{destination.name}.{name} names no match field")
        if thing.cohorts and not {Op.JOIN, Op.PART} <= set(destination.actions):
            raise ValueError(f"{destination.name}.{name} has cohort styles but no JOIN and PART actions")
        if thing.on_leave - {OnLeave.KEEP} and Op.LEAVE not in destination.actions:
            raise ValueError(f"{destination.name}.{name} has leave policies but no LEAVE action")
        if thing.consent and Op.JOIN not in destination.actions:
            raise ValueError(f"{destination.name}.{name} can withdraw consent but has no JOIN action")
        if thing.if_empty and destination.read_back is None:
            raise ValueError(f"{destination.name}.{name} cannot tell what is empty: it has no read_back")
        if strange := {link.to for link in thing.links.values()} - set(destination.objects):
            raise ValueError(f"{destination.name}.{name} links to {', '.join(sorted(strange))}, which is no object")
    if Op.UPSERT not in destination.actions:
        raise ValueError(f"{destination.name} has no UPSERT action")

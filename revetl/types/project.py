"""What dbt built, as its artefacts say, and what is wrong with what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from revetl.types.base import EMPTY, JSON
from revetl.types.words import Severity


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding of ``check``: where it is, why it is one, and what to write instead."""

    code: str  # RVT-nnn
    message: str
    remedy: str = ""
    severity: Severity = Severity.ERROR
    sync: str | None = None  # the sync that cannot run because of it; None: the whole project
    model: str | None = None
    column: str | None = None
    file: str | None = None
    evidence: str = "manifest"  # manifest | catalog | relation


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view in the warehouse, by its parts, never by a string to be pasted into SQL."""

    database: str | None
    schema: str | None
    identifier: str
    quoted: tuple[bool, bool, bool] = (True, True, True)  # per part, as dbt wrote them in relation_name

    def __str__(self) -> str:
        """Return the parts joined by dots, for messages."""
        return ".".join(part for part in (self.database, self.schema, self.identifier) if part)


class Column(NamedTuple):  # a manifest has many, and a tuple is made in a third of the time of a frozen dataclass
    """A column as the manifest describes it; ``meta`` follows the read rule of dbt's versions."""

    name: str
    data_type: str | None = None
    description: str = ""
    meta: Mapping[str, JSON] = EMPTY
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A model, seed, snapshot or source of the project."""

    unique_id: str
    name: str
    resource_type: str  # model | seed | snapshot | source | test | ...
    package: str
    file: str  # where its SQL (or CSV) stands, relative to the project
    patch_file: str | None  # the YAML file that describes it
    relation: Relation | None  # None: ephemeral
    materialized: str
    columns: Mapping[str, Column] = EMPTY
    meta: Mapping[str, JSON] = EMPTY
    config: Mapping[str, JSON] = EMPTY
    tags: tuple[str, ...] = ()
    fqn: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()  # unique ids
    description: str = ""
    checksum: str = ""
    code: str = ""  # raw_code, for state:modified; never printed
    access: str = "protected"
    group: str | None = None
    contract: bool = False
    primary_key: tuple[str, ...] = ()
    version: str | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Check:
    """A dbt test (data test or unit test) and what it guards."""

    unique_id: str
    name: str
    attached_node: str | None  # the model it belongs to; None for singular tests
    column: str | None
    parents: tuple[str, ...]
    severity: str = "error"
    kind: str = ""  # unique, not_null, relationships, ...


@dataclass(frozen=True)
class Project:
    """What revetl takes from a manifest."""

    name: str
    dbt_version: str
    adapter: str
    generated_at: datetime
    invocation_id: str
    nodes: Mapping[str, Node]  # by unique id: models, seeds, snapshots, sources; enabled ones
    disabled: Mapping[str, Node]
    checks: Mapping[str, Check]
    exposures: Mapping[str, Mapping[str, JSON]] = EMPTY
    path: str = "target/manifest.json"

    @cached_property
    def children(self) -> Mapping[str, tuple[str, ...]]:
        """Return each node's direct children by unique id."""
        found: dict[str, list[str]] = {}
        for node in self.nodes.values():
            for parent in node.parents:
                found.setdefault(parent, []).append(node.unique_id)
        return {parent: tuple(sorted(kids)) for parent, kids in found.items()}


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The newest real result of one node or test."""

    unique_id: str
    status: str  # success, pass, warn, error, fail, skipped, "runtime error", no-op, reused, "partial success"
    at: datetime
    which: str  # build, run, test, seed, snapshot, retry
    message: str = ""
    failures: int | None = None
    invocation_id: str = ""
    partial: str | None = None  # "--empty" or "--sample" where the build was not of all rows

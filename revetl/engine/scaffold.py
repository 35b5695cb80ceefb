"""The first revetl.yml and the first lines of meta, made from what the manifest says. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from pydantic import SecretStr

from revetl.contract import Destination
from revetl.mapping.complaints import file_of
from revetl.mapping.models import looks_like
from revetl.types import Node, Project

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})  # YAML 1.1 reads these as values
UNKNOWN = "[not provided]"  # as Salesforce itself fills in a name that it was not given
_INNER = ("stg_", "int_", "base_")  # by dbt's conventions, what others are made of and nobody is meant to use
_PREFIXES = ("dim_", "fct_", "fact_", "mart_", "stg_")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model with a key: what a first sync may stand on. ``email`` is the column that looks like an address."""

    model: str
    file: str  # the YAML that describes it; where none does, its SQL
    key: tuple[str, ...]
    columns: tuple[str, ...]
    email: str | None = None

    @property
    def entity(self) -> str:
        """Return a name for what its rows stand for: ``dim_customers`` → ``customer``."""
        name = next((self.model[len(p) :] for p in _PREFIXES if self.model.startswith(p)), self.model).lower()
        name = re.sub(r"[^a-z0-9_]", "_", name)
        if name.endswith("ies"):
            name = f"{name[:-3]}y"
        elif name.endswith("s") and not name.endswith("ss"):
            name = name[:-1]
        return name if _PLAIN.match(name) else f"entity_{name}"


@dataclass(frozen=True, slots=True)
class First:
    """A first sync: which destination, from which model, and what its records are found by there."""

    tool: Destination
    model: Candidate
    field: str  # their identity field
    column: str  # ours

    @property
    def pii(self) -> str | None:
        """Return what kind of personal data the column is."""
        return "email" if self.column == self.model.email else looks_like(self.column, None)

    @property
    def own_field(self) -> bool:
        """Return whether the field is none that the tool comes with, and must be unique there."""
        thing = next(iter(self.tool.objects.values()))
        return not thing.any_field and self.field not in thing.match


def first(tool: Destination, model: Candidate, column: str | None = None) -> First | None:
    """Return the first sync; ``column``: what records are found by, where somebody said so.

    None: records are found by an e-mail address there, and no column looks like one.
    """
    thing = next(iter(tool.objects.values()))
    own = [field for field in thing.match if field != "*"]
    by_address = [field for field in own if thing.compared(field) == "email"]
    address = column or model.email
    if by_address[:1] == own[:1] and by_address and address and not thing.any_field:
        return First(tool, model, by_address[0], address)
    column = column or model.key[0]
    others = [field for field in own if field not in by_address and not thing.any_field]
    if others:
        return First(tool, model, others[0], column)
    return First(tool, model, column.lower(), column) if thing.any_field or "*" in thing.match else None


def candidates(project: Project) -> tuple[Candidate, ...]:
    """Return the project's models with a key: no staging first, then with an address, then by how little needs them."""
    found = [made for node in project.nodes.values() if (made := _candidate(project, node)) is not None]
    ends = {node.name: len(project.children.get(uid, ())) for uid, node in project.nodes.items()}
    return tuple(sorted(found, key=lambda c: (c.model.startswith(_INNER), c.email is None, ends[c.model], c.model)))


def _candidate(project: Project, node: Node) -> Candidate | None:
    if node.resource_type != "model" or node.relation is None or node.package != project.name or _is_cohort(node):
        return None
    key = node.primary_key or next(_unique(project, node), ())
    if not key:
        return None
    names = tuple(node.columns)
    email = next((name for name in names if "email" in name.lower() or "e_mail" in name.lower()), None)
    return Candidate(node.name, file_of(node), tuple(key), names, email)


def _is_cohort(node: Node) -> bool:
    """Return whether the model says already that its rows are members, who exist by another model."""
    said = node.meta.get("revetl")
    items = said if isinstance(said, list) else [said]
    return any(isinstance(item, Mapping) and item.get("kind") == "cohort" for item in items)


def _unique(project: Project, node: Node) -> Iterator[tuple[str, ...]]:
    """Yield the columns that dbt tests to be unique, those that look like a key first."""
    tested = [
        check.column
        for check in project.checks.values()
        if check.attached_node == node.unique_id and check.kind == "unique" and check.column
    ]
    yield from ((name,) for name in sorted(tested, key=lambda name: (not name.lower().endswith("id"), name)))


def configuration(sync: First, target: str) -> str:
    """Return a revetl.yml with one destination and one sync.

    Settings are references to environment variables; the profile's target goes to the destination's local stand-in,
    where it has one, and ``prod`` to the tool.
    """
    destination, model = sync.tool, sync.model
    said = [f"entity: {plain_text(model.entity)}", f"match: {{{plain_text(sync.field)}: {plain_text(sync.column)}}}"]
    columns = _creation(sync)
    kinds = [*([sync.pii] if sync.pii else []), *(["name"] if any(columns.values()) else [])]
    if kinds:
        said.append(f"allow_pii: [{', '.join(dict.fromkeys(kinds))}]")
    fixed = [f"{plain_text(field)}: {json.dumps(UNKNOWN)}" for field, named in columns.items() if named is None]
    if fixed:
        said.append(f"constants: {{{', '.join(fixed)}}} # no record is made without; better: a column")
    real = f"{{{', '.join(settings_of(destination))}}}"
    stand_in = destination.rehearsal and target != "prod"
    targets = {target: "sandbox", "prod": real} if stand_in else {target: real}
    lines = [
        "version: 1",
        "destinations:",
        f"  {destination.name}:",
        f"    type: {destination.name}",
        "    targets: # a destination writes only for the dbt targets that it names",
        *(f"      {plain_text(name)}: {value}" for name, value in targets.items()),
        "    syncs:",
        f"      {model.entity}:",
        *(f"        {line}" for line in said),
    ]
    return "\n".join(lines) + "\n"


def settings_of(destination: Destination) -> Iterator[str]:
    """Yield what must be set: what is required, and of several ways in the one that a rehearsal takes.

    Each is a reference to a variable, but for what is the same everywhere and no secret: that is an example.
    """
    for name, field in destination.settings.model_fields.items():
        secret = SecretStr in (field.annotation, *get_args(field.annotation))
        if field.examples and not secret:
            yield f"{name}: {plain_text(str(field.examples[0]))}"
        elif field.is_required() or (secret and name in destination.rehearsal):
            variable = f"{destination.name}_{name}".upper().replace("-", "_")
            yield f"{name}: \"{{{{ env_var('{variable}') }}}}\""


def _creation(sync: First) -> dict[str, str | None]:
    """Return what no record is made without → the column of that name, None where there is none."""
    named = {_letters(column): column for column in sync.model.columns}
    thing = next(iter(sync.tool.objects.values()))
    return {field: named.get(_letters(field)) for field in thing.creation}


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def meta_lines(sync: First) -> str:
    """Return the YAML to add to the model: what it is, and the columns that a first sync needs."""
    destination, model = sync.tool, sync.model
    key = plain_text(model.key[0]) if len(model.key) == 1 else f"[{', '.join(map(plain_text, model.key))}]"
    item = f"{{kind: properties, entity: {plain_text(model.entity)}, key: {key}}}"
    tagged = {sync.column: (sync.pii, sync.field)}
    tagged |= {named: ("name", field) for field, named in _creation(sync).items() if named is not None}
    lines = [
        "models:",
        f"  - name: {plain_text(model.model)}",
        f"    config: {{meta: {{revetl: {item}}}}}",
        "    columns:",
    ]
    for column, (kind, field) in tagged.items():
        pii = f"pii: {kind}, " if kind else ""
        lines.append(f"      - name: {plain_text(column)}")
        lines.append(f"        config: {{meta: {{revetl: {{{pii}to: {{{destination.name}: {plain_text(field)}}}}}}}}}")
    return "\n".join(lines) + "\n"


def plain_text(value: str) -> str:
    """Return a name as YAML: bare where it cannot be mistaken."""
    return value if _PLAIN.match(value) and value.lower() not in _WORDS else json.dumps(value)

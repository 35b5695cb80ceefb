"""The first revetl.yml and the first lines of meta, made from what the manifest says. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from pydantic import SecretStr

from revetl.contract import Destination
from revetl.mapping.complaints import file_of
from revetl.types import Node, Project

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})  # YAML 1.1 reads these as values
UNKNOWN = "[not provided]"  # as Salesforce itself fills in a name that it was not given
_PREFIXES = ("dim_", "fct_", "fact_", "mart_", "stg_")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model with a key: what a first sync may stand on. ``email`` is the column that looks like an address."""

    model: str
    file: str
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


def candidates(project: Project) -> tuple[Candidate, ...]:
    """Return the project's models with a key, those with an address first, then by how little is made from them."""
    found = [made for node in project.nodes.values() if (made := _candidate(project, node)) is not None]
    ends = {node.name: len(project.children.get(uid, ())) for uid, node in project.nodes.items()}
    return tuple(sorted(found, key=lambda c: (c.email is None, ends[c.model], c.model)))


def _candidate(project: Project, node: Node) -> Candidate | None:
    if node.resource_type != "model" or node.relation is None or node.package != project.name:
        return None
    key = node.primary_key or next(_unique(project, node), ())
    if not key:
        return None
    names = tuple(node.columns)
    email = next((name for name in names if "email" in name.lower() or "e_mail" in name.lower()), None)
    return Candidate(node.name, file_of(node), tuple(key), names, email)


def _unique(project: Project, node: Node) -> Iterator[tuple[str, ...]]:
    """Yield the columns that dbt tests to be unique, those that look like a key first."""
    tested = [
        check.column
        for check in project.checks.values()
        if check.attached_node == node.unique_id and check.kind == "unique" and check.column
    ]
    yield from ((name,) for name in sorted(tested, key=lambda name: (not name.lower().endswith("id"), name)))


def configuration(destination: Destination, candidate: Candidate, target: str, *, stand_in: bool) -> str:
    """Return a revetl.yml with one destination and one sync; ``stand_in``: a local stand-in of it exists.

    Settings are references to environment variables; the profile's target goes to the stand-in, ``prod`` to the tool.
    """
    match, column = _match(destination, candidate)
    sync = [f"entity: {plain_text(candidate.entity)}", f"match: {{{plain_text(match)}: {plain_text(column)}}}"]
    columns = _creation(destination, candidate)
    kinds = [*(["email"] if candidate.email else []), *(["name"] if any(columns.values()) else [])]
    if kinds:
        sync.append(f"allow_pii: [{', '.join(kinds)}]")
    fixed = [f"{plain_text(field)}: {json.dumps(UNKNOWN)}" for field, named in columns.items() if named is None]
    if fixed:
        sync.append(f"constants: {{{', '.join(fixed)}}} # no record is made without; better: a column")
    real = f"{{{', '.join(settings_of(destination))}}}"
    targets = {target: "sandbox", "prod": real} if stand_in and target != "prod" else {target: real}
    lines = [
        "version: 1",
        "destinations:",
        f"  {destination.name}:",
        f"    type: {destination.name}",
        "    targets: # a destination writes only for the dbt targets that it names",
        *(f"      {plain_text(name)}: {value}" for name, value in targets.items()),
        "    syncs:",
        f"      {candidate.entity}:",
        *(f"        {line}" for line in sync),
    ]
    return "\n".join(lines) + "\n"


def settings_of(destination: Destination) -> Iterator[str]:
    """Yield what must be set: what is required, and of several ways in the one that a rehearsal takes."""
    for name, field in destination.settings.model_fields.items():
        secret = SecretStr in (field.annotation, *get_args(field.annotation))
        if field.is_required() or (secret and name in destination.rehearsal):
            variable = f"{destination.name}_{name}".upper().replace("-", "_")
            yield f"{name}: \"{{{{ env_var('{variable}') }}}}\""


def _match(destination: Destination, candidate: Candidate) -> tuple[str, str]:
    """Return their identity field and our column: an address where they want one, else the key."""
    thing = next(iter(destination.objects.values()))
    if thing.normalise == "email" and not thing.any_field and candidate.email:
        return thing.match[0], candidate.email
    return (candidate.key[0] if thing.any_field else thing.match[0]), candidate.key[0]


def _creation(destination: Destination, candidate: Candidate) -> dict[str, str | None]:
    """Return what no record is made without → the column of that name, None where there is none."""
    named = {_letters(column): column for column in candidate.columns}
    thing = next(iter(destination.objects.values()))
    return {field: named.get(_letters(field)) for field in thing.creation}


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def meta_lines(destination: Destination, candidate: Candidate) -> str:
    """Return the YAML to add to the model: what it is, and the columns that a first sync needs."""
    match, column = _match(destination, candidate)
    key = plain_text(candidate.key[0]) if len(candidate.key) == 1 else f"[{', '.join(map(plain_text, candidate.key))}]"
    item = f"{{kind: properties, entity: {plain_text(candidate.entity)}, key: {key}}}"
    pii = "pii: email, " if column == candidate.email else ""
    lines = [
        "models:",
        f"  - name: {plain_text(candidate.model)}",
        f"    config: {{meta: {{revetl: {item}}}}}",
        "    columns:",
        f"      - name: {plain_text(column)}",
        f"        config: {{meta: {{revetl: {{{pii}to: {{{destination.name}: {plain_text(match)}}}}}}}}}",
    ]
    for field, named in _creation(destination, candidate).items():
        if named is not None:
            lines.append(f"      - name: {plain_text(named)}")
            lines.append(
                f"        config: {{meta: {{revetl: {{pii: name, to: {{{destination.name}: {plain_text(field)}}}}}}}}}"
            )
    return "\n".join(lines) + "\n"


def plain_text(value: str) -> str:
    """Return a name as YAML: bare where it cannot be mistaken."""
    return value if _PLAIN.match(value) and value.lower() not in _WORDS else json.dumps(value)

"""What Hightouch was told, read: the YAML of its Git Sync, or ``meta.hightouch`` of dbt's models.

Git Sync writes ``models/*.yaml`` and ``syncs/*.yaml`` (https://hightouch.com/docs/syncs/git-sync): a sync names
``model`` and ``destination`` by slug; ``config`` holds ``object``, ``mode`` and ``mappings`` of ``from`` and ``to``.
Its Git Sync for dbt writes ``slug``, ``primary_key`` and ``destinations`` with a ``config`` each into a model's meta
(https://docs.hightouch.io/hightouch-with-dbt/git-sync-for-dbt). Nothing of it is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from revetl.config.schema import as_mapping
from revetl.errors import UsageError
from revetl.types import JSON, Node, Project

_FROM = re.compile(r"""\bfrom\s+([\w."`]+)""", re.IGNORECASE)
_PLAIN_QUERY = re.compile(r"""\s*select\s+\*\s+from\s+[\w."`]+\s*;?\s*\Z""", re.IGNORECASE)
_LISTS = frozenset({"audience", "list", "lists", "segment", "segments", "cohort", "cohorts", "group", "groups"})


@dataclass(frozen=True, slots=True)
class Pair:
    """One line of a mapping: a column and a field there."""

    column: str
    field: str


@dataclass
class OldSync:
    """A sync as Hightouch has it. ``node``: the dbt model in place of its model; ``notes``: what is left to people."""

    name: str
    node: Node
    key: str
    destination: str  # the slug, or the number, that Hightouch calls it by
    object: str | None = None
    mode: str | None = None
    members: str | None = None  # of a list: its name there
    match: Pair | None = None
    fields: list[Pair] = field(default_factory=list)
    constants: dict[str, JSON] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class Old:
    """Everything that was read. ``notes`` say what of it could not be taken over, and why."""

    syncs: list[OldSync] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_folder(folder: Path, project: Project) -> Old:
    """Return the syncs of a folder that Git Sync writes; a file that cannot be used is told, and stops no other.

    Raises:
        UsageError: RVT-807, there is no sync in it.
    """
    old = Old()
    models = {path.stem: data for path, data in _files(folder / "models", old)}
    files = list(_files(folder / "syncs", old))
    if not files:
        what = f"there is no sync of Hightouch in {folder}"
        hint = "name the folder that Git Sync writes: it holds syncs/ and models/"
        raise UsageError("RVT-807", what, kept="nothing was written", hint=hint)
    for path, data in files:
        slug = str(data.get("model") or data.get("modelSlug") or "")
        node = _node(slug, models.get(slug, {}), project)
        if isinstance(node, str):
            old.notes.append(f"syncs/{path.name}: {node}")
            continue
        key = str(models.get(slug, {}).get("primaryKey") or data.get("primaryKey") or "")
        old.syncs.append(
            _sync(path.stem, node, key, str(data.get("destination") or ""), as_mapping(data.get("config")))
        )
    return old


def read_meta(project: Project) -> Old:
    """Return the syncs that models name in ``meta.hightouch``.

    Raises:
        UsageError: RVT-807, none does.
    """
    old = Old()
    for node in project.nodes.values():
        said = as_mapping(node.meta.get("hightouch"))
        for number, part in enumerate(said.get("destinations") or ()):
            where = as_mapping(part)
            name = f"{said.get('slug') or node.name}-{number + 1}"
            slug = str(where.get("slug") or where.get("type") or where.get("id") or "")
            old.syncs.append(
                _sync(name, node, str(said.get("primary_key") or ""), slug, as_mapping(where.get("config")))
            )
    if not old.syncs:
        what = "no model of the manifest has meta.hightouch with destinations"
        hint = "name the folder that Git Sync writes: revetl init --from hightouch DIR"
        raise UsageError("RVT-807", what, kept="nothing was written", hint=hint)
    return old


def _files(folder: Path, old: Old) -> Iterator[tuple[Path, Mapping[str, JSON]]]:
    for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            old.notes.append(f"{folder.name}/{path.name} cannot be read: {str(error).partition(chr(10))[0]}")
            continue
        if isinstance(data, Mapping):
            yield path, data


def _node(slug: str, model: Mapping[str, JSON], project: Project) -> Node | str:
    """Return the dbt model that a model of Hightouch reads, or why there is none."""
    wanted = [slug, str(model.get("name") or "")]
    for key in ("table", "dbtModel", "dbt", "dbtModelId"):
        said = model.get(key)
        wanted += [str(v) for v in (said.values() if isinstance(said, Mapping) else [said]) if isinstance(v, str)]
    query = str(model.get("rawSql") or model.get("sql") or model.get("query") or "")
    if query and not _PLAIN_QUERY.match(query):
        found = _FROM.search(query)
        reads = f" (it reads {found[1]})" if found else ""
        return (
            f"its model {slug} is a query of its own{reads}: make it a dbt model of the same name, and run this again"
        )
    if query:
        wanted += [found[1] for found in [_FROM.search(query)] if found]
    names = {_last(text) for text in wanted if text}
    hits = [
        node
        for node in project.nodes.values()
        if node.relation is not None and {node.name.lower(), node.relation.identifier.lower()} & names
    ]
    return hits[0] if hits else f"its model {slug} is no model of this dbt project"


def _last(text: str) -> str:
    return re.sub(r"[\"`]", "", text).rpartition(".")[2].lower().replace("-", "_")


def _sync(name: str, node: Node, key: str, destination: str, config: Mapping[str, JSON]) -> OldSync:
    kind = str(config.get("type") or "").lower()
    made = OldSync(name, node, key, destination, mode=str(config.get("mode") or "") or None)
    made.object = str(config.get("object") or "") or None
    if kind in _LISTS or (config.get("listId") and not config.get("mappings")):
        made.members = str(config.get("listName") or config.get("audienceName") or node.name)
    _match(made, config)
    for part in ("mappings", "customMappings"):
        for line in config.get(part) or ():
            _line(made, as_mapping(line))
    return made


def _match(made: OldSync, config: Mapping[str, JSON]) -> None:
    external = as_mapping(config.get("externalIdMapping") or config.get("externalId"))
    column, there = external.get("from"), external.get("to")
    column = column if isinstance(column, str) else config.get("fromId") or config.get("emailFrom")
    if isinstance(column, str):
        made.match = Pair(column, there if isinstance(there, str) else "")


def _line(made: OldSync, line: Mapping[str, JSON]) -> None:
    column, there = line.get("from"), line.get("to")
    kind = str(line.get("type") or "standard")
    if not isinstance(there, str):
        made.notes.append(f"{made.name}: a mapping has no field of the destination: {dict(line)}")
    elif kind in ("static", "constant") or "value" in line:
        made.constants[there] = line.get("value", column)
    elif isinstance(column, str) and kind not in ("variable", "template"):
        made.fields.append(Pair(column, there))
    else:
        made.notes.append(f"{made.name}: {there} comes of a {kind}: compute it in the model, as a column")


def kind_of(slug: str, names: Iterable[str], listings: Mapping[str, str]) -> str | None:
    """Return which type of destination a slug speaks of, by Hightouch's own listing or by the name in it."""
    said = re.sub(r"[^a-z0-9]", "", f"{listings.get(slug, '')} {slug}".lower())
    hits = [name for name in names if name.replace("-", "") in said]
    return max(hits, key=len) if hits else None


def listings(folder: Path) -> dict[str, str]:
    """Return slug → type of the destinations that ``manifest-*.yaml`` lists, as far as it says so."""
    found: dict[str, str] = {}
    for path, data in _files(folder, Old()):
        if path.name.startswith("manifest"):
            _listed(data, found)
    return found


def _listed(data: JSON, found: dict[str, str]) -> None:
    if isinstance(data, list):
        for part in data:
            _listed(part, found)
    for name, part in as_mapping(data).items():
        said = as_mapping(part)
        if isinstance(said.get("type"), str):
            found[str(said.get("slug") or name)] = said["type"]
        _listed(part, found)
    said = as_mapping(data)
    if isinstance(said.get("slug"), str) and isinstance(said.get("type"), str):
        found[said["slug"]] = said["type"]

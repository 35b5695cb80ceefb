"""What another tool was told → a draft of revetl.yml and of the meta to add, and what is left to people. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from revetl.contract import Destination, Object
from revetl.engine.hightouch import Old, OldSync, Pair, kind_of
from revetl.engine.scaffold import Candidate, plain_text, settings_of
from revetl.mapping.complaints import file_of
from revetl.mapping.models import looks_like
from revetl.types import Node


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft. ``metas``: (file of the model's YAML, lines to add); ``notes``: what could not be taken over."""

    revetl_yml: str
    metas: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    syncs: tuple[str, ...]


@dataclass
class _Model:
    """A model's meta in the making."""

    node: Node
    entity: str
    key: str
    cohort: dict[str, str] = field(default_factory=dict)  # destination → label; of a list
    columns: dict[str, dict[str, str]] = field(default_factory=dict)  # column → destination → field

    def lines(self) -> str:
        """Return the YAML to add."""
        sort = "cohort" if self.cohort else "properties"
        item = f"kind: {sort}, entity: {self.entity}, key: {plain_text(self.key)}"
        if self.cohort:
            item += f", to: {{{', '.join(f'{name}: {json.dumps(label)}' for name, label in self.cohort.items())}}}"
        found = ["models:", f"  - name: {plain_text(self.node.name)}", f"    config: {{meta: {{revetl: {{{item}}}}}}}"]
        if self.columns and not self.cohort:
            found.append("    columns:")
            for column, to in self.columns.items():
                kind = self.pii(column)
                tag = f"pii: {kind}, " if kind else ""
                where = ", ".join(f"{name}: {plain_text(there)}" for name, there in to.items())
                found.append(f"      - name: {plain_text(column)}")
                found.append(f"        config: {{meta: {{revetl: {{{tag}to: {{{where}}}}}}}}}")
        return "\n".join(found) + "\n"

    def pii(self, column: str) -> str | None:
        """Return what kind of personal data a column looks like."""
        return looks_like(column, self.node.columns.get(column))


@dataclass
class _Drafting:
    registry: Mapping[str, Destination]
    target: str
    notes: list[str]
    models: dict[str, _Model] = field(default_factory=dict)
    destinations: dict[str, dict[str, list[str]]] = field(default_factory=dict)  # name → entity → lines of its sync

    def add(self, old: OldSync, kind: str) -> None:
        """Take over one sync; one of a list waits until its people are known."""
        tool = self.registry[kind]
        name, thing = _object(tool, old, self.notes)
        model = self._model(old)
        for line in old.fields:
            model.columns.setdefault(line.column, {})[kind] = line.field
        match = old.match or Pair(old.key, thing.match[0])
        there = match.field or thing.match[0]
        model.columns.setdefault(match.column, {}).setdefault(kind, there)
        syncs = self.destinations.setdefault(kind, {})
        if model.entity in syncs:
            self.notes.append(
                f"{old.name}: {kind} has two syncs of {model.node.name}; their mappings are drafted as one"
            )
            return
        syncs[model.entity] = list(self._lines(old, tool, name, thing, model, Pair(match.column, there)))

    def _model(self, old: OldSync) -> _Model:
        entity = Candidate(old.node.name, "", (old.key,), ()).entity
        return self.models.setdefault(old.node.unique_id, _Model(old.node, entity, old.key))

    def _lines(
        self, old: OldSync, tool: Destination, name: str, thing: Object, model: _Model, match: Pair
    ) -> Iterator[str]:
        yield f"entity: {model.entity}"
        yield f"object: {plain_text(name)}"
        yield f"match: {{{plain_text(match.field)}: {plain_text(match.column)}}}"
        if old.mode in {str(mode) for mode in thing.modes}:
            yield f"mode: {old.mode}"
        elif old.mode:
            self.notes.append(f"{old.name}: mode {old.mode} is none of revetl's: upsert is drafted")
        constants = {
            field: value for field, value in old.constants.items() if isinstance(value, str | int | float | bool)
        }
        if constants:
            yield f"constants: {{{', '.join(f'{plain_text(f)}: {json.dumps(v)}' for f, v in constants.items())}}}"
        leaving = [column for column, to in model.columns.items() if tool.name in to]
        kinds = dict.fromkeys(kind for column in leaving if (kind := model.pii(column)))
        if kinds:
            yield f"allow_pii: [{', '.join(kinds)}]"
        yield "on_leave: keep # what becomes of records that leave the model; Hightouch may have done otherwise"

    def add_list(self, old: OldSync, kind: str) -> None:
        """Take over a sync of a list: a cohort of the entity that the destination knows."""
        entities = list(self.destinations.get(kind, ()))
        if not entities:
            self.notes.append(f"{old.name}: a list at {kind} needs a sync of the people in it first")
            return
        if len(entities) > 1:
            self.notes.append(f"{old.name}: taken for a cohort of {entities[0]}; change `entity` where it is another")
        model = self.models.setdefault(old.node.unique_id, _Model(old.node, entities[0], old.key))
        if model.columns:
            self.notes.append(
                f"{old.name}: {old.node.name} is synced as records, too; make the list a model of its own"
            )
            return
        model.cohort[kind] = old.members or old.node.name

    def text(self) -> str:
        """Return revetl.yml."""
        lines = ["version: 1", "destinations:"]
        for kind, syncs in self.destinations.items():
            tool = self.registry[kind]
            real = f"{{{', '.join(settings_of(tool))}}}"
            targets = {self.target: "sandbox", "prod": real} if tool.rehearsal else {"prod": real}
            lines += [f"  {kind}:", f"    type: {kind}", "    targets:"]
            lines += [f"      {plain_text(name)}: {value}" for name, value in (targets | {"prod": real}).items()]
            lines.append("    syncs:")
            for entity, said in syncs.items():
                lines += [f"      {entity}:", *(f"        {line}" for line in said)]
        return "\n".join(lines) + "\n"


def _object(tool: Destination, old: OldSync, notes: list[str]) -> tuple[str, Object]:
    """Return the object that is meant: by name, or nearly; else the destination's first, with a note."""
    names = {name.lower().rstrip("s"): name for name in tool.objects}
    wanted = (old.object or "").lower().rstrip("s")
    near = [wanted] if wanted in names else get_close_matches(wanted, names, n=1, cutoff=0.8)
    first = next(iter(tool.objects))
    if wanted and not near:
        notes.append(f"{old.name}: {tool.title} has no object {old.object} here: {first} is drafted")
    name = names[near[0]] if near else first
    return name, tool.objects[name]


def drafted(old: Old, registry: Mapping[str, Destination], target: str, types: Mapping[str, str]) -> Draft:
    """Return the draft; ``types`` says of slugs which tool they are, where Hightouch itself says so."""
    work = _Drafting(registry, target, list(old.notes))
    lists: list[tuple[OldSync, str]] = []
    for sync in old.syncs:
        kind = kind_of(sync.destination, registry, types)
        if kind is None:
            work.notes.append(f"{sync.name}: {sync.destination or 'its destination'} is no tool that revetl knows")
        elif not sync.key:
            work.notes.append(f"{sync.name}: its model has no primary key")
        elif sync.members is not None:
            lists.append((sync, kind))
        else:
            work.add(sync, kind)
        work.notes += sync.notes
    for sync, kind in lists:
        work.add_list(sync, kind)
    metas = tuple((file_of(model.node), model.lines()) for model in work.models.values())
    names = tuple(f"{kind}.{entity}" for kind, syncs in work.destinations.items() for entity in syncs)
    return Draft(work.text(), metas, tuple(work.notes), names)

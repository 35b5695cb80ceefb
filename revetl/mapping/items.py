"""dbt's nodes → items: what each model says of itself, and what is wrong with how it says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from revetl.config.schema import Codes, Complaint, as_mapping, validate
from revetl.mapping.complaints import model_name
from revetl.mapping.inherit import inherited
from revetl.mapping.meta import ColumnSpec, FieldOptions, ItemSpec, LinkSpec
from revetl.types import JSON, Node, Project

_CODES = Codes(value="RVT-300", key="RVT-301")
KINDS = ("model", "seed", "snapshot", "source")


@dataclass(frozen=True, slots=True)
class Mapped:
    """A column and where it goes."""

    name: str
    pii: str | None
    to: Mapping[str, FieldOptions]
    link: LinkSpec | None = None
    tagged_in: str | None = None  # the model above whose tag it inherits; None: its own, or none

    @property
    def names(self) -> tuple[str, ...]:
        """Return the columns that it is made of: itself, and the others of another entity's key."""
        return (self.link.key if self.link else ()) or (self.name,)


@dataclass(frozen=True, slots=True)
class Item:
    """One model in the service of one entity."""

    node: Node
    spec: ItemSpec
    columns: tuple[Mapped, ...]
    enabled: bool = True

    @property
    def name(self) -> str:
        """Return the model's name: a cohort's id."""
        return model_name(self.node)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """Return the key's column names, in the order written."""
        return tuple(column for _, column in self.spec.key)

    @property
    def destinations(self) -> frozenset[str]:
        """Return every name that ``to`` mentions, of the cohort or of any column."""
        return frozenset(self.spec.to).union(*(column.to for column in self.columns))


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a model's meta, and what it was about: what it stops follows from that."""

    node: Node
    complaint: Complaint
    column: str | None = None
    entity: str | None = None
    names: frozenset[str] = frozenset()  # of destinations, syncs and groups


@dataclass(frozen=True, slots=True)
class Said:
    """What all models say."""

    items: tuple[Item, ...]
    faults: tuple[Fault, ...]


@dataclass(slots=True)
class _Reading:
    """One model being read."""

    project: Project
    node: Node
    enabled: bool
    faults: list[Fault] = field(default_factory=list)

    def items(self) -> Iterator[Item]:
        raw = self.node.meta.get("revetl")
        parts = raw if isinstance(raw, list) else [] if raw is None else [raw]
        yielded = False
        for part in parts:
            yielded = True
            item = self.item(part)
            if item is not None:
                yield item
        if not yielded:
            self.without_kind()

    def item(self, part: JSON) -> Item | None:
        spec, complaints = validate(ItemSpec, part, _CODES)
        entity = as_mapping(part).get("entity")
        entity = entity if isinstance(entity, str) else None
        columns = self.columns(as_mapping(as_mapping(part).get("columns")), entity)
        names = mentioned(part).union(*(column.to for column in columns))
        if spec is not None:
            complaints = (*complaints, *misfits(spec, columns))
        self.faults += [Fault(self.node, found, None, entity, names) for found in complaints]
        return Item(self.node, spec, columns, self.enabled) if spec else None

    def columns(self, at_model: Mapping[str, JSON], entity: str | None) -> tuple[Mapped, ...]:
        at_column = {name: c.meta["revetl"] for name, c in self.node.columns.items() if "revetl" in c.meta}
        found = []
        for name, raw in {**at_model, **at_column}.items():
            spec, complaints = validate(ColumnSpec, raw, _CODES)
            names = mentioned(raw)
            if name in at_model and name in at_column:
                remedy = "keep the column's own, or the model's `columns:`"
                complaints += (Complaint("RVT-312", (), f"column '{name}' has meta in two places", remedy),)
                names |= mentioned(at_model[name])
            about = None if names and name in at_column else entity  # a column's own meta serves every item
            self.faults += [Fault(self.node, complaint, name, about, names) for complaint in complaints]
            if spec is not None:
                above = None if "pii" in as_mapping(raw) else inherited(self.project, self.node, name)
                pii, model = above or (spec.pii, None)
                found.append(Mapped(name, pii, spec.to, spec.link, model))
        return tuple(found)

    def without_kind(self) -> None:
        """Say which columns name destinations although the model says nothing: nothing of them would leave."""
        for name, column in self.node.columns.items():
            names = mentioned(column.meta["revetl"]) if "revetl" in column.meta else frozenset()
            if names:
                what = f"column '{name}' names {', '.join(sorted(names))}, but its model has no `revetl:` of its own"
                remedy = (
                    "add {kind: properties, entity: …, key: …} to the model's meta; a `revetl:` in the SQL's config() "
                    "replaces the YAML's as a whole"
                )
                self.faults.append(Fault(self.node, Complaint("RVT-313", (), what, remedy), name, None, names))


def read_items(project: Project) -> Said:
    """Return what all enabled nodes say, and the disabled ones that no enabled node of their name replaces."""
    enabled = [node for node in project.nodes.values() if node.resource_type in KINDS]
    taken = {model_name(node) for node in enabled}
    disabled = [
        node
        for node in project.disabled.values()
        if node.resource_type in KINDS and model_name(node) not in taken and node.meta.get("revetl")
    ]
    readings = [_Reading(project, node, enabled=True) for node in enabled]
    readings += [_Reading(project, node, enabled=False) for node in disabled]
    items = tuple(item for reading in readings for item in reading.items())
    faults = tuple(fault for reading in readings for fault in reading.faults)
    each = {(fault.node.unique_id, fault.column, fault.complaint, fault.entity): fault for fault in faults}
    return Said(items, tuple(each.values()))


def misfits(spec: ItemSpec, columns: tuple[Mapped, ...]) -> tuple[Complaint, ...]:
    """Return what does not go together with the kind."""
    found = []
    if spec.kind == "properties":
        for key in ("to", "label", "was"):
            if getattr(spec, key):
                remedy = "each column says for itself where it goes" if key == "to" else f"remove `{key}`"
                found.append(Complaint("RVT-300", (key,), f"'{key}' stands on a properties model", remedy))
    if spec.kind == "cohort":
        if spec.base:
            found.append(Complaint("RVT-300", ("base",), "'base' stands on a cohort", "set it on a properties model"))
        for column in columns:
            if column.link is not None:
                what = f"'link' stands on column '{column.name}' of a cohort"
                found.append(Complaint("RVT-332", ("columns",), what, "set it on a properties model"))
    return tuple(found)


def mentioned(raw: JSON) -> frozenset[str]:
    """Return the names in a part's ``to``, however badly the rest of it is written."""
    to = as_mapping(raw).get("to")
    if isinstance(to, str):
        return frozenset({to})
    names = to if isinstance(to, list | Mapping) else ()
    return frozenset(name for name in names if isinstance(name, str))

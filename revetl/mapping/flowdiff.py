"""What a change of the mapping means: which data newly leaves to whom, what stops, what is sent again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from revetl.mapping.lineage import Models, altered, dropped, types_of
from revetl.types import JSON


class FlowKind(StrEnum):
    """What happened to a flow."""

    SYNC_ADDED = "sync_added"
    SYNC_REMOVED = "sync_removed"
    SYNC_RENAMED = "sync_renamed"
    FIELD_ADDED = "field_added"  # this column newly leaves
    FIELD_REMOVED = "field_removed"  # it stops; what is there stays
    FIELD_RENAMED = "field_renamed"
    FIELD_CHANGED = "field_changed"  # another column, tag or rule behind the same field
    LINK_ADDED = "link_added"  # whose record belongs to whose newly leaves
    LINK_REMOVED = "link_removed"
    LINK_RENAMED = "link_renamed"
    LINK_CHANGED = "link_changed"
    COHORT_ADDED = "cohort_added"
    COHORT_REMOVED = "cohort_removed"
    COHORT_RENAMED = "cohort_renamed"
    COHORT_RELABELLED = "cohort_relabelled"
    COHORT_CHANGED = "cohort_changed"
    MEMBERSHIP_ADDED = "membership_added"  # a field of the memberships of a cohort
    MEMBERSHIP_REMOVED = "membership_removed"
    MEMBERSHIP_RENAMED = "membership_renamed"
    MEMBERSHIP_CHANGED = "membership_changed"
    CONSTANT_ADDED = "constant_added"
    CONSTANT_REMOVED = "constant_removed"
    CONSTANT_CHANGED = "constant_changed"
    RULE_CHANGED = "rule_changed"  # match, audience, mode, on_leave, ...
    FIELD_RETYPED = "field_retyped"  # the column behind it has another type
    LINK_RETYPED = "link_retyped"
    MEMBERSHIP_RETYPED = "membership_retyped"
    COHORT_REDEFINED = "cohort_redefined"  # its SQL, or that of a model it is made of, is another
    LIMIT_REDEFINED = "limit_redefined"  # so is that of a cohort that limits who leaves
    MODEL_REDEFINED = "model_redefined"  # so is that of a model whose columns leave


@dataclass(frozen=True, slots=True)
class FlowChange:
    """One difference between two mappings.

    ``leaves``: data goes out that did not before. ``resends``: values go out for rows whose data did not change.
    ``because``: why it is sent again, or which models are written otherwise.
    """

    kind: FlowKind
    sync: str
    destination: str
    name: str = ""  # the field, cohort or rule
    model: str | None = None
    column: str | None = None
    pii: str | None = None
    before: str | None = None
    after: str | None = None
    leaves: bool = False
    resends: bool = False
    because: tuple[str, ...] = ()
    file: str | None = None
    evidence: str = "manifest"  # manifest | catalog


Flow = Mapping[str, JSON]

# Rules whose change sends rows again although their data is the same, and why.
_RESENDING = {
    "type": "another kind of destination",
    "object": "another kind of record there",
    "key": "another key",
    "match": "records are found by another field",
    "timezone": "times are read in another zone",
    "settings": "other settings, and perhaps another place",
    "sandbox": "another account",
    "wire": "this version writes values otherwise",
}
_RULES = (
    "type", "object", "entity", "key", "base", "joined", "match", "cohort_style", "create_cohorts", "consent",
    "audience", "exclude", "mode", "on_leave", "on_leave_scope", "timezone", "sandbox", "settings",
)  # fmt: skip


def diff_flows(before: Flow, after: Flow) -> tuple[FlowChange, ...]:
    """Return what differs between two results of :func:`revetl.mapping.flows.flows`, by sync, kind and name.

    A sync, field or cohort that says ``was`` is a rename where the old one is gone. Of results of
    :func:`revetl.mapping.flows.whole` also models that are written otherwise, types, and dropped columns.
    """
    found: list[FlowChange] = []
    old_models, new_models = before.get("models", {}), after.get("models", {})
    for name, old, new in _pairs(before["syncs"], after["syncs"]):
        changes = [*_sync(name, old, new), *_behind(name, old, new, old_models, new_models)]
        found += [_placed(change, old_models, new_models) for change in changes]
    found += [
        FlowChange(FlowKind.SYNC_RENAMED, new, after["syncs"][new]["destination"], new, before=old, after=new)
        for old, new in _renames(before["syncs"], after["syncs"]).items()
    ]
    return tuple(sorted(found, key=lambda c: (c.sync, list(FlowKind).index(c.kind), c.name)))


def _renames(before: Flow, after: Flow) -> dict[str, str]:
    """Return old name → new name, of parts that say ``was`` and whose old name is gone."""
    found: dict[str, str] = {}
    for name, part in after.items():
        was = part.get("was")
        if was and was in before and was not in after and name not in before:
            found.setdefault(was, name)
    return found


def _pairs(before: Flow, after: Flow) -> Iterator[tuple[str, Flow | None, Flow | None]]:
    """Yield every part by its present name with what it was and what it is."""
    renames = _renames(before, after)
    old = {renames.get(name, name): part for name, part in before.items()}
    for name in sorted(old.keys() | after.keys()):
        yield name, old.get(name), after.get(name)


def _sync(name: str, old: Flow | None, new: Flow | None) -> Iterator[FlowChange]:
    whole = new or old or {}
    base = FlowChange(FlowKind.RULE_CHANGED, name, str(whole.get("destination", "")))
    if old is None or new is None:
        kind = FlowKind.SYNC_ADDED if old is None else FlowKind.SYNC_REMOVED
        yield replace(base, kind=kind, name=name, leaves=old is None)
    old, new = old or {}, new or {}
    for word in ("field", "link"):
        yield from _fields(word, base, old.get(f"{word}s", {}), new.get(f"{word}s", {}))
    yield from _cohorts(base, old.get("cohorts", {}), new.get("cohorts", {}))
    yield from _constants(base, old.get("constants", {}), new.get("constants", {}))
    if old and new:
        yield from _rules(base, old, new)


def _fields(word: str, base: FlowChange, before: Flow, after: Flow) -> Iterator[FlowChange]:
    """Yield what differs between two lots of fields, or of links (``word``)."""
    renamed = {new: old for old, new in _renames(before, after).items()}
    for name, old, new in _pairs(before, after):
        part = new or old or {}
        what = replace(base, name=name, model=_short(part.get("model")), column=part.get("column"), pii=part.get("pii"))
        if new is None:
            yield replace(what, kind=FlowKind(f"{word}_removed"))
        elif old is None:
            yield replace(what, kind=FlowKind(f"{word}_added"), leaves=True, resends=True)
        else:
            if name in renamed:
                kind = FlowKind(f"{word}_renamed")
                yield replace(what, kind=kind, before=renamed[name], after=name, resends=True)
            yield from _field(replace(what, kind=FlowKind(f"{word}_changed")), old, new)


def _field(what: FlowChange, old: Flow, new: Flow) -> Iterator[FlowChange]:
    source = (old["model"], old["column"]) != (new["model"], new["column"])
    for rule in ("pii", "on_null", "write", "target", "hash"):
        if old.get(rule) != new.get(rule):
            change = f"{rule}: {old.get(rule)}", f"{rule}: {new.get(rule)}"
            bares = rule == "hash" and new.get(rule) is None  # what left as a digest leaves in clear
            resends = rule in {"target", "hash"}
            yield replace(what, before=change[0], after=change[1], leaves=bares, resends=resends)
    if source:
        before, after = (f"{_short(part['model'])}.{part['column']}" for part in (old, new))
        yield replace(what, before=before, after=after, leaves=True, resends=True)


def _cohorts(base: FlowChange, before: Flow, after: Flow) -> Iterator[FlowChange]:
    renamed = {new: old for old, new in _renames(before, after).items()}
    for name, old, new in _pairs(before, after):
        what = replace(base, name=name, model=_short((new or old or {}).get("model")))
        if new is None:
            yield replace(what, kind=FlowKind.COHORT_REMOVED, before=(old or {})["label"])
        elif old is None:
            yield replace(what, kind=FlowKind.COHORT_ADDED, after=new["label"], leaves=True)
        else:
            if name in renamed:
                yield replace(what, kind=FlowKind.COHORT_RENAMED, before=renamed[name], after=name)
            elif old["model"] != new["model"] or old["key"] != new["key"]:
                yield replace(what, kind=FlowKind.COHORT_CHANGED, before=_keyed(old), after=_keyed(new), leaves=True)
            if old["label"] != new["label"]:
                yield replace(what, kind=FlowKind.COHORT_RELABELLED, before=old["label"], after=new["label"])
        if new is not None:
            parts = ((part or {}).get("fields", {}) for part in (old, new))
            fields = ({f"{name}.{field}": told for field, told in part.items()} for part in parts)
            yield from _fields("membership", base, *fields)


def _keyed(cohort: Flow) -> str:
    return f"{_short(cohort['model'])} by {', '.join(cohort['key'])}"


def _constants(base: FlowChange, before: Flow, after: Flow) -> Iterator[FlowChange]:
    for name, old, new in _pairs(before, after):
        what = replace(base, name=name, before=_constant(old), after=_constant(new))
        if new is None:
            yield replace(what, kind=FlowKind.CONSTANT_REMOVED)
        elif old is None:
            yield replace(what, kind=FlowKind.CONSTANT_ADDED, leaves=True, resends=new["write"] == "always")
        elif old != new:
            yield replace(what, kind=FlowKind.CONSTANT_CHANGED, leaves=True, resends=new["write"] == "always")


def _constant(part: Flow | None) -> str | None:
    return None if part is None else f"{part['value']!r} ({part['write']})"


def _rules(base: FlowChange, old: Flow, new: Flow) -> Iterator[FlowChange]:
    for rule in _RULES:
        if old.get(rule) != new.get(rule):
            words = (None if part.get(rule) is None else str(part[rule]) for part in (old, new))
            before, after = words
            widens = rule in {"audience", "exclude", "base", "joined", "match", "consent"}
            why = (_RESENDING[rule],) if rule in _RESENDING else ()
            yield replace(base, name=rule, before=before, after=after, leaves=widens, resends=bool(why), because=why)
    if {"wire"} <= old.keys() & new.keys() and old["wire"] != new["wire"]:
        what = replace(base, name="wire", before=str(old["wire"]), after=str(new["wire"]))
        yield replace(what, resends=True, because=(_RESENDING["wire"],))


def _behind(name: str, old: Flow | None, new: Flow | None, before: Models, after: Models) -> Iterator[FlowChange]:
    """Yield what became of the models behind a sync that is mapped as before."""
    if old is None or new is None:
        return
    base = FlowChange(FlowKind.MODEL_REDEFINED, name, new["destination"])
    yield from _retyped(base, new, before, after)
    named = {model["name"]: key for key, model in after.items()}
    lots = (
        (FlowKind.MODEL_REDEFINED, {ref["model"]: ref["unique_id"] for ref in (new["base"], *new["joined"])}),
        (FlowKind.COHORT_REDEFINED, {cohort: part["model"] for cohort, part in new["cohorts"].items()}),
        (FlowKind.LIMIT_REDEFINED, {limit: named.get(limit, "") for limit in (*new["audience"], *new["exclude"])}),
    )
    for kind, lot in lots:
        for what, unique_id in lot.items():
            because = altered(before, after, unique_id)
            if because:
                yield replace(base, kind=kind, name=what, model=_short(unique_id), because=because)


def _retyped(base: FlowChange, new: Flow, before: Models, after: Models) -> Iterator[FlowChange]:
    for word in ("field", "link", "membership"):
        parts = _members(new) if word == "membership" else new.get(f"{word}s", {})
        for field, part in parts.items():
            for column in part["column"].split(", "):
                turn = types_of(before, after, part["model"], column)
                if turn is not None:
                    what = replace(base, name=field, model=_short(part["model"]), column=column, pii=part["pii"])
                    evidence = after[part["model"]]["evidence"]
                    kind = FlowKind(f"{word}_retyped")
                    yield replace(what, kind=kind, before=turn[0], after=turn[1], evidence=evidence)


def _members(flow: Flow) -> dict[str, JSON]:
    cohorts = flow["cohorts"].items()
    return {f"{name}.{field}": part for name, cohort in cohorts for field, part in cohort.get("fields", {}).items()}


def _placed(change: FlowChange, before: Models, after: Models) -> FlowChange:
    """Return the change with the file to look at, and whether a column stopped to leave because it is gone."""
    ids = {_short(key): key for key in (*before, *after)}
    unique_id = ids.get(change.model)
    if unique_id is None:
        return change
    change = replace(change, file=(after.get(unique_id) or before[unique_id])["file"])
    if not str(change.kind).endswith("_removed") or change.column is None:
        return change
    evidence = dropped(before, after, unique_id, change.column.split(", "))
    why = f"column {change.column} is gone from {change.model}; what stands at {change.destination} stays"
    return replace(change, because=(why,), evidence=evidence) if evidence else change


def _short(unique_id: JSON) -> str | None:
    """Return a model's name out of its unique id (``model.shop.customers`` → ``customers``)."""
    return unique_id.split(".", 2)[-1] if isinstance(unique_id, str) else None

"""What a change of the mapping means: which data newly leaves to whom, what stops, what is sent again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

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


@dataclass(frozen=True, slots=True)
class FlowChange:
    """One difference between two mappings.

    ``leaves``: data goes out that did not before. ``resends``: values go out for rows whose data did not change.
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


Flow = Mapping[str, JSON]

# Rules whose change sends rows again although their data is the same: where they go, or how values are read.
_RESENDING = frozenset({"type", "object", "match", "timezone", "settings", "sandbox"})
_RULES = (
    "type", "object", "entity", "key", "base", "joined", "match", "cohort_style", "create_cohorts", "consent",
    "audience", "exclude", "mode", "on_leave", "on_leave_scope", "timezone", "sandbox", "settings",
)  # fmt: skip


def diff_flows(before: Flow, after: Flow) -> tuple[FlowChange, ...]:
    """Return what differs between two results of :func:`revetl.plan.flows.flows`, by sync, kind and name.

    A sync, field or cohort that says ``was`` is a rename where the old one is gone.
    """
    found: list[FlowChange] = []
    for name, old, new in _pairs(before["syncs"], after["syncs"]):
        found += _sync(name, old, new)
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
    for rule in ("pii", "on_null", "write", "target"):
        if old.get(rule) != new.get(rule):
            change = f"{rule}: {old.get(rule)}", f"{rule}: {new.get(rule)}"
            yield replace(what, before=change[0], after=change[1], resends=rule == "target")
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
            yield replace(what, kind=FlowKind.COHORT_ADDED, after=new["label"], leaves=True, resends=True)
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
            yield replace(base, name=rule, before=before, after=after, leaves=widens, resends=rule in _RESENDING)


def _short(unique_id: JSON) -> str | None:
    """Return a model's name out of its unique id (``model.shop.customers`` → ``customers``)."""
    return unique_id.split(".", 2)[-1] if isinstance(unique_id, str) else None

"""The resolved mapping as plain data: what leaves, to whom, under which rules; no rows, no secrets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from revetl.contract import Destination
from revetl.mapping.lineage import Types, models
from revetl.types import EMPTY, JSON, CohortPlan, ConsentPlan, FieldPlan, LinkPlan, ModelRef, Project, SyncPlan

SCHEMA_VERSION = 1


def flows(syncs: Iterable[SyncPlan]) -> dict[str, JSON]:
    """Return ``target/revetl_flows.json``: every sync by name, with the hash of its mapping."""
    found = {sync.name: {"hash": flow_hash(sync), **flow(sync)} for sync in sorted(syncs, key=lambda s: s.name)}
    return {"schema_version": SCHEMA_VERSION, "syncs": found}


def whole(
    project: Project, syncs: Iterable[SyncPlan], registry: Mapping[str, Destination], types: Types = EMPTY
) -> dict[str, JSON]:
    """Return the flows with what a later comparison needs: how values are written, and what the models are made of."""
    syncs = tuple(syncs)
    told = flows(syncs)
    for sync in syncs:
        if sync.type in registry:
            told["syncs"][sync.name]["wire"] = registry[sync.type].wire.version
    return {**told, "models": models(project, syncs, types)}


def flow_hash(sync: SyncPlan) -> str:
    """Return the sha256 (hex) of a sync's mapping in canonical JSON; guards and labels of people's comfort apart."""
    text = json.dumps(flow(sync), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def flow(sync: SyncPlan) -> dict[str, JSON]:
    """Return one sync's mapping; parts that few syncs have stand in it only where they are."""
    more: dict[str, JSON] = {"links": {link.field: _link(link) for link in sync.links}} if sync.links else {}
    if sync.consent is not None:
        more["consent"] = _consent(sync.consent)
    return {
        "destination": sync.destination,
        "type": sync.type,
        "object": sync.object,
        "entity": sync.entity,
        "key": list(sync.key),
        "base": _model(sync.base),
        "joined": [_model(ref) for ref in sync.joined],
        "match": {"field": sync.match_field, "column": sync.match_property},
        "fields": {field.field: _field(field) for field in sync.fields},
        "cohorts": {cohort.name: _cohort(cohort) for cohort in sync.cohorts},
        "cohort_style": sync.cohort_style,
        "create_cohorts": sync.create_cohorts,
        "audience": sorted(ref.model for ref in sync.audience),
        "exclude": sorted(ref.model for ref in sync.exclude),
        "mode": str(sync.mode),
        "on_leave": sync.leaving,
        "on_leave_scope": sync.on_leave_scope,
        "constants": {c.field: {"value": c.value, "write": str(c.write)} for c in sync.constants},
        "timezone": sync.timezone,
        "sandbox": sync.sandbox,
        "settings": dict(sync.settings),
        "was": sync.was,
        **more,
    }


def _model(ref: ModelRef) -> dict[str, JSON]:
    return {"model": ref.model, "unique_id": ref.unique_id, "key": list(ref.key)}


def _field(field: FieldPlan) -> dict[str, JSON]:
    return {
        "column": field.property,
        "model": field.model,
        "pii": field.pii,
        "on_null": str(field.on_null),
        "write": str(field.write),
        "was": field.was,
        **({"hash": str(field.hash)} if field.hash else {}),
    }


def _link(link: LinkPlan) -> dict[str, JSON]:
    return {
        "column": link.property,
        "model": link.model,
        "target": link.target,
        "pii": link.pii,
        "on_null": str(link.on_null),
        "was": link.was,
    }


def _consent(consent: ConsentPlan) -> dict[str, JSON]:
    told = {"column": consent.column, "model": consent.model}
    return {**told, "on_false": consent.on_false, "new_as": consent.new_as}


def _cohort(cohort: CohortPlan) -> dict[str, JSON]:
    fields = {"fields": {field.field: _field(field) for field in cohort.fields}} if cohort.fields else {}
    told = {"label": cohort.label, "model": cohort.ref.unique_id, "key": list(cohort.ref.key), "was": cohort.was}
    return {**told, **fields}

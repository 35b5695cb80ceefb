"""JSON Schemas of revetl.yml, of meta in dbt's YAML and of files of cases: what editors complete and check.

They say no more than the code: a file that one of them refuses, revetl refuses, too. What needs a look at the project
(does a column exist, does the tool have such an object of this entity) is `revetl check`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import orjson
from pydantic import BaseModel, SecretStr
from pydantic.json_schema import models_json_schema

from revetl.config.cases import CasesSpec
from revetl.config.specs import DestinationSpec, RootSpec, SyncConfig
from revetl.contract import Destination
from revetl.engine.described import KEYS
from revetl.engine.written import Schema, Written
from revetl.mapping.meta import ColumnSpec, ItemSpec
from revetl.types import JSON, OnLeave

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,62}$"
_NODES = ("models", "seeds", "snapshots")


def schemas(registry: Mapping[str, Destination]) -> dict[str, Schema]:
    """Return name → schema; ``registry`` is which destinations there are."""
    return {"revetl": _told(root(registry), RootSpec), "meta": _told(meta()), "cases": _told(cases(), CasesSpec)}


def _told(found: Schema, whole: type[BaseModel] | None = None) -> Schema:
    """Return a schema in which each key says what it means, as editors show; ``whole``: the part that the file is."""
    parts = dict(found["$defs"])
    for name, keys in KEYS.items():
        if name in parts:
            parts[name] = {**parts[name], "properties": _keys(parts[name]["properties"], keys)}
    told = {**found, "$defs": parts}
    if whole is not None:
        told["properties"] = _keys(found["properties"], KEYS[whole.__name__])
    return told


def _keys(properties: Schema, means: Mapping[str, str]) -> Schema:
    return {key: {**schema, "description": means[key]} for key, schema in properties.items()}


def text(found: Schema) -> bytes:
    """Return a schema as a file holds it."""
    return orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n"


def root(registry: Mapping[str, Destination]) -> Schema:
    """Return the schema of revetl.yml."""
    defs = _defs(RootSpec, DestinationSpec, SyncConfig)
    whole = defs.pop("RootSpec")
    destination = defs["DestinationSpec"]
    destination["properties"]["type"] = {"enum": [*registry, None]}
    destination["properties"]["targets"] = {"type": "object", "minProperties": 0}
    destination["properties"]["syncs"] = {"type": ["object", "null"], "additionalProperties": _ref("SyncConfig")}
    destination["allOf"] = [_when({"type": {"const": name}}, ["type"], _ref(f"type-{name}")) for name in registry]
    untyped = {name: _named(name) for name in registry}  # without `type`, a destination's name is it
    whole["properties"]["destinations"] = {
        "type": "object", "propertyNames": {"pattern": _NAME}, "properties": untyped,
        "additionalProperties": _ref("DestinationSpec"),
    }  # fmt: skip
    defs |= {f"type-{name}": _of_type(registry[name]) for name in registry}
    return _document("revetl.yml", whole, defs)


def _named(name: str) -> Schema:
    untyped = {"not": {"required": ["type"], "properties": {"type": {"not": {"const": None}}}}}
    return {"allOf": [_ref("DestinationSpec"), {"if": untyped, "then": _ref(f"type-{name}")}]}


def _of_type(destination: Destination) -> Schema:
    """Return what a destination of a type may be set to, and what its syncs may ask of it."""
    settings = dict(_settings(destination.settings))
    needed = [info.alias or name for name, info in destination.settings.model_fields.items() if info.is_required()]
    extra = destination.settings.model_config.get("extra") == "allow"
    stand_in = {"type": "boolean", "description": "`true`: the local stand-in, in place of an account."}
    real: Schema = {
        "type": "object", "properties": {**settings, "sandbox": stand_in}, "additionalProperties": extra,
    }  # fmt: skip
    if needed:
        real["anyOf"] = [{"required": needed}, {"properties": {"sandbox": {"const": True}}, "required": ["sandbox"]}]
    styles = sorted({style for thing in destination.objects.values() for style in thing.cohorts})
    leaving = {policy for thing in destination.objects.values() for policy in thing.on_leave}
    words = sorted({str(policy) for policy in leaving} | ({"drop"} if OnLeave.CLEAR in leaving else set()))
    modes = sorted({str(mode) for thing in destination.objects.values() for mode in thing.modes})
    sync = {
        "object": {"enum": [*destination.objects, None]}, "cohorts": {"enum": [*styles, None]},
        "mode": {"enum": modes}, "on_leave": {"enum": words},
    }  # fmt: skip
    return {
        "description": destination.title,
        "properties": {
            "targets": {"additionalProperties": {"anyOf": [{"const": "sandbox"}, real]}},
            "syncs": {"additionalProperties": {"properties": sync}},
        },
    }


def _settings(model: type[BaseModel]) -> Iterator[tuple[str, Schema]]:
    """Yield each setting; whatever its type, a reference to a variable may stand for it."""
    both = model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name")
    for name, info in model.model_fields.items():
        secret = SecretStr in (info.annotation, *get_args(info.annotation))
        words = (info.description, "A secret: \"{{ env_var('NAME') }}\"." if secret else None)
        told: Schema = {"description": " ".join(filter(None, words))} if any(words) else {}
        yield info.alias or name, told
        if both and info.alias:
            yield name, told


def meta() -> Schema:
    """Return the schema of a YAML file of dbt in which models say what leaves; it says nothing of the rest of it."""
    defs = _defs(ItemSpec, ColumnSpec)
    item = defs["ItemSpec"]
    item["properties"]["columns"] = {"type": "object", "additionalProperties": _ref("ColumnSpec")}
    no: Schema = {"not": {}}
    item["allOf"] = [
        _when({"kind": {"const": "properties"}}, ["kind"], {"properties": dict.fromkeys(("to", "label", "was"), no)}),
        _when({"kind": {"const": "cohort"}}, ["kind"], {"properties": {"base": {"const": False}}}),
    ]
    of_node = _meta({"anyOf": [_ref("ItemSpec"), {"type": "array", "items": _ref("ItemSpec")}]})
    of_column = _meta(_ref("ColumnSpec"))
    columns = {"type": ["array", "null"], "items": _ref("column")}
    node = {"properties": {**of_node, "columns": columns, "versions": {"items": {"properties": {"columns": columns}}}}}
    tables = {"type": ["array", "null"], "items": _ref("node")}
    defs |= {"node": node, "column": {"properties": of_column}}
    parts = {name: {"type": ["array", "null"], "items": _ref("node")} for name in _NODES}
    sources = {"type": ["array", "null"], "items": {"properties": {"tables": tables}}}
    return _document(
        "meta of revetl in dbt's YAML", {"type": "object", "properties": {**parts, "sources": sources}}, defs
    )


def _meta(schema: Schema) -> Schema:
    """Return where meta may stand: of itself, or below config."""
    own = {"type": ["object", "null"], "properties": {"revetl": schema}}
    return {"meta": own, "config": {"type": ["object", "null"], "properties": {"meta": own}}}


def cases() -> Schema:
    """Return the schema of a file of cases for `revetl test`."""
    defs = _defs(CasesSpec)
    return _document("cases of revetl test", defs.pop("CasesSpec"), defs)


def _defs(*models: type[BaseModel]) -> dict[str, Any]:
    _, found = models_json_schema([(model, "validation") for model in models], schema_generator=Written)
    defs: dict[str, Any] = found["$defs"]
    return {name: _plain(schema) for name, schema in defs.items()}


def _plain(found: JSON) -> JSON:
    """Return a schema in the fewest words, whatever version of pydantic said it."""
    if isinstance(found, list):
        return [_plain(one) for one in found]
    if not isinstance(found, dict):
        return found
    schema = {name: _plain(part) for name, part in sorted(found.items()) if name not in ("ge", "le")}
    if isinstance(schema.get("title"), str):
        del schema["title"]
    if isinstance(schema.get("description"), str):
        schema["description"] = " ".join(schema["description"].replace("``", "`").split())
    if {"const", "enum"} & schema.keys():
        schema.pop("type", None)
    if "anyOf" in schema:
        nested = [one["anyOf"] if one.keys() == {"anyOf"} else [one] for one in schema["anyOf"]]
        schema["anyOf"] = [one for part in nested for one in part]
    return schema


def _document(title: str, whole: Schema, defs: Schema) -> Schema:
    return {"$schema": DRAFT, "title": title, **whole, "$defs": dict(sorted(defs.items()))}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _when(properties: Schema, required: list[str], then: Schema) -> Schema:
    return {"if": {"properties": properties, "required": required}, "then": then}

"""How values may be written, as JSON Schema: what each validator of revetl.yml and meta takes besides what it returns.

A validator that has no form here makes the schemas fail: a new way of writing is told where it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from revetl.config import guards, notify, policies, schema, specs
from revetl.mapping import meta
from revetl.types import JSON

Schema = dict[str, JSON]
Inner = Callable[[], Schema]  # makes the schema of what the validator returns
Form = Callable[[Inner], Schema]

_TEXT: Schema = {"type": "string", "minLength": 1}
_SHARE = r"^[0-9]{1,3}(\.[0-9]{1,6})?\s*%$"
_ENV_VAR = r"\{\{\s*env_var\(.+\)\s*\}\}"


def _any(*forms: Schema) -> Schema:
    return {"anyOf": list(forms)}


def _or_text(inner: Inner) -> Schema:
    return _any(inner(), _TEXT)


def _one(inner: Inner) -> Schema:
    many = inner()
    return _any(many, many["items"])


def _same(inner: Inner) -> Schema:
    return inner()


def _or(*forms: Schema) -> Form:
    return lambda inner: _any(inner(), *forms)


def _only(form: Schema) -> Form:
    return lambda _: form


def _and(form: Schema) -> Form:
    return lambda inner: {**inner(), **form}


def _limit(_: Inner) -> Schema:
    share, rows = {"type": "string", "pattern": _SHARE}, {"type": "integer", "minimum": 0}
    both = {"type": "array", "prefixItems": [share, rows], "items": False, "minItems": 2, "maxItems": 2}
    return {"description": "10%, 50, [10%, 50] (the greater of both) or off", **_any(share, rows, both, _OFF)}


_OFF: Schema = {"enum": ["off", False]}  # YAML 1.1 reads a bare off as false
_SPAN: Schema = {
    "type": "string", "pattern": r"^[0-9]{1,9}\s*(s|m|h|d)$", "description": "90s, 30m, 36h or 7d",
}  # fmt: skip
_KEY: Schema = {
    "description": "a column, a list of columns, or {name_in_entity: column}",
    **_any(
        _TEXT,
        {"type": "array", "items": _TEXT, "minItems": 1, "uniqueItems": True},
        {"type": "object", "additionalProperties": _TEXT, "minProperties": 1},
    ),
}
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_NAME: Schema = {"pattern": r"^[A-Za-z][A-Za-z0-9_-]{0,62}$"}
_STATES: list[JSON] = [
    {"required": ["url"]},
    {"required": ["engine"], "properties": {"witness": False}},
    {"required": ["witness"], "properties": {"url": False, "engine": False}},
]
_CONNECTION: Schema = {
    "type": "object", "required": ["type"],
    "properties": {"type": _TEXT, **{name: {"type": "string", "pattern": _ENV_VAR} for name in sorted(specs.SECRETS)}},
}  # fmt: skip
_RULE: Schema = {
    "type": "string", "pattern": r"^\s*(pii|(pii|tag|group):\S.*?)\s*(→|->)\s*\S.*$",
    "description": "pii → NAME, pii:KIND → NAME, tag:NAME → NAME or group:NAME → NAME",
}  # fmt: skip

FORMS: Mapping[Any, Form] = {
    schema.one_or_many: _one,
    guards.parse_limit: _limit,
    guards.parse_span: _only(_SPAN),
    guards._span_text: _only(_SPAN),  # noqa: SLF001 - each validator by itself
    specs._off: _or(_OFF),  # noqa: SLF001
    specs._zone: _same,  # noqa: SLF001
    specs._one_pair: _and({"minProperties": 1, "maxProperties": 1}),  # noqa: SLF001
    specs._constant: _or(_SCALAR),  # noqa: SLF001
    specs._scalar: _only(_SCALAR),  # noqa: SLF001
    specs._proxy: _and({"pattern": r"\{\{|^[^@]*$"}),  # noqa: SLF001
    specs._connections: _only({"type": "object", "additionalProperties": _CONNECTION}),  # noqa: SLF001
    specs._memory: _and({"pattern": r"^[1-9][0-9]{0,5}(\.[0-9])?\s*(MB|GB|TB|MiB|GiB|TiB)$"}),  # noqa: SLF001
    specs._reference: _and({"pattern": _ENV_VAR}),  # noqa: SLF001
    specs._place: _or_text,  # noqa: SLF001
    specs._schema: _and({"pattern": "^[a-z_][a-z0-9_]{0,39}$"}),  # noqa: SLF001
    specs._beside: _same,  # noqa: SLF001
    specs._incremental: _or({"type": "boolean"}),  # noqa: SLF001
    specs.StateConfig._one_place: _and({"oneOf": _STATES}),  # noqa: SLF001
    notify._secret: _and({"pattern": _ENV_VAR}),  # noqa: SLF001
    notify._ordered: _same,  # noqa: SLF001
    notify._share: _or({"type": "string", "pattern": _SHARE}),  # noqa: SLF001
    policies._rule: _only(_RULE),  # noqa: SLF001
    meta._key: _only(_KEY),  # noqa: SLF001
    meta._to: _or(_TEXT, {"type": "array", "items": _TEXT}),  # noqa: SLF001
    meta._field: _or(_TEXT, {"type": "null"}),  # noqa: SLF001
    meta._label: _or(_TEXT, {"type": "null"}),  # noqa: SLF001
    meta._link: _or({"type": "string", **_NAME}),  # noqa: SLF001
    meta._texts: _one,  # noqa: SLF001
    meta._some: _and({"minLength": 1, "maxLength": meta.MAX_NAME}),  # noqa: SLF001
    meta._entity: _and(_NAME),  # noqa: SLF001
    meta._pii: _or({"type": "boolean"}),  # noqa: SLF001
}
SUBJECT: Schema = {"pattern": r"^(pii|(pii|tag|group):\S(.*\S)?)$"}


class Written(GenerateJsonSchema):
    """Makes schemas of what may be written: no titles, no defaults, descriptions as plain text."""

    def function_before_schema(self, schema: Any) -> Schema:
        """Return what a validator takes that runs first."""
        return self._form(schema)

    def function_after_schema(self, schema: Any) -> Schema:
        """Return what passes a validator that runs last."""
        return self._form(schema)

    def default_schema(self, schema: Any) -> Schema:
        """Leave defaults out: they are told as the code has them, not as they would be written."""
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave titles out: they repeat the key."""
        del schema
        return False

    def _form(self, schema: Any) -> Schema:
        function = schema["function"]["function"]
        form = FORMS.get(getattr(function, "__func__", function)) or FORMS.get(function)
        if form is None and getattr(function, "__name__", "") == "<lambda>":
            form = _and(SUBJECT)
        if isinstance(function, partial):  # bounds of seconds: a text has none
            return self.generate_inner(schema["schema"])
        if form is None:
            raise KeyError(f"how {function} is written stands in no form")
        return form(lambda: self.generate_inner(schema["schema"]))

"""The shape of ``revetl:`` in dbt's meta, as it may be written; nothing in it is ever rendered or evaluated."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from revetl.config.guards import GuardsSpec
from revetl.config.notify import FreshnessSpec
from revetl.config.schema import Strict, as_mapping, wrong
from revetl.config.specs import is_name
from revetl.types import JSON, Hash, OnNull, Write

MAX_NAME = 255  # characters; the longest identifier among warehouses (Snowflake's, docs.snowflake.com)


def _key(value: JSON) -> JSON:
    """Return a key as pairs (name in the entity or "", column)."""
    parts = [value] if isinstance(value, str) else value
    pairs = [("", part) for part in parts] if isinstance(parts, list) else list(as_mapping(parts).items())
    columns = [column for _, column in pairs]
    if not pairs or not all(isinstance(column, str) for column in columns):
        raise wrong("not a key", "write a column, a list of columns, or {name_in_entity: column}")
    if len(set(columns)) < len(columns):
        raise wrong("a key column stands twice", "name each column once")
    return tuple((alias, _some(column)) for alias, column in pairs)


def _to(value: JSON) -> JSON:
    """Return ``to`` as a mapping from a destination, sync or group to its options."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        if not all(isinstance(name, str) for name in value):
            raise wrong("a list of names is wanted", "write [mailchimp, hubspot] or {mailchimp: FIELD}")
        return {name: {} for name in value}
    return value


def _field(value: JSON) -> JSON:
    return {} if value is None else {"field": value} if isinstance(value, str) else value


def _label(value: JSON) -> JSON:
    return {} if value is None else {"label": value} if isinstance(value, str) else value


def _link(value: JSON) -> JSON:
    return {"entity": value} if isinstance(value, str) else value


def _texts(value: JSON) -> JSON:
    return [value] if isinstance(value, str) else value


def _some(value: str) -> str:
    if not value.strip():
        raise wrong("is empty", "write a name, or leave it out")
    if len(value) > MAX_NAME or not value.isprintable():
        raise wrong("is too long or holds control characters", f"write at most {MAX_NAME} printable characters")
    return value


def _entity(value: str) -> str:
    if not is_name(value):
        raise wrong("cannot name an entity", "start with a letter; use letters, digits, _ and -, at most 63")
    return value


def _pii(value: JSON) -> JSON:
    if value is None or value is False:
        return None
    return "true" if value is True else value


Text = Annotated[str, AfterValidator(_some)]


class FieldOptions(Strict):
    """How one column lands in one field; ``field`` is the column's own name where nothing is said."""

    field: Text | None = None
    on_null: OnNull = OnNull.CLEAR
    write: Write = Write.ALWAYS
    was: Text | None = None
    hash: Hash | None = None


class CohortOptions(Strict):
    """How one cohort is shown in one destination."""

    label: Text | None = None


class LinkSpec(Strict):
    """A column that holds another entity's key; ``key``: its columns here, where it is made of several."""

    entity: Annotated[str, AfterValidator(_entity)]
    sync: Text | None = None  # None: the one sync of the destination that carries the entity
    key: Annotated[tuple[Text, ...], BeforeValidator(_texts)] = ()


class ColumnSpec(Strict):
    """``revetl:`` of a column."""

    link: Annotated[LinkSpec | None, BeforeValidator(_link)] = None
    pii: Annotated[Text | None, BeforeValidator(_pii)] = None
    to: Annotated[dict[str, Annotated[FieldOptions, BeforeValidator(_field)]], BeforeValidator(_to)] = Field(
        default_factory=dict
    )


class ItemSpec(Strict):
    """``revetl:`` of a model, or one item of its list. Its ``columns`` are validated one by one."""

    kind: Literal["properties", "cohort"]
    entity: Annotated[str, AfterValidator(_entity)]
    key: Annotated[tuple[tuple[str, str], ...], BeforeValidator(_key)]
    updated_at: Text | None = None
    base: bool = False
    label: Text | None = None
    to: Annotated[dict[str, Annotated[CohortOptions, BeforeValidator(_label)]], BeforeValidator(_to)] = Field(
        default_factory=dict
    )
    guards: GuardsSpec = GuardsSpec()
    freshness: FreshnessSpec | None = None
    was: Text | None = None
    columns: dict[str, Any] = Field(default_factory=dict)

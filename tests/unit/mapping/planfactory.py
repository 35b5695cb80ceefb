"""Small projects, configurations and destinations, made directly from types."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, SecretStr

from revetl.config import Config, load_config
from revetl.contract import Action, Call, CohortStyle, Destination, LinkStyle, Object, Reply, WireFormat
from revetl.mapping import Resolved, build
from revetl.types import Batch, Column, Mode, Node, OnLeave, Op, Outcome, Problem, Project, Relation, RemoteField


class CrmSettings(BaseModel):
    """Settings with a secret and an id."""

    model_config = {"extra": "forbid"}

    api_key: SecretStr
    list_id: str = ""


def _nothing(batch: Batch) -> Generator[Call, Reply, list[Outcome]]:
    del batch
    return []
    yield  # pragma: no cover


_ACTION = Action(_nothing, max_records=100)
TAG = CohortStyle("tag", "a tag", max_label=20, fields=(RemoteField("Status"),))
LIST = CohortStyle("list", "a list")

CRM = Destination(
    name="crm",
    title="Crm",
    settings=CrmSettings,
    objects={
        "contact": Object(
            match=("email_address", "external_id"),
            cohorts={"tag": TAG, "list": LIST},
            on_leave=frozenset({OnLeave.KEEP, OnLeave.ARCHIVE, OnLeave.DELETE}),
            consent={"unsubscribe": CohortStyle("unsubscribe", "no more mail")},
            new_as=("pending",),
            links={"EMPLOYER": LinkStyle("company", "the company of a contact")},
        ),
        "company": Object(match=("domain",), required=("name",), normalise="exact", modes=frozenset({Mode.UPDATE})),
    },
    actions=dict.fromkeys((Op.UPSERT, Op.JOIN, Op.PART, Op.LEAVE), _ACTION),
    wire=WireFormat(),
)
HOOK = Destination(
    name="hook",
    title="Hook",
    settings=BaseModel,
    objects={"row": Object(match=("id",), any_field=True, if_empty=True)},
    actions={Op.UPSERT: _ACTION},
    wire=WireFormat(),
)
REGISTRY = {"crm": CRM, "hook": HOOK}

YML = """
version: 1
destinations:
  crm:
    targets:
      prod: {api_key: "{{ env_var('CRM_KEY') }}"}
    syncs:
      customer: {entity: customer, allow_pii: [email]}
"""


def column(name: str, revetl: Any = None, *, tags: tuple[str, ...] = (), **meta: Any) -> Column:
    """Return a column, with ``revetl:`` meta where given."""
    return Column(name, meta=meta if revetl is None else {"revetl": revetl, **meta}, tags=tags)


def model(name: str, revetl: Any = None, *columns: Column, **more: Any) -> Node:
    """Return a model; ``more`` overrides any attribute."""
    values: dict[str, Any] = {
        "unique_id": f"model.shop.{name}",
        "name": name,
        "resource_type": "model",
        "package": "shop",
        "file": f"models/{name}.sql",
        "patch_file": f"models/{name}.yml",
        "relation": Relation("db", "main", name),
        "materialized": "table",
        "columns": {c.name: c for c in columns},
        "meta": {} if revetl is None else {"revetl": revetl},
    }
    return Node(**(values | more))


def properties(**more: Any) -> dict[str, Any]:
    """Return the meta of a properties model of the entity customer."""
    return {"kind": "properties", "entity": "customer", "key": "customer_id"} | more


def cohort(*to: str, **more: Any) -> dict[str, Any]:
    """Return the meta of a cohort of the entity customer."""
    return {"kind": "cohort", "entity": "customer", "key": "customer_id", "to": list(to)} | more


ID = column("customer_id")
EMAIL = column("email", {"pii": "email", "to": {"crm": "email_address"}})


def customers(*columns: Column, **more: Any) -> Node:
    """Return the base model with its key and e-mail, and further columns."""
    return model("customers", properties(**more), ID, EMAIL, *columns)


def vip(*to: str, name: str = "vip", **more: Any) -> Node:
    """Return a cohort model."""
    return model(name, cohort(*(to or ("crm",)), **more), ID)


def project(*nodes: Node, disabled: tuple[Node, ...] = ()) -> Project:
    """Return a project of these nodes."""
    by_id: Mapping[str, Node] = {node.unique_id: node for node in nodes}
    return Project(
        name="shop",
        dbt_version="1.12.0",
        adapter="duckdb",
        generated_at=datetime(2026, 1, 1, tzinfo=UTC),
        invocation_id="i",
        nodes=by_id,
        disabled={node.unique_id: node for node in disabled},
        checks={},
    )


def config(text: str = YML) -> Config:
    """Return revetl.yml, parsed."""
    return load_config(text, path="revetl.yml")


def syncs_yml(sync: str, *, more: str = "") -> str:
    """Return revetl.yml with one sync crm.customer of these keys (flow style, without braces)."""
    return f"""
version: 1
destinations:
  crm:
    targets: {{prod: sandbox}}
    syncs:
      customer: {{entity: customer, allow_pii: [email]{", " + sync if sync else ""}}}
{more}"""


def resolve(*nodes: Node, yml: str = YML, target: str = "prod", **more: Any) -> Resolved:
    """Return the syncs of these models."""
    disabled = more.pop("disabled", ())
    return build(project(*nodes, disabled=disabled), config(yml), target, REGISTRY, **more)


def only(resolved: Resolved, code: str) -> Problem:
    """Return the only error, which must have this code."""
    assert [problem.code for problem in resolved.errors] == [code], resolved.errors
    return resolved.errors[0]

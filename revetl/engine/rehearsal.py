"""Rehearsals: the stand-ins that take the place of the destinations, and the fields a person would have made there."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson

from revetl.contract import Http, Reply
from revetl.diff.shape import Shape
from revetl.engine.workspace import Workspace
from revetl.errors import ConfigError
from revetl.types import JSON, SyncPlan


@contextmanager
def origins(workspace: Workspace, plans: Sequence[SyncPlan]) -> Iterator[Mapping[str, str]]:
    """Serve the stand-ins that these syncs need, for the block; yield destination type → origin.

    They run in a process of their own and keep what they received in the target's state directory, so that a second
    rehearsal finds what the first one left. ``REVETL_SANDBOX`` names one that is already running instead.
    """
    names = sorted({p.type for p in plans if p.sandbox and workspace.registry[p.type].rehearsal})
    if not names:
        yield {}
        return
    from revetl.sandbox.process import start_process

    running = workspace.options.env.get("REVETL_SANDBOX")
    if running:
        yield {name: f"{running.rstrip('/')}/{name}" for name in names}
    else:
        with start_process(names, workspace.state_dir / "sandbox.json") as server:
            yield {name: server.origin(name) for name in names}


def _mailchimp(plan: SyncPlan, shape: Shape, settings: Any) -> Iterator[Http]:
    kinds = {"DATE": "date", "DECIMAL": "number", "DOUBLE": "number", "INTEGER": "number", "BIGINT": "number"}
    path = f"/lists/{settings.list_id}/merge-fields"
    for slot in shape.slots:
        if slot.field.isupper():
            kind = kinds.get(slot.type.partition("(")[0], "text")
            yield _post(path, {"tag": slot.field, "name": slot.field, "type": kind})
    for constant in plan.constants:
        if constant.field.isupper():
            yield _post(path, {"tag": constant.field, "name": constant.field, "type": "text"})


def _hubspot(plan: SyncPlan, shape: Shape, _: Any) -> Iterator[Http]:
    kinds = {
        "DATE": ("date", "date"), "TIMESTAMP": ("datetime", "date"), "TIMESTAMP WITH TIME ZONE": ("datetime", "date"),
        "BOOLEAN": ("bool", "booleancheckbox"), "DECIMAL": ("number", "number"), "DOUBLE": ("number", "number"),
        "INTEGER": ("number", "number"), "BIGINT": ("number", "number"), "HUGEINT": ("number", "number"),
    }  # fmt: skip
    names = [(s.field, kinds.get(s.type.partition("(")[0], ("string", "text"))) for s in shape.slots]
    names += [(constant.field, ("string", "text")) for constant in plan.constants]
    for name, (kind, widget) in names:
        body: dict[str, JSON] = {"name": name, "label": name, "type": kind, "fieldType": widget}
        body["groupName"] = "contactinformation"
        if name == plan.match_field and name != "email":
            body["hasUniqueValue"] = True
        yield _post(f"/crm/v3/properties/{plan.object}", body)


def _salesforce(plan: SyncPlan, shape: Shape, _: Any) -> Iterator[Http]:
    """Yield a Tooling API call for each custom field; Salesforce's own fields are there."""
    number = {"type": "Number", "precision": 18, "scale": 6}
    whole = {"type": "Number", "precision": 18, "scale": 0}
    kinds: dict[str, dict[str, JSON]] = {
        "DATE": {"type": "Date"}, "TIMESTAMP": {"type": "DateTime"}, "TIMESTAMP WITH TIME ZONE": {"type": "DateTime"},
        "BOOLEAN": {"type": "Checkbox"}, "DECIMAL": number, "DOUBLE": number,
        "INTEGER": whole, "BIGINT": whole, "HUGEINT": whole,
    }  # fmt: skip
    text: dict[str, JSON] = {"type": "Text", "length": 255}
    fields = {constant.field: text for constant in plan.constants}
    fields |= {slot.field: kinds.get(slot.type.partition("(")[0], text) for slot in shape.slots}
    fields[plan.match_field] = {**text, "externalId": True, "unique": True}
    labels = {name: name.removesuffix("__c") for name in fields}
    for cohort in plan.cohorts if plan.cohort_style == "field" else ():
        name = cohort.label if cohort.label.endswith("__c") else f"{re.sub(r'[^A-Za-z0-9]+', '_', cohort.label)}__c"
        fields[name], labels[name] = {"type": "Checkbox"}, cohort.label
    for name, told in fields.items():
        if name.endswith("__c"):
            body = {"FullName": f"{plan.object}.{name}", "Metadata": {**told, "label": labels[name]}}
            yield _post("/tooling/sobjects/CustomField", body)


def _post(path: str, body: Mapping[str, JSON]) -> Http:
    return Http("POST", path, content=orjson.dumps(body))


MAKERS: Mapping[str, Callable[[SyncPlan, Shape, Any], Iterator[Http]]] = {
    "mailchimp": _mailchimp,
    "hubspot": _hubspot,
    "salesforce": _salesforce,
}


def make_fields(
    plan: SyncPlan, shape: Shape, settings: Any, known: Sequence[str]
) -> Generator[Http, Reply, Sequence[str]]:
    """Create the mapped fields that the stand-in lacks, as a person would in the tool; return their names."""
    made = []
    for call in MAKERS[plan.type](plan, shape, settings) if plan.type in MAKERS else ():
        body = orjson.loads(call.content or b"{}")
        name = body.get("tag") or body.get("name") or str(body["FullName"]).partition(".")[2]
        if name not in known:
            reply = yield call
            if not reply.ok:
                raise ConfigError(
                    "RVT-432",
                    f"{plan.name}: the stand-in does not take the field {name}: {reply.content[:200].decode()}",
                    kept="nothing was sent",
                    hint="the tool itself would refuse this name or type too",
                )
            made.append(name)
    return made

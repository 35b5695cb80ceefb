"""What can be said of each model by itself: whether it can be read, which columns it has, what looks personal."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from revetl.config.schema import did_you_mean
from revetl.mapping.complaints import Complaints
from revetl.mapping.entities import Users
from revetl.mapping.items import Item, Mapped
from revetl.types import Column

Catalog = Mapping[str, Collection[str]]  # unique id → column names, as catalog.json or the warehouse says

# What columns of personal data are called, in snake case; the first kind that fits is proposed.
_LOOKS = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("email", r"(^|_)e_?mails?($|_)|(^|_)email_?addr"),
        ("phone", r"(^|_)(tele)?phones?($|_)|(^|_)(mobile|cell)(_?(number|no))?$|(^|_)fax($|_)|(^|_)msisdn"),
        ("name", r"(^|_)(first|last|full|given|family|middle|maiden|sur)_?names?($|_)"),
        ("birth", r"(^|_)birth(_?(day|date))?($|_)|(^|_)dob($|_)"),
        ("national_id", r"(^|_)(ssn|sin|nino|passport|national_?id|tax_?id|social_security)($|_)"),
        ("ip", r"(^|_)ip(_?addr(ess)?)?$"),
        ("address", r"(^|_)(street|address(_?line)?(_?[12])?|post_?code|postal_?code|zip_?code)$"),
        ("payment", r"(^|_)(iban|card_?number|credit_?card|bank_?account)($|_)"),
    )
)
_TAGS = frozenset({"pii", "personal", "personal_data", "sensitive", "gdpr"})


def check_models(items: Iterable[Item], users: Users, catalog: Catalog, say: Complaints) -> None:
    """Say what is wrong with each model, whatever the syncs do with it."""
    for item in items:
        _readable(item, users, say)
        _columns(item, users, catalog, say)
        _personal(item, users, say)


def _readable(item: Item, users: Users, say: Complaints) -> None:
    node, syncs = item.node, users(item)
    if not item.enabled:
        remedy = "enable it, or remove its `revetl:` meta"
        say.error("RVT-308", f"model '{item.name}' is disabled", remedy, syncs=syncs, node=node)
    elif node.relation is None or node.materialized == "ephemeral":
        remedy = "materialize it as a view or table: an ephemeral model does not exist in the warehouse"
        say.error("RVT-308", f"model '{item.name}' is ephemeral", remedy, syncs=syncs, node=node)
    if node.resource_type == "snapshot" and node.config.get("dbt_valid_to_current") is not None:
        what = f"snapshot '{item.name}' marks current rows by dbt_valid_to_current, which is not there yet"
        say.error("RVT-390", what, "put a model that selects the current rows over it", syncs=syncs, node=node)
    if node.resource_type == "source":
        remedy = "put a staging model with tests over it"
        say.warning("RVT-340", f"source '{item.name}' is sent as it is, untested", remedy, syncs=syncs, node=node)


def _wanted(item: Item) -> Iterator[tuple[str, str]]:
    """Yield each column that the model must have, with what it is for; the first use names it."""
    for column in item.key_columns:
        yield column, "key column"
    if item.spec.updated_at:
        yield item.spec.updated_at, "updated_at column"
    for mapped in item.columns:
        for name in (mapped.name, *mapped.names):
            yield name, "column"


def _columns(item: Item, users: Users, catalog: Catalog, say: Complaints) -> None:
    """Say which columns are not there, by the best evidence at hand: the catalog, a contract, else the YAML."""
    node = item.node
    known = catalog.get(node.unique_id)
    sure = known is not None or node.contract
    names = known if known is not None else tuple(node.columns)
    folded = {name.casefold() for name in names}
    for column, use in dict(reversed(list(_wanted(item)))).items():
        if column.casefold() in folded:
            continue
        near = did_you_mean(column, names)
        if sure:
            evidence = "manifest" if known is None else "catalog"
            message = f"{use} '{column}' is not in model '{item.name}'"
            say.error("RVT-303", message, near, syncs=users(item), node=node, column=column, evidence=evidence)
        elif use != "column" or names:
            remedy = near if near.startswith("did") else f"describe '{column}' under the model's columns"
            message = f"{use} '{column}' of model '{item.name}' is not described in YAML"
            say.warning("RVT-342", message, remedy, syncs=users(item), node=node, column=column)


def looks_like(name: str, column: Column | None) -> str | None:
    """Return what kind of personal data a column looks like, by its name, dbt tags and meta; None: like none."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[:128]).lower()
    for kind, pattern in _LOOKS:
        if pattern.search(snake):
            return kind
    if column is None:
        return None
    tagged = {tag.lower() for tag in column.tags} | {key.lower() for key, value in column.meta.items() if value}
    return "true" if any(word in _TAGS or word.startswith(("pii", "contains_pii")) for word in tagged) else None


def _personal(item: Item, users: Users, say: Complaints) -> None:
    """Warn of columns that leave, or stand in the ledger as keys, look personal and carry no tag."""
    for mapped in item.columns:
        if mapped.tagged_in is not None and _leaves(mapped):
            message = f"column '{mapped.name}' is personal ({mapped.pii}) in '{mapped.tagged_in}', and has no tag here"
            remedy = f"tag it: {{pii: {mapped.pii}}}; until then it is treated as such. Or write `pii: false`"
            say.warning("RVT-343", message, remedy, syncs=users(item), node=item.node, column=mapped.name)
    tagged = {mapped.name for mapped in item.columns if mapped.pii}
    leaving = [mapped.name for mapped in item.columns if _leaves(mapped)]
    for name in dict.fromkeys((*leaving, *item.key_columns)):
        kind = None if name in tagged else looks_like(name, item.node.columns.get(name))
        if kind is not None:
            message = f"column '{name}' looks like personal data ({kind if kind != 'true' else 'tagged in dbt'})"
            say.warning("RVT-341", message, f"tag it: {{pii: {kind}}}", syncs=users(item), node=item.node, column=name)


def _leaves(mapped: Mapped) -> bool:
    return bool(mapped.to)

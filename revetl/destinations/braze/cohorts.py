"""Cohorts as custom attributes that are true or false, and consent as email_subscribe."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from revetl.contract import Context, Exchange, Reply, Settled
from revetl.destinations.braze import api, read, users
from revetl.errors import DestinationError
from revetl.types import JSON, Batch, Mode


def prepare(context: Context) -> Generator[Any, Any, dict[str, JSON]]:
    """Name the attribute of each cohort; return ``{"cohorts": {model name: attribute}}``.

    There is nothing to make: it comes into being with its first member. A new label goes on with the attribute of old.

    Raises:
        DestinationError: RVT-651, Braze does not show its attributes; RVT-652, an attribute is of another kind.
    """
    if not context.cohorts:
        return {"cohorts": {}}
    known = yield from read.attributes()
    found: dict[str, str] = {}
    for name, label in context.cohorts:
        attribute = context.ids.get(name) or label
        _must_fit(attribute, known)
        if attribute in known or context.create:
            found[name] = attribute
    return {"cohorts": found}


def _must_fit(attribute: str, known: dict[str, tuple[str, bool]]) -> None:
    kind, writable = known.get(attribute, ("boolean", True))
    if attribute in read.STANDARD or attribute.startswith("$"):
        what = f"{attribute!r} is a name that Braze keeps for itself"
    elif kind not in ("boolean", "any") or not writable:
        how = kind if writable else "blocklisted"
        what = f"the attribute {attribute!r} in Braze is {how}, and no cohort can land there"
    else:
        return
    raise DestinationError("RVT-652", what, hint="give the cohort another `label`")


def join(batch: Batch) -> Exchange:
    """Set the attribute. In mode ``update`` users are looked for first, for Braze is silent about who is not there."""
    if batch.cohort is not None and batch.cohort.style == "unsubscribe":
        out: dict[str, JSON] = {"email_subscribe": "unsubscribed"}
        return (yield from users.track(batch, batch.changes, lambda _: out, make=False))
    changes = list(batch.changes)
    if changes and batch.mode is Mode.UPDATE:
        found = yield from api.find(c.match for c in changes)
        if isinstance(found, Reply):
            return api.refuse_all(found, changes)
        gone = [c for c in changes if c.match not in found]
        if gone:
            yield Settled(tuple(users.not_there(c) for c in gone))
        changes = [c for c in changes if c.match in found]
    told: dict[str, JSON] = {_attribute(batch): True}
    return (yield from users.track(batch, changes, lambda _: told, make=batch.mode is not Mode.UPDATE))


def part(batch: Batch) -> Exchange:
    """Set the attribute to false; who is not there stays away."""
    told: dict[str, JSON] = {_attribute(batch): False} if batch.changes else {}
    return (yield from users.track(batch, batch.changes, lambda _: told, make=False))


def _attribute(batch: Batch) -> str:
    if batch.cohort is None:
        raise ValueError("JOIN and PART name a cohort")
    return str(batch.prepared["cohorts"][batch.cohort.name])

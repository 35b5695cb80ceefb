"""What a destination believes about one key: the delivered flows of a sync, folded in their order. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from revetl.engine.sealing import hidden
from revetl.state.erasing import ERASE
from revetl.state.flowlog import Flow
from revetl.types import JSON, Op

_HMAC = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class FieldBelief:
    """One field's value there, and the flow that brought it. ``hidden``: personal, only its HMAC is known."""

    field: str
    value: JSON
    since: datetime
    run: str
    seq: int
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Membership:
    """One stay in a cohort there, as the destination acknowledged it; ``until`` None: still a member."""

    cohort: str
    since: datetime
    run: str
    seq: int
    until: datetime | None = None
    until_run: str | None = None


@dataclass(frozen=True)
class Belief:
    """What stands there of one key. ``left`` is when it left the model, though its record may have been kept."""

    there: bool = False
    since: datetime | None = None
    identity: str | None = None  # as the ledger keeps it
    fields: Mapping[str, FieldBelief] = field(default_factory=dict)
    memberships: tuple[Membership, ...] = ()
    left: datetime | None = None
    made_by: frozenset[int] = frozenset()  # sequence numbers of the flows that made it so

    @property
    def cohorts(self) -> tuple[str, ...]:
        """Return the cohorts it is a member of."""
        return tuple(sorted(stay.cohort for stay in self.memberships if stay.until is None))


def fold(flows: Iterable[Flow], match_field: str | None = None) -> Belief:
    """Return what the flows of one key, oldest first, came to; what was not delivered changes nothing."""
    belief = Belief()
    for flow in flows:
        if flow.outcome == "delivered":
            belief = _delivered(belief, flow, match_field)
        elif flow.outcome == "local":
            belief = _local(belief, flow)
    return replace(belief, made_by=_makers(belief))


def _delivered(belief: Belief, flow: Flow, match_field: str | None) -> Belief:
    identity = flow.identity or belief.identity
    if flow.op == Op.JOIN:
        return replace(_present(belief, flow), identity=identity, memberships=_joined(belief, flow))
    if flow.op == Op.PART:
        return replace(belief, memberships=_parted(belief, flow))
    if flow.op in {Op.LEAVE, ERASE}:
        return _gone(belief, flow)
    found = dict(belief.fields)
    if flow.op == Op.IDENTITY and match_field is not None:
        found[match_field] = _value(match_field, _identity(flow.identity), flow)
    for name, value in (flow.values or {}).items():
        found[name] = _value(name, value, flow)
    return replace(_present(belief, flow), identity=identity, fields=found)


def _present(belief: Belief, flow: Flow) -> Belief:
    return replace(belief, there=True, left=None, since=belief.since if belief.there else flow.time)


def _local(belief: Belief, flow: Flow) -> Belief:
    """Apply what was settled without a call: a record that is kept there, or handed over to another key."""
    if flow.op == Op.LEAVE:
        return replace(belief, left=flow.time)
    return replace(belief, memberships=_parted(belief, flow)) if flow.op == Op.PART else belief


def _gone(belief: Belief, flow: Flow) -> Belief:
    """Apply a leave that was sent: with values it cleared them and the record stays, else the record is gone."""
    if flow.values:
        cleared = {name: _value(name, value, flow) for name, value in flow.values.items()}
        return replace(belief, fields={**belief.fields, **cleared}, left=flow.time)
    return Belief(left=flow.time, identity=belief.identity, memberships=_ended(belief, flow))


def _joined(belief: Belief, flow: Flow) -> tuple[Membership, ...]:
    if flow.cohort in belief.cohorts:
        return belief.memberships
    return (*belief.memberships, Membership(flow.cohort or "", flow.time, flow.run, flow.seq))


def _parted(belief: Belief, flow: Flow) -> tuple[Membership, ...]:
    return _ended(belief, flow, flow.cohort)


def _ended(belief: Belief, flow: Flow, cohort: str | None = None) -> tuple[Membership, ...]:
    return tuple(
        replace(stay, until=flow.time, until_run=flow.run)
        if stay.until is None and cohort in {None, stay.cohort}
        else stay
        for stay in belief.memberships
    )


def _value(name: str, value: JSON, flow: Flow) -> FieldBelief:
    return FieldBelief(name, value, flow.time, flow.run, flow.seq, hidden(value))


def _identity(kept: str | None) -> JSON:
    return {"hmac": kept} if kept is not None and _HMAC.match(kept) else kept


def _makers(belief: Belief) -> frozenset[int]:
    stays = (stay.seq for stay in belief.memberships if stay.until is None)
    return frozenset((*(found.seq for found in belief.fields.values()), *stays))

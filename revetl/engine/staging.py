"""How the changes of a sync become outbox rows: the body by encode, the record by the ledger's rules, in one SELECT."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from revetl.contract import Destination
from revetl.diff import changes as diff_changes
from revetl.diff.shape import STATE, Shape, Slot
from revetl.encode import Encoding, Part, Unencodable, clear_sql, constant_json, encode, object_sql, refusing
from revetl.errors import ConfigError
from revetl.sqltext import quote_text
from revetl.state.outbox import Stage
from revetl.types import OnLeave, RemoteField, SyncPlan, Write

# a constant is written with every change, with a record's creation, or as long as its first write is in doubt
_WHEN = {Write.CREATE: "NOT x.known AND x.remote_id IS NULL", Write.IF_EMPTY: "(NOT x.known OR x.pend OR x.over)"}
BLOCK = 64  # bytes of a SHA-256 block: RFC 2104


@dataclass(frozen=True, slots=True)
class Masking:
    """How the ledger keeps values: ``values`` hash | clear | encrypted, and the key of its HMAC."""

    values: str
    key: bytes

    def hidden(self, slot: Slot) -> bool:
        """Return whether this field's values are kept as HMAC only."""
        return self.values != "clear" and slot.pii is not None

    def shown(self, slot: Slot, value: str, alias: str) -> str:
        """Return SQL of what stands in the ledger for a hidden value; a null is no secret."""
        hidden = f"'{{\"hmac\":\"' || {self.hmac(value)} || '\"}}'"
        return f"CASE WHEN {alias}.f{slot.ordinal} IS NULL THEN 'null' ELSE {hidden} END"

    def hmac(self, text: str) -> str:
        """Return SQL of the hex HMAC-SHA256 (RFC 2104) of a text expression: DuckDB has sha256, not hmac."""
        key = hashlib.sha256(self.key).digest() if len(self.key) > BLOCK else self.key
        key = key.ljust(BLOCK, b"\0")
        inner = bytes(b ^ 0x36 for b in key).hex()
        outer = bytes(b ^ 0x5C for b in key).hex()
        return f"sha256(from_hex('{outer}') || from_hex(sha256(from_hex('{inner}') || encode({text}))))"


def encodings(
    plan: SyncPlan, shape: Shape, destination: Destination, remote: Mapping[str, RemoteField]
) -> Mapping[int, Encoding]:
    """Return how each slot's value is spelt there.

    Raises:
        ConfigError: RVT-422, a column's type can never be carried.
    """
    found: dict[int, Encoding] = {}
    for slot in (*shape.slots, *shape.memberships):
        try:
            encoding = encode(slot.type, remote.get(slot.field), destination.wire, timezone=plan.timezone)
        except Unencodable as error:
            raise ConfigError(
                "RVT-422",
                f"{plan.name}: {slot.property} ({slot.type}) cannot go to {slot.field}: {error}",
                kept="nothing of this sync was sent",
                hint="cast the column in the model, or remove the mapping"
                + ("; a time zone can be named by `timezone:` in revetl.yml" if "TIMESTAMP" in slot.type else ""),
            ) from None
        if slot.hash is not None:
            encoding = refusing(encoding, slot.hash, slot.pii)
        found[slot.ordinal] = encoding.over(f"{'x' if slot.cohort is None else 'y'}.f{slot.ordinal}")
    return found


def refusal(shape: Shape, spelt: Mapping[int, Encoding]) -> str:
    """Return SQL of the reason why a delta row cannot be carried exactly, null if it can."""
    reasons = [
        f"CASE WHEN {diff_changes.sends(slot, shape)} AND x.f{slot.ordinal} IS NOT NULL "
        f"THEN {quote_text(slot.field + ': ')} || ({encoding.refusal}) END"
        for slot in shape.slots
        if (encoding := spelt[slot.ordinal]).refusal is not None
    ]
    return f"coalesce({', '.join(reasons)}, NULL)" if reasons else "CAST(NULL AS VARCHAR)"


def member_refusal(shape: Shape, spelt: Mapping[int, Encoding]) -> str | None:
    """Return SQL of the reason why a membership ``y`` cannot be carried exactly; None where all can."""
    reasons = [
        f"CASE WHEN {diff_changes.sends_member(slot)} AND y.f{slot.ordinal} IS NOT NULL "
        f"THEN {quote_text(slot.field + ': ')} || ({encoding.refusal}) END"
        for slot in shape.memberships
        if (encoding := spelt[slot.ordinal]).refusal is not None
    ]
    return f"coalesce({', '.join(reasons)}, NULL)" if reasons else None


def _member_parts(
    shape: Shape, destination: Destination, spelt: Mapping[int, Encoding], mask: Masking | None
) -> list[Part]:
    parts = []
    for slot in shape.memberships:
        value = f"coalesce({spelt[slot.ordinal].value}, {clear_sql(destination.wire)})"
        if mask is not None and mask.hidden(slot):
            value = mask.shown(slot, value, "y")
        parts.append(Part(slot.field, value, diff_changes.sends_member(slot)))
    return parts


def _upsert_parts(
    plan: SyncPlan, shape: Shape, destination: Destination, spelt: Mapping[int, Encoding], mask: Masking | None
) -> list[Part]:
    parts = []
    for slot in shape.slots:
        if slot.link is not None and mask is None:
            continue  # it travels beside the body, see _links
        value = f"coalesce({spelt[slot.ordinal].value}, {clear_sql(destination.wire)})"
        if slot.link is not None:
            value = f"coalesce({spelt[slot.ordinal].value}, 'null')"
        if mask is not None and mask.hidden(slot):
            value = mask.shown(slot, value, "x")
        parts.append(Part(slot.field, value, diff_changes.sends(slot, shape)))
    whole = None if shape.partial else "NOT x.rest"
    for constant in plan.constants:
        when = _WHEN.get(constant.write, whole)
        parts.append(Part(constant.field, quote_text(constant_json(constant.value)), when))
    return parts


def _leave_parts(plan: SyncPlan, shape: Shape, destination: Destination, *, links: bool = False) -> list[Part]:
    clear = clear_sql(destination.wire)
    return [
        Part(slot.field, clear if slot.link is None else "'null'", f"x.b{slot.ordinal} IS NOT NULL")
        for slot in _ended(plan, shape)
        if links or slot.link is None
    ]


def _ended(plan: SyncPlan, shape: Shape) -> Iterator[Slot]:
    """Yield what is cleared of a record that leaves; its identity, by which it is found, never is."""
    for slot in shape.slots:
        if plan.on_leave is OnLeave.CLEAR and slot.ordinal != shape.match_slot and (slot.pii or not plan.drops):
            yield slot


def _link_part(slot: Slot, when: str) -> Part:
    """Return a link as ``Change.links`` has it: the id now, the one before, those that lost requests may have set."""
    n = slot.ordinal
    doubts = (
        f"to_json(list_filter(list_transform(list_filter(x.linked, lambda p: p.n = {n}), lambda p: p.id), "
        f"lambda i: i IS DISTINCT FROM x.f{n} AND i IS DISTINCT FROM x.b{n}))"
    )
    one, other = (f"coalesce(CAST(to_json(x.{column}) AS VARCHAR), 'null')" for column in (f"f{n}", f"b{n}"))
    value = f"'{{\"id\":' || {one} || ',\"before\":' || {other} || ',\"doubts\":' || {doubts} || '}}'"
    return Part(slot.field, value, when)


def _links(plan: SyncPlan, shape: Shape) -> str:
    """Return SQL of the links that a change carries, null for none."""
    if not shape.links:
        return "NULL"
    upsert = object_sql([_link_part(slot, diff_changes.sends(slot, shape)) for slot in shape.links])
    leave = "NULL"
    ended = [_link_part(slot, f"x.b{slot.ordinal} IS NOT NULL") for slot in _ended(plan, shape) if slot.link]
    if ended:
        leave = object_sql(ended)
    return f"nullif(CASE c.op WHEN 'upsert' THEN {upsert} WHEN 'leave' THEN {leave} END, '{{}}')"


def _found(shape: Shape, run: str) -> tuple[str, str]:
    """Return what replaces columns of delta row ``x``, and the joins for it: ids of linked records made in this run."""
    learnt = (
        f"SELECT o.sync, o.key, any_value(n.remote_id) AS remote_id FROM {STATE}.remote_new n "
        f"JOIN {STATE}.outbox o ON o.run = n.run AND o.seq = n.seq WHERE n.run = {quote_text(run)} GROUP BY ALL"
    )
    columns = ", ".join(f"coalesce(l{n}.remote_id, x.f{n}) AS f{n}" for n in shape.linked)
    joins = " ".join(
        f"LEFT JOIN ({learnt}) l{slot.ordinal} ON l{slot.ordinal}.sync = {quote_text(slot.link.sync)} "
        f"AND l{slot.ordinal}.key = x.w{slot.ordinal}"
        for slot in shape.links
        if slot.link is not None
    )
    return (f" REPLACE ({columns})" if columns else ""), joins


def _texts(
    plan: SyncPlan, shape: Shape, destination: Destination, spelt: Mapping[int, Encoding], mask: Masking
) -> tuple[str, str]:
    """Return SQL of a change's body, and of its record where the ledger keeps another text (null: the same)."""

    def of(masked: Masking | None) -> str:
        upsert = object_sql(_upsert_parts(plan, shape, destination, spelt, masked))
        leave = object_sql(_leave_parts(plan, shape, destination, links=masked is not None))
        join = object_sql(_member_parts(shape, destination, spelt, masked))
        join = f"WHEN 'join' THEN {join} " if shape.memberships else ""
        return f"CASE c.op WHEN 'upsert' THEN {upsert} WHEN 'leave' THEN {leave} {join}ELSE '{{}}' END"

    if not shape.links and not any(mask.hidden(slot) for slot in (*shape.slots, *shape.memberships)):
        return of(None), "NULL"
    return of(None), f"CASE WHEN c.op IN ('upsert', 'leave', 'join') THEN {of(mask)} END"


def stage_of(
    plan: SyncPlan,
    shape: Shape,
    destination: Destination,
    spelt: Mapping[int, Encoding],
    run: str,
    mask: Masking,
    span: tuple[int, int],
    *,
    refused: bool,
) -> Stage:
    """Return the statements that put the numbered changes of a sync into the outbox, chunk by chunk.

    ``refused``: some have a verdict already.
    """
    body, record = _texts(plan, shape, destination, spelt, mask)
    some = "WHERE seq BETWEEN {lo} AND {hi}"
    chunk = f"FROM {shape.temp('ready')} {some}"
    name, ms = quote_text(plan.name), ", ".join((*shape.ks, *shape.ms))
    values, after = ", ".join((*shape.ks, *shape.fs)), shape.table("after")
    joins = f"; INSERT INTO {after} (seq, {ms}) SELECT seq, {ms} {chunk} AND op = 'join'" if shape.memberships else ""
    refusal = _literal(f"INSERT INTO {STATE}.exceptions SELECT {quote_text(run)}, seq, verdict, code, reason, ")
    verdicts = f"{refusal}TIMESTAMPTZ '{{now}}', NULL, NULL {chunk} AND verdict IS NOT NULL"
    return Stage(
        sync=plan.name,
        lo=span[0],
        hi=span[1],
        ready=_ready(plan, shape, run, body, record),
        done=f"DROP TABLE {shape.temp('ready')}",
        outbox=_literal(
            f"INSERT INTO {STATE}.outbox SELECT {quote_text(run)}, seq, {name}, key, op, cohort, cause, m, i, bm, bi, "
            "remote_id, created, local, digest, body, record, links, okay "
        )
        + chunk,
        after=f"INSERT INTO {after} (seq, m, {values}) SELECT seq, after_m, {values} {chunk} AND op = 'upsert'{joins}",
        verdicts=verdicts if refused else None,
    )


def _ready(plan: SyncPlan, shape: Shape, run: str, body: str, record: str) -> str:
    """Return the statement that makes all that the outbox keeps of some changes, in sending order.

    A chunk then reads its own rows and not the whole delta, and what is long to plan is planned once for many chunks.
    """
    local, (columns, joins) = _local(shape), _found(shape, run)
    sent = f"c.verdict IS NULL AND ({local}) IS NULL"
    told = "key", "op", "cohort", "cause", "m", "i", "bm", "bi", "remote_id", "created", "digest", "verdict", "code"
    names = [f"c.{column}" for column in ("seq", *shape.ks, *told, "reason")]
    names += [f"x.{f}" for f in shape.fs] + [f"y.{m}" for m in shape.ms]
    okay = "CASE WHEN c.op = 'upsert' THEN x.okay END" if shape.consent is not None else "NULL"
    made = {"body": body, "record": record, "links": _links(plan, shape)}
    members = (
        f"LEFT JOIN {shape.temp('mchg')} y ON {shape.key_text('y')} = c.key AND y.cohort = c.cohort AND c.op = 'join' "
    )
    return (
        _literal(
            f"CREATE OR REPLACE TEMP TABLE ready_{shape.id} AS SELECT {', '.join(names)}, x.m AS after_m, "
            f"{local} AS local, {', '.join(f'CASE WHEN {sent} THEN {sql} END AS {key}' for key, sql in made.items())}, "
            f"{okay} AS okay FROM (FROM {shape.temp('changes')} "
        )
        + "WHERE seq BETWEEN {lo} AND {hi}"
        + _literal(
            f") c LEFT JOIN (SELECT x.*{columns} FROM {shape.temp('delta')} x {joins}) x "
            "ON x.key = c.key AND c.op IN ('upsert', 'leave') "
            f"{members if shape.memberships else ''}ORDER BY c.seq"
        )
    )


def _local(shape: Shape) -> str:
    """Return SQL of why a change needs no call; one that hoped for links alone needs none where none came about."""
    if not shape.links:
        return "c.local"
    linked = " OR ".join(diff_changes.sends(slot, shape) for slot in shape.links)
    return f"CASE WHEN c.hope AND NOT ({linked}) THEN 'quiet' ELSE c.local END"


def _literal(text: str) -> str:
    """Return text in which only our own placeholders will be formatted."""
    return text.replace("{", "{{").replace("}", "}}")

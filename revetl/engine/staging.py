"""How the changes of a sync become outbox rows: the body by encode, the record by the ledger's rules, in one SELECT."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from revetl.contract import Destination
from revetl.diff import changes as diff_changes
from revetl.diff.shape import STATE, Shape, Slot
from revetl.encode import Encoding, Part, Unencodable, clear_sql, constant_json, encode, object_sql
from revetl.errors import ConfigError
from revetl.sqltext import quote_text
from revetl.state.outbox import Stage
from revetl.types import OnLeave, RemoteField, SyncPlan, Write

BLOCK = 64  # bytes of a SHA-256 block: RFC 2104


@dataclass(frozen=True, slots=True)
class Masking:
    """How the ledger keeps values: ``values`` hash | clear, and the key of its HMAC."""

    values: str
    key: bytes

    def hidden(self, slot: Slot) -> bool:
        """Return whether this field's values are kept as HMAC only."""
        return self.values == "hash" and slot.pii is not None

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
    for slot in shape.slots:
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
        found[slot.ordinal] = encoding.over(f"x.f{slot.ordinal}")
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


def _upsert_parts(
    plan: SyncPlan, shape: Shape, destination: Destination, spelt: Mapping[int, Encoding], mask: Masking | None
) -> list[Part]:
    parts = []
    for slot in shape.slots:
        value = f"coalesce({spelt[slot.ordinal].value}, {clear_sql(destination.wire)})"
        if mask is not None and mask.hidden(slot):
            hidden = f"'{{\"hmac\":\"' || {mask.hmac(value)} || '\"}}'"
            value = f"CASE WHEN x.f{slot.ordinal} IS NULL THEN 'null' ELSE {hidden} END"
        parts.append(Part(slot.field, value, diff_changes.sends(slot, shape)))
    for constant in plan.constants:
        when = "NOT x.known AND x.remote_id IS NULL" if constant.write is Write.CREATE else None
        parts.append(Part(constant.field, quote_text(constant_json(constant.value)), when))
    return parts


def _leave_parts(plan: SyncPlan, shape: Shape, destination: Destination) -> list[Part]:
    if plan.on_leave is not OnLeave.CLEAR:
        return []
    clear = clear_sql(destination.wire)
    return [
        Part(slot.field, clear, f"x.b{slot.ordinal} IS NOT NULL")
        for slot in shape.slots
        if slot.ordinal != shape.match_slot
    ]


def stage_of(
    plan: SyncPlan,
    shape: Shape,
    destination: Destination,
    spelt: Mapping[int, Encoding],
    run: str,
    mask: Masking,
    span: tuple[int, int],
) -> Stage:
    """Return the statements that put the numbered changes of a sync into the outbox, chunk by chunk."""
    upsert = object_sql(_upsert_parts(plan, shape, destination, spelt, None))
    leave = object_sql(_leave_parts(plan, shape, destination))
    body = f"CASE c.op WHEN 'upsert' THEN {upsert} WHEN 'leave' THEN {leave} ELSE '{{}}' END"
    record = "NULL"
    if any(mask.hidden(slot) for slot in shape.slots):
        record = f"CASE c.op WHEN 'upsert' THEN {object_sql(_upsert_parts(plan, shape, destination, spelt, mask))} END"
    some = "WHERE seq BETWEEN {lo} AND {hi}"
    chunk = f"FROM (FROM {shape.temp('changes')} {some}) c LEFT JOIN (FROM {shape.temp('ready')} {some}) x USING (seq)"
    name, ks = quote_text(plan.name), ", ".join(shape.ks)
    sent = "c.verdict IS NULL AND c.local IS NULL"
    columns = ", ".join((ks, "m", *shape.fs))
    return Stage(
        sync=plan.name,
        lo=span[0],
        hi=span[1],
        # in sending order, so that a chunk reads its own rows and not the whole delta
        ready=f"CREATE OR REPLACE TEMP TABLE ready_{shape.id} AS SELECT c.seq, x.* FROM {shape.temp('changes')} c "
        f"JOIN {shape.temp('delta')} x ON x.key = c.key WHERE c.op IN ('upsert', 'leave') ORDER BY c.seq",
        done=f"DROP TABLE {shape.temp('ready')}",
        outbox=_literal(
            f"INSERT INTO {STATE}.outbox SELECT {quote_text(run)}, c.seq, {name}, c.key, c.op, c.cohort, c.cause, c.m, "
            f"c.i, c.bm, c.bi, c.remote_id, c.created, c.local, c.digest, CASE WHEN {sent} THEN {body} END, "
            f"CASE WHEN {sent} THEN {record} END "
        )
        + chunk,
        after=_literal(
            f"INSERT INTO {shape.table('after')} (seq, {columns}) SELECT c.seq, "
            f"{', '.join(f'x.{name}' for name in (*shape.ks, 'm', *shape.fs))} "
        )
        + chunk
        + " WHERE c.op = 'upsert'",
        verdicts=_literal(
            f"INSERT INTO {STATE}.exceptions SELECT {quote_text(run)}, c.seq, c.verdict, c.code, c.reason, now(), "
            f"NULL, NULL FROM {shape.temp('changes')} c "
        )
        + some
        + " AND c.verdict IS NOT NULL",
    )


def _literal(text: str) -> str:
    """Return text in which only our own placeholders will be formatted."""
    return text.replace("{", "{{").replace("}", "}}")

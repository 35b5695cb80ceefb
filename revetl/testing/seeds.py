"""Changes, batches and values to test destinations with: the same ones for the same arguments, always."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from revetl.contract import WireFormat
from revetl.types import EMPTY, JSON, Batch, Change, Cohort, Op, RemoteField

# One text of each kind that has broken a connector somewhere: accents, astral plane, right to left, markup, quotes.
TEXTS = ("Žofie Nováková", "emoji 🧺 and \U0001d49e", "שלום", '<b>&amp;</b> "quoted"', "line\nbreak", "=1+1", "O'Brien")


def change(seq: int, op: Op = Op.UPSERT, *, match: str = "", fields: Mapping[str, JSON] = EMPTY, **more: Any) -> Change:
    """Return change ``seq`` of the sync ``test.customer``; its key is ``["c-<seq>"]`` and its address made from it."""
    match = match or f"c{seq}@example.org"
    if more.get("before_match") is not None:
        more.setdefault("before_identity", more["before_match"].strip().lower())
    more.setdefault("key", f'["c-{seq}"]')
    more.setdefault("identity", match.strip().lower())
    return Change(seq=seq, sync="test.customer", op=op, match=match, body=orjson.dumps(dict(fields)), **more)


def batch(changes: Sequence[Change], settings: Any, op: Op | None = None, **more: Any) -> Batch:
    """Return ``changes`` as a batch of their operation; JOIN and PART get the cohort ``vip``, ``High Value``."""
    op = op or changes[0].op
    if op in (Op.JOIN, Op.PART):
        more.setdefault("cohort", Cohort("vip", "High Value", "test"))
    return Batch(sync="test.customer", op=op, changes=changes, settings=settings, **more)


def value(field: RemoteField, wire: WireFormat, seed: int) -> JSON:
    """Return a wire value that fits ``field``; another one for each neighbouring ``seed``."""
    if field.options:
        return field.options[seed % len(field.options)]
    match field.type:
        case "integer" | "number":
            number = seed + 7 if field.type == "integer" else seed + 12.5
            return str(number) if wire.number == "text" else number
        case "boolean":
            return ("false", "true")[seed % 2] if wire.boolean == "text" else bool(seed % 2)
        case "date" | "timestamp":
            return _moment(field.type, wire, seed)
        case _:
            return f"{TEXTS[seed % len(TEXTS)]} {seed}"


def _moment(kind: str, wire: WireFormat, seed: int) -> JSON:
    if (wire.date if kind == "date" else wire.timestamp) == "epoch_s":
        return 1_709_200_800 + 60 * seed
    return f"2024-02-{seed % 29 + 1:02d}" if kind == "date" else f"2024-02-29T10:{seed % 60:02d}:00Z"

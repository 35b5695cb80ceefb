"""Refusals in Customer.io's words: each API has an envelope of its own."""

from __future__ import annotations

from revetl.sandbox.wire import RefusedError
from revetl.types import JSON


def bad(words: str, status: int = 400) -> RefusedError:
    """Return the refusal of a whole call of the Track API, version 1, or of the App API."""
    return RefusedError(status, {"meta": {"errors": [words]}})


def malformed(reason: str, field: str, message: str) -> RefusedError:
    """Return the refusal of a whole batch."""
    return RefusedError(400, {"errors": [{"reason": reason, "field": field, "message": message}]})


def wrong(index: int, reason: str, field: str, message: str) -> dict[str, JSON]:
    """Return the error of one operation of a batch."""
    return {"batch_index": index, "reason": reason, "field": field, "message": message}

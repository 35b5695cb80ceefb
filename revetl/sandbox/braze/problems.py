"""Refusals in Braze's words: a sentence, an HTTP status."""

from __future__ import annotations

from revetl.sandbox.wire import RefusedError
from revetl.types import JSON


def problem(status: int, words: str) -> RefusedError:
    """Return the refusal of a whole call."""
    return RefusedError(status, {"message": words})


def bad(words: str) -> RefusedError:
    """Return the refusal of a call that is wrong in itself."""
    return problem(400, words)


def minor(index: int, words: str) -> dict[str, JSON]:
    """Return the error of one row of ``attributes``."""
    return {"type": words, "input_array": "attributes", "index": index}

"""Refusals in Sailthru's words: a number, a technical sentence, an HTTP status."""

from __future__ import annotations

from revetl.sandbox.wire import RefusedError

OTHER = 99  # "Other error": the number of everything that has none of its own


def problem(status: int, number: int, words: str) -> RefusedError:
    """Return a refusal."""
    return RefusedError(status, {"error": number, "errormsg": words})


def bad(words: str, number: int = OTHER) -> RefusedError:
    """Return the refusal of a request that is wrong in itself."""
    return problem(400, number, words)


def missing(name: str) -> RefusedError:
    """Return the refusal of a request without a parameter."""
    return bad(f"Missing required parameter: {name}", 2)

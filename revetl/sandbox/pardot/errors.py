"""Refusals: a code and a sentence; statuses are coarse, so that callers must read the code.

Source: https://developer.salesforce.com/docs/marketing/pardot/guide/error-codes.html, which names codes 3, 4, 9, 13,
46, 49, 54, 66, 122, 181 and 184. ``INVALID`` stands for what it words only.
"""

from __future__ import annotations

from revetl.sandbox.wire import RefusedError

NO_PROSPECT, NO_ADDRESS, TAKEN, NO_FIELDS, DENIED = 3, 4, 9, 13, 49
BUSY, SPENT, NO_UNIT, BAD_TOKEN = 66, 122, 181, 184
INVALID, MISSING = 109, 110


def refuse(status: int, code: int, message: str) -> RefusedError:
    """Return a refusal to raise."""
    return RefusedError(status, {"code": code, "message": message})


def invalid(message: str) -> RefusedError:
    """Return the refusal of a body or query that is not as it must be."""
    return refuse(400, INVALID, message)


def missing(what: str) -> RefusedError:
    """Return the refusal of an id that names nothing."""
    return refuse(404, MISSING, f"The requested {what} was not found")

"""Pipedrive's refusals: ``success`` false, ``error`` a sentence, ``error_info`` where to read on.

Source: https://pipedrive.readme.io/docs/core-api-concepts-http-status-codes, and recorded answers of API v2.
"""

from __future__ import annotations

from revetl.sandbox.wire import RefusedError

_INFO = "Please check developers.pipedrive.com"


def refuse(status: int, error: str, **more: str | int) -> RefusedError:
    """Return a refusal."""
    return RefusedError(status, {"success": False, "error": error, "error_info": _INFO, **more})


def invalid(where: str, why: str) -> RefusedError:
    """Return the refusal of a value, as the validation of API v2 words it."""
    return refuse(400, f"Validation failed: {where}: {why}", code="ERR_SCHEMA_VALIDATION_FAILED")


def missing(kind: str) -> RefusedError:
    """Return the refusal of an id that is not there."""
    return refuse(404, f"{kind.removesuffix('s').capitalize()} not found")

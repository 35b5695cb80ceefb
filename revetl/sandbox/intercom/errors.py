"""Intercom's errors: ``{"type": "error.list", "request_id", "errors": [{"code", "message"}]}``.

Codes and words are those of the vendor's description (2.15) and of recorded traffic.
"""

from __future__ import annotations

from collections.abc import Mapping

from revetl.sandbox.wire import RefusedError
from revetl.types import EMPTY, JSON


def error(status: int, code: str, message: str, headers: Mapping[str, str] = EMPTY) -> RefusedError:
    """Return a refusal of the whole request."""
    errors: JSON = [{"code": code, "message": message}]
    return RefusedError(status, {"type": "error.list", "errors": errors}, headers)


def invalid(message: str) -> RefusedError:
    """Return the 400 of a value that cannot be taken."""
    return error(400, "parameter_invalid", message)


def bad(name: str) -> RefusedError:
    """Return the 400 of a parameter that is not known."""
    return error(400, "bad_request", f"bad '{name}' parameter")


def lacking(message: str) -> RefusedError:
    """Return the 400 of a parameter that must be given."""
    return error(400, "parameter_not_found", message)


def no_user() -> RefusedError:
    """Return the 404 of a contact that is not there, archived or merged away."""
    return error(404, "not_found", "User Not Found")


def no_resource() -> RefusedError:
    """Return the 404 of anything else."""
    return error(404, "not_found", "Resource Not Found")


def no_company() -> RefusedError:
    """Return the 404 of a company."""
    return error(404, "company_not_found", "Company Not Found")


def conflict(holder: str, *, archived: bool) -> RefusedError:
    """Return the 409 of an identity that a contact holds already; its id is in the words alone."""
    who = "An archived contact" if archived else "A contact"
    return error(409, "conflict", f"{who} matching those details already exists with id={holder}")

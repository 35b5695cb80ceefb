"""Mailchimp's errors: problem+json with ``type, title, status, detail, instance`` and, for fields, ``errors``.

Source: mailchimp.com/developer, "Errors"; titles and details as recorded traffic has them.
"""

from __future__ import annotations

from collections.abc import Sequence

from revetl.sandbox.wire import RefusedError
from revetl.types import JSON

TYPE = "https://mailchimp.com/developer/marketing/docs/errors/"
SCHEMA_DETAIL = "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
NO_SCHEMA = "Data did not match any of the schemas described in anyOf."


def problem(status: int, title: str, detail: str, errors: Sequence[JSON] = ()) -> RefusedError:
    """Return a refusal of the whole request."""
    payload: dict[str, JSON] = {"type": TYPE, "title": title, "status": status, "detail": detail}
    if errors:
        payload["errors"] = list(errors)
    return RefusedError(status, payload)


def bad(detail: str, title: str = "Invalid Resource") -> RefusedError:
    """Return a 400."""
    return problem(400, title, detail)


def misshapen(field: str, message: str) -> RefusedError:
    """Return the 400 of a body that does not fit the schema, naming the field."""
    return problem(400, "Invalid Resource", SCHEMA_DETAIL, [{"field": field, "message": message}])


def not_found() -> RefusedError:
    """Return a 404."""
    return problem(404, "Resource Not Found", "The requested resource could not be found.")


def row_error(email: str, message: str, *, code: str = "ERROR_GENERIC", field: str = "", told: str = "") -> JSON:
    """Return one entry of the batch call's ``errors``."""
    return {"email_address": email, "error": message, "error_code": code, "field": field, "field_message": told}

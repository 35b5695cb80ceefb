"""HubSpot's error envelope: ``status, message, category, correlationId`` and where they exist ``context, errors``.

Source: developers.hubspot.com, "Error handling"; categories and codes as maintained connectors meet them.
"""

from __future__ import annotations

from collections.abc import Sequence

from revetl.sandbox.wire import RefusedError
from revetl.types import JSON

NOUNS = {"contacts": "Contact", "companies": "Company"}


def error(
    status: int,
    category: str,
    message: str,
    *,
    context: dict[str, list[str]] | None = None,
    errors: Sequence[JSON] = (),
    sub_category: str | None = None,
) -> RefusedError:
    """Return a refusal of the whole request."""
    payload: dict[str, JSON] = {"status": "error", "message": message, "category": category}
    if context:
        payload["context"] = context
    if errors:
        payload["errors"] = list(errors)
    if sub_category:
        payload["subCategory"] = sub_category
    return RefusedError(status, payload)


def invalid(message: str, **more: JSON) -> RefusedError:
    """Return a refusal for a request that breaks the rules: 400 VALIDATION_ERROR."""
    return error(400, "VALIDATION_ERROR", message, **more)


def missing(message: str) -> RefusedError:
    """Return a refusal for something that is not there: 404 OBJECT_NOT_FOUND."""
    return error(404, "OBJECT_NOT_FOUND", message)


def taken(kind: str, owner: str | None) -> str:
    """Return what HubSpot says where another record, known to it as ``owner``, holds a unique value."""
    return f"{NOUNS[kind]} already exists." + (f" Existing ID: {owner}" if owner else "")


def unmatched(kind: str) -> str:
    """Return what HubSpot says where a batch names records it does not have."""
    objects = f"{NOUNS[kind].upper()} objects"
    return f"Could not get some {objects}, they may be deleted or not exist. Check that ids are valid."


def row_error(category: str, message: str, context: dict[str, list[str]]) -> dict[str, JSON]:
    """Return one entry of a 207's ``errors``."""
    return {"status": "error", "category": category, "message": message, "context": context}

"""Salesforce's refusals: an array of ``errorCode, message``, or a row's ``statusCode, message, fields``.

Source: developer.salesforce.com, "Status Codes and Error Responses" of the REST API, and recorded answers.
"""

from __future__ import annotations

from collections.abc import Sequence

from revetl.sandbox.wire import RefusedError
from revetl.types import JSON


def refuse(status: int, code: str, message: str) -> RefusedError:
    """Return a refusal of the whole request."""
    return RefusedError(status, {"message": message, "errorCode": code})


def invalid_field(kind: str, name: str) -> RefusedError:
    """Return the refusal of a name that the object has no field of."""
    told = f"No such column '{name}' on sobject of type {kind}"
    return refuse(400, "INVALID_FIELD", told)


class RowError(Exception):
    """A record that is refused alone."""

    def __init__(self, code: str, message: str, fields: Sequence[str] = ()) -> None:
        """Make one in Salesforce's words."""
        super().__init__(message)
        self.code = code
        self.fields = list(fields)

    def shown(self) -> dict[str, JSON]:
        """Return it as the answer to its row."""
        return {
            "success": False,
            "errors": [{"statusCode": self.code, "message": str(self), "fields": self.fields}],
        }

"""Marketo's refusals: an envelope with ``errors`` inside HTTP 200, or a row with ``reasons``.

Source: experienceleague.adobe.com, Marketo Developer, "Error Codes".
"""

from __future__ import annotations

from revetl.sandbox.wire import RefusedError
from revetl.types import JSON


def refuse(code: int, message: str, status: int = 200) -> RefusedError:
    """Return a refusal of the whole request."""
    return RefusedError(status, {"success": False, "errors": [{"code": str(code), "message": message}]})


class RowError(Exception):
    """A record that is skipped alone."""

    def __init__(self, code: int, message: str) -> None:
        """Make one in Marketo's words."""
        super().__init__(message)
        self.code = code

    def shown(self) -> dict[str, JSON]:
        """Return it as the answer to its row."""
        return {"status": "skipped", "reasons": [{"code": str(self.code), "message": str(self)}]}


def not_found() -> RowError:
    """Return the answer about an id, or a key, that nobody has."""
    return RowError(1004, "Lead not found")

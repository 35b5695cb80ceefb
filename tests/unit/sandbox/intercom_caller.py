"""A workspace of Intercom's stand-in, its clock in hand, and shorthands to ask it."""

from __future__ import annotations

from typing import Any

import orjson

from revetl.sandbox import make
from revetl.sandbox.core import Sandbox
from tests.unit.sandbox.sandbox_caller import Clock

HEADERS = {
    "Authorization": "Bearer sandbox", "Content-Type": "application/json", "Accept": "application/json",
    "Intercom-Version": "2.15",
}  # fmt: skip
ADA = "ada@example.org"
ATTRIBUTES = {"city": "string", "visits": "integer", "spent": "float", "gift": "boolean", "since": "date",
              "tier": {"options": ["gold", "silver"]}, "shut": {"api_writable": False}}  # fmt: skip


class There:
    """A workspace, asked with good credentials."""

    def __init__(self, **options: Any) -> None:
        """Make it, with its clock standing still."""
        self.clock = Clock()
        told = {"attributes": ATTRIBUTES, "company_attributes": ATTRIBUTES, **options}
        self.box: Sandbox = make("intercom", clock=self.clock, now=self.clock, **told)

    def __call__(self, method: str, path: str, body: Any = None, query: str = "", **headers: str) -> tuple[int, Any]:
        """Return status and answer; of a refusal its words."""
        content = b"" if body is None else orjson.dumps(body)
        status, _, answer = self.box.handle(method, path, query, {**HEADERS, **headers}, content)
        told: Any = orjson.loads(answer) if answer else None
        return status, told["errors"][0]["message"] if status >= 400 else told

    def contact(self, role: str = "user", **fields: Any) -> str:
        """Make a contact; return its id."""
        status, told = self("POST", "/contacts", {"role": role, **fields})
        assert status == 200, told
        return str(told["id"])

    def search(self, *filters: tuple[str, str, Any], **paging: Any) -> list[str]:
        """Return the ids of those whom any of the filters finds."""
        value = [dict(zip(("field", "operator", "value"), one, strict=True)) for one in filters]
        status, told = self("POST", "/contacts/search", {"query": {"operator": "OR", "value": value}, **paging})
        assert status == 200, told
        return [row["id"] for row in told["data"]]

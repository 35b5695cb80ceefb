"""A caller of the Mailchimp stand-in that holds it to the published API, and what its tests share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from revetl.sandbox.mailchimp import Mailchimp

LIST = "/3.0/lists/sandbox"


def md5(address: str) -> str:
    """Return the hash by which Mailchimp names a person."""
    return hashlib.md5(address.lower().encode(), usedforsecurity=False).hexdigest()


@dataclass
class Api:
    """A caller with a key."""

    box: Mailchimp
    key: str = "sandbox-us1"

    def raw(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Send one request as it is."""
        path, _, query = path.partition("?")
        known = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **headers}
        content = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        return self.box.handle(method, path, query, known, content)

    def call(self, method: str, path: str, body: Any = None, *, want: int = 200) -> Any:
        """Send one request below the list; its status must be ``want``, and a refusal a problem+json."""
        status, headers, content = self.raw(method, LIST + path, body)
        answered: Any = orjson.loads(content) if content else None
        assert status == want, answered
        if status >= 400:
            assert headers["content-type"].startswith("application/problem+json")
            assert {"type", "title", "status", "detail", "instance"} <= set(answered)
            assert answered["status"] == status
        return answered

    def batch(self, *members: dict[str, Any], query: str = "", **more: Any) -> Any:
        """Send people by the batch call."""
        return self.call("POST", query, {"members": list(members), "update_existing": True, **more})

    def member(self, address: str, want: int = 200) -> Any:
        """Read one person."""
        return self.call("GET", f"/members/{md5(address)}", want=want)

    def field(self, tag: str, kind: str, **more: Any) -> Any:
        """Create a merge field."""
        return self.call("POST", "/merge-fields", {"tag": tag, "name": tag, "type": kind, **more})

    def tags(self, address: str) -> set[str]:
        """Return the names of a person's tags."""
        answered = self.call("GET", f"/members/{md5(address)}/tags?count=1000")
        return {tag["name"] for tag in answered["tags"]}


def person(address: str, status: str | None = "subscribed", **more: Any) -> dict[str, Any]:
    """Return one entry of ``members``."""
    return {"email_address": address, **({"status": status} if status else {}), **more}


def only_error(answered: Any) -> dict[str, Any]:
    """Return the one row error of a batch that wrote nothing."""
    assert (answered["total_created"], answered["total_updated"], answered["error_count"]) == (0, 0, 1)
    (error,) = answered["errors"]
    assert set(error) >= {"email_address", "error", "error_code"}
    assert isinstance(error["error"], str)
    return dict(error)

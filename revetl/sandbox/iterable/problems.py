"""Iterable's envelope ``{"code", "msg", "params"}``: IterableApiResponse of the vendor's Swagger document."""

from __future__ import annotations

from revetl.sandbox.wire import Answer, RefusedError, answer
from revetl.types import JSON


def problem(status: int, code: str, msg: str, params: JSON = None) -> RefusedError:
    """Return a refusal of the whole request."""
    return RefusedError(status, {"code": code, "msg": msg, "params": params})


def bad(msg: str, params: JSON = None) -> RefusedError:
    """Return a refusal for a request that breaks the rules: 400 BadParams."""
    return problem(400, "BadParams", msg, params)


def success(msg: str = "") -> Answer:
    """Return the answer of a call that says nothing but Success."""
    return answer(200, {"code": "Success", "msg": msg, "params": None})

"""Faults on order: what the next requests meet instead of, or after, the stand-in's own answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import orjson

from revetl.errors import UsageError
from revetl.sandbox.wire import JSON_TYPE, Answer, Request
from revetl.types import JSON


@dataclass(frozen=True, slots=True)
class Fault:
    """What the next ``times`` requests meet that match ``method`` and contain ``path``.

    With ``status`` the caller gets that status with ``headers`` and ``body`` (bytes, text, or JSON); with ``drop``
    the connection ends without an answer. Both leave the store alone unless ``applied``: then the request takes effect
    first and only its answer is lost. Without either, the true answer comes after ``delay`` seconds.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: JSON = b""
    drop: bool = False
    applied: bool = False
    delay: float = 0.0
    times: int = 1
    method: str | None = None
    path: str = ""

    @classmethod
    def of(cls, ordered: Mapping[str, JSON]) -> Fault:
        """Read a fault from JSON; ``UsageError`` RVT-681 for a name that no fault has."""
        unknown = sorted(set(ordered) - set(cls.__dataclass_fields__))
        if unknown:
            known = ", ".join(cls.__dataclass_fields__)
            raise UsageError("RVT-681", f"A fault has no {unknown[0]!r}.", hint=f"use: {known}")
        return cls(**ordered)

    def meets(self, request: Request) -> bool:
        """Return whether this fault is meant for ``request``."""
        return self.method in (None, request.method) and self.path in request.path

    def strike(self, respond: Callable[[], Answer]) -> Answer:
        """Return what the caller gets; ``respond`` applies the request and gives the true answer."""
        ours = self.status is None and not self.drop
        true = respond() if ours or self.applied else None
        if ours and true is not None:
            return replace(true, delay=true.delay + self.delay)
        body = self.body if isinstance(self.body, bytes) else _encode(self.body)
        headers = {"content-type": JSON_TYPE, **{name.lower(): value for name, value in self.headers.items()}}
        return Answer(self.status or 0, body, headers, self.delay, self.drop)


def _encode(body: JSON) -> bytes:
    return body.encode() if isinstance(body, str) else orjson.dumps(body)


class Faults:
    """The faults still to come, first ordered first."""

    def __init__(self) -> None:
        """Start with none."""
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Order one more."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Forget all that are ordered."""
        self._waiting.clear()

    def take(self, request: Request) -> Fault | None:
        """Return the fault that ``request`` meets, and count it off."""
        for place, fault in enumerate(self._waiting):
            if fault.meets(request):
                if fault.times <= 1:
                    del self._waiting[place]
                else:
                    self._waiting[place] = replace(fault, times=fault.times - 1)
                return fault
        return None

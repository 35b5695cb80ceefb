"""A Sailthru account of one's own: the stand-in, its users as they stand, and actions run against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from revetl.contract import Action, Call, Reply
from revetl.destinations.sailthru import SAILTHRU
from revetl.destinations.sailthru.api import SailthruSettings
from revetl.sandbox import make
from revetl.sandbox.core import Sandbox
from revetl.testing.conformance import stand_in
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import batch
from revetl.types import Change, Op


@dataclass
class Account:
    """One account; ``told`` are settings beside the credentials, ``now`` its clock."""

    told: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    now: float = 1_800_000_000.0
    step: float = 0.0  # seconds that each call takes
    labels: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Open it."""
        self.box: Sandbox = make("sailthru", now=lambda: self.now, **self.options)
        self.settings = SailthruSettings.model_validate({"api_key": "sandbox", "secret": "sandbox", **self.told})
        self.send: Callable[[Call], Reply] = stand_in(SAILTHRU, self.settings, self._send)

    def _send(self, method: str, path: str, query: Any, headers: Any, body: bytes) -> Any:
        self.now += self.step
        return self.box.handle(method, path, urlencode(query), headers, body)

    def __call__(self, call: Call) -> Reply:
        """Answer a call, and remember what it was."""
        self.labels.append(call.label)
        return self.send(call)

    def run(self, action: Action | Op, changes: Sequence[Change], **more: Any) -> Driven:
        """Run an action on changes of one operation to its end."""
        chosen = SAILTHRU.actions[action] if isinstance(action, Op) else action
        return drive(chosen.run(self.batch(changes, **more)), self)

    def batch(self, changes: Sequence[Change], **more: Any) -> Any:
        """Return changes as a batch."""
        told = {"object": "user", "match_field": "email", "prepared": {"names": {"vip": "High Value"}}, **more}
        return batch(changes, self.settings, changes[0].op, **told)

    def bulk(self, op: Op) -> Action:
        """Return an operation's form as a job."""
        found = SAILTHRU.actions[op].bulk
        assert found is not None
        return found

    def user(self, address: str) -> dict[str, Any] | None:
        """Return a profile as it stands."""
        sid = self.box.store["index"]["email"].get(address)
        return None if sid is None else dict(self.box.store["users"][sid])

    @property
    def flags(self) -> list[str]:
        """Return what the stand-in found odd."""
        return [note for entry in self.box.journal for note in entry["flags"]]


def outcomes(seen: Driven) -> list[tuple[int, str, str]]:
    """Return number, status and code of each outcome."""
    return sorted((o.change.seq, o.status.value, o.code) for o in seen.outcomes)

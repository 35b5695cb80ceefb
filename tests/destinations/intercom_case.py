"""A workspace's stand-in with its clock in hand, and shorthands to send changes to it and to look what it holds."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson

from revetl.contract import Call, Context, Http
from revetl.destinations.intercom import INTERCOM
from revetl.destinations.intercom.api import IntercomSettings
from revetl.sandbox import make
from revetl.testing.conformance import stand_in
from revetl.testing.drive import Driven, deliver, drive
from revetl.testing.seeds import batch
from revetl.types import Change, Cohort, Op

SETTINGS = IntercomSettings.model_validate({"access_token": "sandbox"})
ATTRIBUTES: dict[str, Any] = {"city": "string", "spent": "float", "tier": {"options": ["gold", "silver"]}}


class Workspace:
    """One stand-in. ``now`` moves when told; ``calls`` are those of the last thing done."""

    def __init__(self, kind: str = "user", match: str = "", **options: Any) -> None:
        """Sync ``kind`` by ``match`` (by default its first)."""
        self.kind = kind
        self.match = match or INTERCOM.objects[kind].match[0]
        self.now = 1_750_000_000.0
        told = {"attributes": ATTRIBUTES, "company_attributes": ATTRIBUTES, **options}
        self.box = make("intercom", clock=lambda: self.now, now=lambda: self.now, **told)
        self.calls: list[str] = []

    @property
    def handler(self) -> Any:
        """Return what answers calls."""
        answer = stand_in(INTERCOM, SETTINGS, lambda m, p, q, h, b: self.box.handle(m, p, urlencode(q), h, b))

        def handle(call: Call) -> Any:
            assert isinstance(call, Http)
            self.calls.append(call.label)
            return answer(call)

        return handle

    def run(self, *changes: Change, **more: Any) -> Driven:
        """Deliver changes of one operation; each gets one outcome."""
        op = changes[0].op
        if op in (Op.JOIN, Op.PART):
            more.setdefault("cohort", Cohort("vip", "High Value", "tag"))
        work = batch(changes, SETTINGS, op, object=self.kind, match_field=self.match, **more)
        self.calls = []
        seen = deliver(INTERCOM.actions[op], work, self.handler)
        assert seen.unreadable is None
        assert sorted(o.change.seq for o in seen.outcomes) == sorted(c.seq for c in changes)
        return seen

    def context(self, **more: Any) -> Context:
        """Return what ``prepare`` and the reads are told."""
        return Context("test.customer", self.kind, SETTINGS, match_field=self.match, **more)

    def ask(self, steps: Any) -> Any:
        """Return what an exchange returns that is no action."""
        self.calls = []
        return drive(steps, self.handler).value

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Do something there as somebody else would; return the answer."""
        headers = {"Authorization": "Bearer sandbox", "Content-Type": "application/json", "Accept": "*/*"}
        content = b"" if body is None else orjson.dumps(body)
        status, _, answer = self.box.handle(method, path, "", headers, content)
        assert status == 200, answer
        return orjson.loads(answer) if answer else None

    def contact(self, role: str = "user", **fields: Any) -> str:
        """Make a contact as somebody else would; return its id."""
        return str(self.call("POST", "/contacts", {"role": role, **fields})["id"])

    def shows(self, contact: str) -> dict[str, Any]:
        """Return a contact as it stands there."""
        found: dict[str, Any] = self.call("GET", f"/contacts/{contact}")
        return found

    def state(self, contact: str) -> str:
        """Return what became of a contact: active, archived, deleted, merged."""
        return str(self.box.store["contacts"][contact]["state"])

    def people(self) -> list[dict[str, Any]]:
        """Return all contacts that stand there."""
        return [one for one in self.box.store["contacts"].values() if one["state"] == "active"]

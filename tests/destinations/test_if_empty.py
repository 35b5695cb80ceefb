"""``write: if_empty`` at each destination that can be read back: what stands there is left alone, exactly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from revetl.contract import Auth, Context, Destination, Http
from revetl.destinations import registry
from revetl.engine.filling import only_empty
from revetl.sandbox import make
from revetl.sandbox.core import Sandbox
from revetl.testing.conformance import stand_in
from revetl.testing.drive import Driven, drive
from revetl.testing.seeds import batch, change
from revetl.types import Change, Op, Status

KEY = {"External_Id__c": {"type": "string", "externalId": True, "unique": True}}
# destination → object, match field, a field of it, what the account needs
CASES: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "hubspot": ("contacts", "email", "firstname", {}),
    "iterable": ("user", "email", "firstName", {}),
    "mailchimp": ("member", "email_address", "FNAME", {}),
    "salesforce": ("Contact", "External_Id__c", "FirstName", {"fields": {"Contact": KEY}}),
}


class Stand:
    """A destination whose UPSERT keeps to what is empty, before its stand-in."""

    def __init__(self, name: str) -> None:
        """Make an account."""
        self.kind, self.match, self.field, options = CASES[name]
        self.destination = registry()[name]
        self.settings = self.destination.settings.model_validate(dict(self.destination.rehearsal))
        box = make(name, **options)
        self.handler = stand_in(
            self._open(box), self.settings, lambda m, p, q, h, b: box.handle(m, p, urlencode(q), h, b)
        )
        self.context = Context("s", self.kind, self.settings, (self.field,), self.match)

    def _open(self, box: Sandbox) -> Destination:
        """Return the destination with its token, where it needs one."""
        made = self.destination.auth
        if made is None or made.token is None:
            return self.destination
        bare = replace(self.destination, auth=None, base_url=lambda _: "")
        send = stand_in(bare, self.settings, lambda m, p, q, h, b: box.handle(m, p, urlencode(q), h, b))
        token = drive(made.token(self.settings), send).value
        return replace(self.destination, auth=Auth(lambda settings, _, call: made.apply(settings, token, call)))

    def write(self, *changes: Change, guarded: bool = True) -> Driven:
        """Write people."""
        assert self.destination.read_back is not None
        action = self.destination.actions[Op.UPSERT]
        action = only_empty(action, self.destination.read_back, self.context) if guarded else action
        return drive(
            action.run(batch(list(changes), self.settings, object=self.kind, match_field=self.match)), self.handler
        )

    def held(self, *names: str) -> dict[str, Any]:
        """Return what stands there, by the name before the @."""
        assert self.destination.read_back is not None
        found = drive(self.destination.read_back.run(self.context, [address(n) for n in names]), self.handler).value
        return {record.identity.partition("@")[0]: record.fields.get(self.field) for record in found}


def address(name: str) -> str:
    """Return a person's address."""
    return f"{name}@example.org"


def person(stand: Stand, number: int, name: str, value: str | None, **more: Any) -> Change:
    """Return the write of a person; what the vendor requires is always there."""
    required = {"LastName": "Person"} if stand.kind == "Contact" else {}
    fields = {**required, **({} if value is None else {stand.field: value}), **more}
    return change(number, fields=fields, match=address(name), identity=address(name))


@pytest.mark.parametrize("name", CASES)
def test_only_what_is_empty_is_written(name: str) -> None:
    """Filled values stay, empty ones are filled, new people get everything; each change has its own outcome."""
    stand = Stand(name)
    stand.write(person(stand, 1, "full", "Theirs"), person(stand, 2, "bare", None), guarded=False)
    done = stand.write(*[person(stand, n, who, "Ours") for n, who in enumerate(("full", "bare", "new"), 3)])
    assert done.statuses() == dict.fromkeys((3, 4, 5), Status.DELIVERED)
    assert {o.change.seq: o.kept for o in done.outcomes} == {3: (stand.field,), 4: (), 5: ()}
    assert all(o.change.fields[stand.field] == "Ours" for o in done.outcomes)  # the change as it was given
    assert stand.held("full", "bare", "new") == {"full": "Theirs", "bare": "Ours", "new": "Ours"}
    again = stand.write(person(stand, 6, "bare", "Changed"))
    assert again.statuses() == {6: Status.DELIVERED}
    assert stand.held("bare") == {"bare": "Ours"}


def test_nothing_left_to_write_takes_no_write() -> None:
    """Where all that a change has stands there already, nothing is written."""
    stand = Stand("iterable")
    stand.write(person(stand, 1, "full", "Theirs"), guarded=False)
    done = stand.write(person(stand, 2, "full", "Ours"))
    assert done.statuses() == {2: Status.DELIVERED}
    assert {call.method for call in done.calls if isinstance(call, Http)} == {"GET"}

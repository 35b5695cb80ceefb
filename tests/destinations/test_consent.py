"""A person's no at each destination: withdrawn before its stand-in, repeatable, and never taken back by a write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from scripted import Script

from revetl.contract import Context, Destination, Http
from revetl.destinations import registry
from revetl.destinations.webhook import WebhookSettings
from revetl.sandbox import make
from revetl.testing.conformance import stand_in
from revetl.testing.drive import Driven, Handler, drive
from revetl.testing.seeds import batch, change
from revetl.types import Change, Cohort, Link, Op, Proof, Status

A, B, NOBODY = "a@example.org", "b@example.org", "nobody@example.org"
NO = Cohort("consent:unsubscribe", "unsubscribe", "unsubscribe")


class Stand:
    """One destination before its stand-in."""

    def __init__(self, name: str, kind: str, **options: Any) -> None:
        """Make an account."""
        self.destination: Destination = registry()[name]
        self.settings = self.destination.settings.model_validate(dict(self.destination.rehearsal))
        self.kind, self.box = kind, make(name, **options)

    @property
    def handler(self) -> Handler:
        """Return what answers calls."""
        return stand_in(
            self.destination, self.settings, lambda m, p, q, h, b: self.box.handle(m, p, urlencode(q), h, b)
        )

    def run(self, op: Op, *changes: Change, **more: Any) -> Driven:
        """Run one action."""
        told = {"object": self.kind, "match_field": self.destination.objects[self.kind].match[0], **more}
        return drive(self.destination.actions[op].run(batch(list(changes), self.settings, op, **told)), self.handler)

    def withdraw(self, *addresses: str) -> list[Status]:
        """Withdraw people."""
        changes = [change(n, Op.JOIN, match=address) for n, address in enumerate(addresses, 1)]
        return [outcome.status for outcome in self.run(Op.JOIN, *changes, cohort=NO).outcomes]


def test_mailchimp() -> None:
    """People who are there become unsubscribed, whoever is not stays a stranger; an update brings nobody back."""
    stand = Stand("mailchimp", "member")
    stand.run(Op.UPSERT, change(1, match=A), change(2, match=B))
    assert stand.withdraw(A, NOBODY) == [Status.DELIVERED] * 2
    stand.run(Op.UPSERT, change(3, match=A, created=True, remote_id="x"))
    stand.run(Op.UPSERT, change(4, match=A))
    shown = {r.identity: r.opted_out for r in read_back(stand, A, B, NOBODY)}
    assert shown == {A: True, B: False}
    assert stand.withdraw(A) == [Status.DELIVERED]


def read_back(stand: Stand, *identities: str) -> list[Any]:
    """Return what stands there."""
    assert stand.destination.read_back is not None
    match = stand.destination.objects[stand.kind].match[0]
    context = Context("s", stand.kind, stand.settings, match_field=match)
    found: list[Any] = list(drive(stand.destination.read_back.run(context, list(identities)), stand.handler).value)
    return found


@pytest.mark.parametrize(("consent", "new_as", "expected"), [
    (False, "pending", "unsubscribed"), (True, "pending", "pending"), (None, None, "subscribed"),
    (None, "transactional", "transactional"),
])  # fmt: skip
def test_mailchimp_new_people(consent: bool | None, new_as: str | None, expected: str) -> None:
    """A new member starts as the sync says, one who said no as unsubscribed."""
    stand = Stand("mailchimp", "member")
    seen = stand.run(Op.UPSERT, replace(change(1, match=A), consent=consent), new_as=new_as)
    (call,) = [call for call in seen.calls if isinstance(call, Http)]
    assert [m["status"] for m in orjson.loads(call.content or b"")["members"]] == [expected]


def test_hubspot() -> None:
    """Opted out by address, a hundred a call; an address that is none is refused alone."""
    stand = Stand("hubspot", "contacts")
    stand.run(Op.UPSERT, change(1, match=A))
    seen = stand.run(Op.JOIN, *[change(n, Op.JOIN, match=f"p{n}@example.org") for n in range(1, 151)], cohort=NO)
    assert len(seen.calls) == 2
    assert len(stand.box.store["opted_out"]) == 150
    assert stand.withdraw(A, "no address") == [Status.DELIVERED, Status.REJECTED]
    assert A in stand.box.store["opted_out"]


def test_hubspot_matched_by_another_property() -> None:
    """Where records are found by another property, their address is read first; who has none gets no mail."""
    stand = Stand("hubspot", "contacts", properties={"shop_id": {"hasUniqueValue": True}})
    stand.run(Op.UPSERT, change(1, match="17", fields={"email": A}), change(2, match="18"), match_field="shop_id")
    people = [change(3, Op.JOIN, match="17"), change(4, Op.JOIN, match="18"), change(5, Op.JOIN, match="19")]
    seen = stand.run(Op.JOIN, *people, cohort=NO, match_field="shop_id")
    assert {outcome.status for outcome in seen.outcomes} == {Status.DELIVERED}
    assert list(stand.box.store["opted_out"]) == [A]


def test_iterable() -> None:
    """Out of every marketing channel of e-mail; a user's own opt-outs from others stay."""
    stand = Stand("iterable", "user")
    stand.run(Op.UPSERT, change(1, match=A), change(2, match=B))
    users = {user["email"]: user for user in stand.box.store["users"].values()}
    users[A]["optouts"] = [3]
    assert stand.withdraw(A, NOBODY) == [Status.DELIVERED] * 2
    assert (users[A]["optouts"], users[B]["optouts"]) == ([1, 3, 4], [])
    assert [r.opted_out for r in read_back(stand, A)] == [True]
    again = stand.run(Op.JOIN, change(3, Op.JOIN, match=A), cohort=NO)
    assert [call.method for call in again.calls if isinstance(call, Http)] == ["GET", "GET"]


def test_webhook() -> None:
    """The message says who said no, how new people start, where links point, and what memberships carry."""
    hook = registry()["webhook"]
    settings = WebhookSettings.model_validate({"url": "https://hooks.example.org/x"})
    script = Script(("POST ", 200, {}), ("POST ", 200, {}), ("POST ", 200, {}))
    person = replace(change(1, match="c1"), consent=False, links={"firm": Link('["f1"]', '["f0"]')})
    told: dict[str, Any] = {"object": "record", "match_field": "id"}
    (outcome,) = drive(
        hook.actions[Op.UPSERT].run(batch([person], settings, new_as="pending", **told)), script
    ).outcomes
    assert (outcome.proof, outcome.remote_id) == (Proof.ACCEPTED, person.key)
    drive(hook.actions[Op.JOIN].run(batch([change(2, Op.JOIN)], settings, Op.JOIN, cohort=NO, **told)), script)
    member, vip = change(3, Op.JOIN, fields={"level": 3}), Cohort("vip", "VIP", "message")
    drive(hook.actions[Op.JOIN].run(batch([member], settings, Op.JOIN, cohort=vip, **told)), script)
    first, second, third = script.bodies
    assert first["new_as"] == "pending"
    assert first["records"][0]["consent"] is False
    assert first["records"][0]["links"] == {"firm": {"id": '["f1"]', "ended": ['["f0"]']}}
    assert (second["consent"], "cohort" in second, "fields" in second["records"][0]) == ("unsubscribe", False, False)
    assert (third["cohort"]["name"], third["records"][0]["fields"]) == ("vip", {"level": 3})

"""Erasures: what each vendor is asked for, beyond the conformance suite."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import Any

import orjson
from test_conformance import TestFile as FileSuite
from test_conformance import TestHubSpot as HubSpotSuite
from test_conformance import TestIterable as IterableSuite
from test_conformance import TestWebhook as WebhookSuite
from test_salesforce_conformance import TestSalesforce as SalesforceSuite

from revetl.contract import Http, PutFile, Reply
from revetl.testing.drive import drive
from revetl.types import Person


def test_a_company_of_hubspot_is_archived() -> None:
    """GDPR deletion knows contacts alone; a company is archived, and the status says so."""
    suite = HubSpotSuite()
    told = replace(suite.context(), object="companies", match_field="domain")
    found = {"results": [{"id": "7", "properties": {"domain": "a.example"}}]}

    def answer(call: Any) -> Reply:
        return Reply(200, orjson.dumps(found)) if call.path.endswith("batch/read") else Reply(204)

    seen = drive(suite.erasure.run(told, [Person("a.example")]), answer)
    assert [one.status for one in seen.value] == ["archived"]
    assert seen.calls[1].label == "POST /crm/v3/objects/companies/batch/archive"


def test_a_person_with_two_records_loses_both() -> None:
    """The record known from before and the one that bears the identity today: at HubSpot and at Salesforce."""
    hubspot, salesforce = HubSpotSuite(), SalesforceSuite()
    for suite in (hubspot, salesforce):
        service = suite.service()
        fields, (old, new) = suite.made(service, 2)
        found = suite.erase(service, [Person(new.identity, old.remote_id)]).value
        assert [one.status for one in found] == ["erased"]
        assert suite.read(service, old.match, new.match, fields=fields) == {}


def test_a_forgotten_user_of_iterable_stays_away() -> None:
    """The identity is barred: a later write of it is refused by name; both allowances of the call are spent."""
    suite = IterableSuite()
    service = suite.service()
    fields, (row,) = suite.made(service)
    (call,) = suite.erase(service, [Person(row.identity)]).calls
    assert isinstance(call, Http)
    assert call.cost == {"forget": 1, "forget a day": 1}
    (refused,) = suite.run(service, [suite.change(2, match=row.match, fields=suite.values(fields, 1))]).outcomes
    assert refused.code == "forgotten"


def test_a_webhook_gets_a_signed_message() -> None:
    """The body names who is to be erased, and the signature is of that body."""
    suite = WebhookSuite()
    (call,) = suite.erase(lambda _: Reply(200), [Person("a@example.org")]).calls
    assert isinstance(call, Http)
    assert call.content is not None
    assert orjson.loads(call.content) == {
        "sync": "test.customer", "object": "record", "op": "erase", "records": [{"match": "a@example.org"}],
    }  # fmt: skip
    signature = hmac.new(b"canary-s9", call.content, hashlib.sha256).hexdigest()
    assert dict(call.headers)["x-revetl-signature"] == f"sha256={signature}"


def test_a_webhook_may_refuse_one_person() -> None:
    """``errors`` name the match; an answer that names anybody else is not understood."""
    suite = WebhookSuite()
    answer = {"errors": [{"match": "a@example.org", "code": "HOLD", "message": "legal hold"}]}
    people = [Person("a@example.org"), Person("b@example.org")]
    found = suite.erase(lambda _: Reply(200, orjson.dumps(answer)), people).value
    assert [one.status for one in found] == ["failed", "erased"]
    assert found[0].reason == "legal hold"
    strange = {"errors": [{"match": "z@example.org"}]}
    assert drive(suite.erasure.run(suite.context(), people), lambda _: Reply(200, orjson.dumps(strange))).unreadable


def test_files_say_that_they_stay() -> None:
    """The people stand in a file of erase rows, the same one if it is repeated; the status is no erasure."""
    suite = FileSuite()
    people = [Person("a@example.org")]
    first, again = (suite.erase(lambda _: Reply(200), people) for _ in range(2))
    (call,) = first.calls
    assert isinstance(call, PutFile)
    assert [(row["_op"], row["_match"]) for row in call.rows] == [("erase", "a@example.org")]
    assert call == again.calls[0]
    assert "a@example.org" not in call.path
    assert (first.value[0].status, first.value[0].code) == ("archived", "FILES_STAY")

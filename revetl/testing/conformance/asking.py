"""Cases about questions: the account, fields, cohorts and records there, and what refusals mean."""

from __future__ import annotations

import orjson
import pytest

from revetl.contract import Call, Diagnosis, Fault, Http, Reply
from revetl.errors import RevetlError
from revetl.testing.conformance.cohorts import CohortCases
from revetl.testing.drive import Driven, drive
from revetl.types import Effect

_TYPES = {"text", "integer", "number", "boolean", "date", "timestamp", "list", "json", "any"}
_BODIES = (b"", b"<html>blocked</html>", b"null", b"[]", b"{}", b'"no"', b"\xff\xfe", b'{"error": {"type": 5}}')


class AskingCases(CohortCases):
    """Questions change nothing, and answers that are odd are not believed."""

    def asks(self, seen: Driven) -> Driven:
        """Hold an exchange to reads alone."""
        assert not [call.label for call in seen.calls if call.effect is not Effect.READ and not _is_search(call)]
        return seen

    def test_the_account_is_named(self) -> None:
        """The same id twice, no secret in it, by reads alone."""
        if self.destination.account is None:
            self.not_applicable("account")
        service = self.service()
        ask = self.destination.account
        first, again = (self.asks(drive(ask(self.configured), service)).value for _ in range(2))
        assert first == again
        assert first.id
        assert not [secret for secret in self.secrets if secret in f"{first.id} {first.name}"]

    @pytest.mark.parametrize("status", [400, 404, 500])
    def test_an_account_that_is_not_shown_is_an_error(self, status: int) -> None:
        """A refusal names no account."""
        if self.destination.account is None:
            self.not_applicable("account")
        ask = self.destination.account(self.configured)
        with pytest.raises(RevetlError) as error:
            drive(ask, lambda _: Reply(status, b'{"message": "no"}'))
        assert error.value.code == "RVT-651"

    def test_fields_are_described(self) -> None:
        """Names are unique, types are known, the match field is among them; by reads alone."""
        if self.destination.discover is None:
            self.not_applicable("discover")
        found = self.asks(drive(self.destination.discover(self.context()), self.service())).value
        names = [field.name for field in found]
        assert len(set(names)) == len(names)
        assert {field.type for field in found} <= _TYPES
        assert self.match_field in names

    @pytest.mark.parametrize("status", [400, 404, 500])
    def test_fields_that_are_not_shown_are_an_error(self, status: int) -> None:
        """A refusal is no empty list of fields, which would refuse every mapping."""
        if self.destination.discover is None:
            self.not_applicable("discover")
        if not drive(self.destination.discover(self.context()), self.service()).calls:
            self.not_applicable("fields' list", "there is no list of fields to ask for")
        ask = self.destination.discover(self.context())
        with pytest.raises(RevetlError) as error:
            drive(ask, lambda _: Reply(status, b'{"message": "no"}'))
        assert error.value.code == "RVT-651"

    def test_cohorts_are_only_found_where_none_may_be_made(self) -> None:
        """``create_cohorts: false``: what is missing stays missing, what is there is found; by reads alone."""
        if self.destination.prepare is None or not self.thing.cohorts:
            self.not_applicable("cohort ids", f"{self.destination.name} keeps no cohorts of its own")
        service = self.service()
        told = self.context(cohorts=(("vip", "High Value"),), cohort_style=next(iter(self.thing.cohorts)), create=False)
        before = self.asks(drive(self.destination.prepare(told), service)).value
        assert not (before.get("cohorts") or {})
        made = self.prepared(service).get("cohorts")
        after = self.asks(drive(self.destination.prepare(told), service)).value.get("cohorts")
        assert after == made

    def test_reading_back_changes_nothing(self) -> None:
        """Reads alone; nobody asked for is nobody found; strangers are not in the answer."""
        self.must_be_readable()
        assert self.destination.read_back is not None
        service = self.service()
        run = self.destination.read_back.run
        rows = self.delivers(service, [self.change(n, fields=self.values(self.fields(service), n)) for n in (1, 2, 3)])
        asked = [rows[0].match, f"nobody@{self.domain}", 'it\'s "odd" \\ ü;,@x']
        found = self.asks(drive(run(self.context(), asked), service)).value
        assert [record.identity for record in found] == [rows[0].identity]
        assert not list(drive(run(self.context(), []), service).value)

    @pytest.mark.parametrize("status", [429, 503])
    def test_a_busy_service_is_asked_again(self, status: int) -> None:
        """429 waits or stops for the day, 503 is repeated: neither ends the destination for good."""
        for body in _BODIES:
            found = self.destination.diagnose(Reply(status, body))
            assert found is None or found.fault is not Fault.FATAL

    def test_spent_credentials_stop_or_are_renewed(self) -> None:
        """401 is said to be about the credentials, not about a row."""
        if not self.destination.hosts or "401" in self.lacks:
            self.not_applicable("401", "there are no credentials")
        for body in _BODIES[:-1]:
            found = self.destination.diagnose(Reply(401, body))
            assert found is not None
            assert found.fault in (Fault.EXPIRED, Fault.FATAL)

    @pytest.mark.parametrize("status", [200, 302, 400, 403, 404, 409, 418, 422, 500, 502])
    def test_no_answer_breaks_the_diagnosis(self, status: int) -> None:
        """Whatever a proxy answers, the diagnosis stands or there is none; a good status is no fault by itself."""
        for body in (*_BODIES, orjson.dumps({"errors": 5, "error": [], "message": None, "category": {}})):
            found = self.destination.diagnose(Reply(status, body, {"retry-after": "soon"}))
            assert found is None or isinstance(found, Diagnosis)


def _is_search(call: Call) -> bool:
    """Return whether a call that is not declared a read can change nothing anyway."""
    return isinstance(call, Http) and call.method == "GET"

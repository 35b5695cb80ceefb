"""Cases about people who must be erased."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
import pytest

from revetl.contract import Erase, Reply
from revetl.testing.conformance.records import RecordCases
from revetl.testing.drive import Driven, Handler, drive
from revetl.types import Erased, Person

_GONE = {"erased", "archived", "absent"}


class ErasureCases(RecordCases):
    """Who is to be erased is, nobody else is, and each is accounted for."""

    @property
    def erasure(self) -> Erase:
        """Return how people are erased; without it the case does not apply."""
        if self.destination.erase is None:
            self.not_applicable("erase")
        return self.destination.erase

    def erase(self, service: Handler, people: Sequence[Person]) -> Driven:
        """Erase, and hold the account: one word each, none twice."""
        seen = drive(self.erasure.run(self.context(), people), service)
        assert seen.unreadable is None, f"a good reply was not understood: {seen.unreadable}"
        assert sorted(one.identity for one in seen.value) == sorted(p.identity for p in people)
        return seen

    def test_what_an_erasure_does_is_said(self) -> None:
        """One sentence or two for the receipt, and a bound of people a call."""
        assert self.erasure.what.strip().endswith(".")
        assert self.erasure.max_records >= 1

    def test_erasing_nobody_makes_no_call(self) -> None:
        """Nothing to do is nothing sent."""
        assert self.erase(lambda _: pytest.fail("a call for nothing"), []).calls == []

    @pytest.mark.parametrize("known", [True, False], ids=["by remote id", "by identity"])
    def test_a_person_is_erased_and_nobody_else(self, known: bool) -> None:  # noqa: FBT001
        """Two of three are gone afterwards, with and without their remote ids; the third stands as it stood."""
        assert self.erasure
        service = self.service()
        fields, rows = self.made(service, 3)
        people = [Person(row.identity, row.remote_id if known else None) for row in rows[:2]]
        statuses = {one.status for one in self.erase(service, people).value}
        assert statuses <= {"erased", "archived"}
        assert set(self.read(service, *(row.match for row in rows), fields=fields)) == {rows[2].identity}
        self.stands(service, fields, rows[2])

    def test_an_erasure_can_be_repeated(self) -> None:
        """Again, and for somebody who never was there: nothing fails."""
        service = self.service()
        person = Person(f"c1@{self.domain}")
        assert {one.status for one in self.erase(service, [person]).value} <= _GONE
        _ = self.delivers(service, [self.change(2, fields=self.values(self.fields(service), 2))])
        for _ in range(2):
            assert {one.status for one in self.erase(service, [Person(f"c2@{self.domain}")]).value} <= _GONE

    @pytest.mark.parametrize("status", [302, 400, 409, 422, 500])
    def test_a_refused_erasure_has_failed(self, status: int) -> None:
        """Nobody is told erased by a refusal, and the reason is given."""
        refusal = orjson.dumps({"title": "No", "detail": "no", "category": "NO", "message": "no", "errors": []})
        people = [Person(f"c{n}@{self.domain}", f"id-{n}") for n in (1, 2)]
        for one in self.erase(lambda _: Reply(status, refusal), people).value:
            assert isinstance(one, Erased)
            assert one.status == "failed"
            assert one.code
            assert one.reason

    def test_an_erasure_shows_no_person(self) -> None:
        """Labels of calls go into logs: no identity stands there."""
        for call in self.erase(self.service(), [Person(f"c1@{self.domain}")]).calls:
            assert "c1" not in call.label

"""Cases about modes, opt-outs, links and what a membership carries."""

from __future__ import annotations

from dataclasses import replace

import orjson

from revetl.contract import Call, CohortStyle, PutFile, Sql
from revetl.testing.conformance.cohorts import CohortCases
from revetl.testing.conformance.records import RecordCases
from revetl.testing.drive import Driven, Handler, drive
from revetl.types import Change, Cohort, Link, Mode, Op, RemoteField, Status


class ModeCases(CohortCases, RecordCases):
    """Modes decide who may come into being, a person's own choice is never overruled, links point right."""

    def in_mode(self, mode: Mode) -> None:
        """End the case where the object has no such mode."""
        if mode not in self.thing.modes:
            self.not_applicable(f"mode {mode.value}", f"there is no mode {mode.value} there")

    def test_update_makes_nobody(self) -> None:
        """``mode: update``: who is there is written, who is not is refused by name and does not come into being."""
        self.in_mode(Mode.UPDATE)
        service = self.service()
        fields, (row,) = self.made(service)
        news = replace(row, seq=5, body=orjson.dumps(self.values(fields, 5)))
        stranger = self.change(9, fields=self.values(fields, 9))
        seen = self.run(service, [news, stranger], mode=Mode.UPDATE)
        assert seen.statuses() == {5: Status.DELIVERED, 9: Status.REJECTED}
        assert set(self.read(service, row.match, stranger.match, fields=fields)) == {row.identity}
        self.stands(service, fields, news)

    def test_insert_changes_nobody(self) -> None:
        """``mode: insert``: who is there already is refused by name and untouched, who is not comes into being."""
        self.in_mode(Mode.INSERT)
        service = self.service()
        fields, (row,) = self.made(service)
        again = self.change(5, match=row.match, fields=self.values(fields, 5))
        stranger = self.change(9, fields=self.values(fields, 9))
        seen = self.run(service, [again, stranger], mode=Mode.INSERT)
        assert seen.statuses() == {5: Status.REJECTED, 9: Status.DELIVERED}
        (new,) = seen.of(stranger)
        assert new.created is True
        self.stands(service, fields, row)
        self.stands(service, fields, stranger)

    # --- consent --------------------------------------------------------------------------------------------------

    def test_withdrawn_consent_is_withdrawn_there_and_stays_so(self) -> None:
        """The person is opted out afterwards, and no later write or repeat brings them back."""
        service, style, (row, neighbour), fields = self.consenting()
        self.withdraw(service, style, row)
        self.withdraw(service, style, row)
        news = replace(row, seq=7, body=orjson.dumps(self.values(fields, 3)))
        self.delivers(service, [news])
        there = self.read(service, row.match, neighbour.match, fields=fields)
        assert there[row.identity].opted_out
        assert not there[neighbour.identity].opted_out

    def test_nobody_begins_opted_in_against_their_will(self) -> None:
        """A new record of somebody whose consent is false is opted out from its first moment."""
        service, style, _, fields = self.consenting()
        news = self.change(8, fields=self.values(fields, 8), consent=False)
        (row,) = self.delivers(service, [news])
        self.withdraw(service, style, row)
        assert self.read(service, news.match, fields=fields)[news.identity].opted_out

    def consenting(self) -> tuple[Handler, CohortStyle, list[Change], tuple[RemoteField, ...]]:
        """Return a service with two people, and how consent is withdrawn there."""
        if not self.thing.consent:
            self.not_applicable("consent")
        service = self.service()
        fields, rows = self.made(service, 2)
        return service, next(iter(self.thing.consent.values())), rows, fields

    def withdraw(self, service: Handler, style: CohortStyle, row: Change) -> None:
        """Withdraw one person's consent."""
        cohort = Cohort("consent", "consent", style.name)
        self.delivers(service, [replace(row, seq=90, op=Op.JOIN, body=b"{}")], cohort=cohort)

    def test_new_records_start_as_they_are_told(self) -> None:
        """Each value of ``new_as`` makes a record."""
        if not self.thing.new_as:
            self.not_applicable("new_as")
        for number, start in enumerate(self.thing.new_as, 1):
            service = self.service()
            self.delivers(service, [self.change(number, fields=self.values(self.fields(service), 1))], new_as=start)

    # --- links ----------------------------------------------------------------------------------------------------

    def targets(self, service: Handler, kind: str) -> list[str]:
        """Return the remote ids of two new records of ``kind``; suites override it where a key alone makes none."""
        own = self.destination.objects[kind]
        rows = [self.change(n, match=f"t{n}.{self.domain}") for n in (901, 902)]
        more = {"object": kind, "match_field": own.match[-1] if own.match[0] == "*" else own.match[0]}
        seen = self.run(service, rows, **more)
        return [str(outcome.remote_id) for outcome in seen.outcomes]

    def test_links_point_where_they_should(self) -> None:
        """Set, moved and ended: each delivered, with the ids in what was sent; a repeat is as good as once."""
        if not self.thing.links:
            self.not_applicable("links")
        for name, style in self.thing.links.items():
            service = self.service()
            fields, (row,) = self.made(service)
            first, second = self.targets(service, style.to)
            for link in (Link(first), Link(first, first), Link(second, first), Link(None, second)):
                body = row.body if not self.thing.partial else b"{}"
                seen = self.linked(service, replace(row, links={name: link}, body=body))
                assert [o.status for o in seen.outcomes] == [Status.DELIVERED], f"{name}: {link}"
                assert link.id is None or any(link.id in _shown(call) for call in seen.calls)
                if self.destination.read_back is not None:
                    assert self.points(service, row, name) == ({link.id} - {None}), f"{name}: {link}"
            self.stands(service, fields, row)

    def points(self, service: Handler, row: Change, name: str) -> set[str]:
        """Return the ids to which a link of a record points, as it is read back."""
        told = self.context(fields=(name,))
        assert self.destination.read_back is not None
        (found,) = drive(self.destination.read_back.run(told, [row.match]), service).value
        there = found.fields.get(name)
        return {str(one) for one in (there if isinstance(there, list) else [there]) if one not in (None, "")}

    def linked(self, service: Handler, change: Change) -> Driven:
        """Write a record with its links."""
        return self.run(service, [change])

    def test_a_link_to_nowhere_is_refused_by_name(self) -> None:
        """A target that is gone rejects (or holds) its row alone; the neighbour is delivered."""
        if not self.thing.links:
            self.not_applicable("links")
        name, style = next(iter(self.thing.links.items()))
        service = self.service()
        _, (row, neighbour) = self.made(service, 2)
        good, _ = self.targets(service, style.to)
        gone = f"{good[:-3]}999" if good[-3:] != "999" else f"{good[:-3]}998"
        bad = replace(row, links={name: Link(gone)})
        seen = self.run(service, [bad, replace(neighbour, links={name: Link(good)})])
        assert seen.statuses()[neighbour.seq] is Status.DELIVERED
        assert seen.statuses()[row.seq] is not Status.DELIVERED

    # --- membership fields ----------------------------------------------------------------------------------------

    def test_a_membership_carries_its_fields(self) -> None:
        """A join with values, and the same member again with others: delivered, and the values were sent."""
        styles = [style for style in self.thing.cohorts.values() if style.fields]
        if not styles:
            self.not_applicable("membership fields")
        for style in styles:
            service = self.service()
            _, rows = self.made(service, 2)
            prepared = self.prepared(service, style=style.name)
            for seed in (1, 2):
                values = self.values(style.fields, seed)
                joins = [
                    replace(row, seq=seed * 10 + n, op=Op.JOIN, body=orjson.dumps(values)) for n, row in enumerate(rows)
                ]
                cohort = Cohort("vip", "High Value", style.name)
                seen = self.run(service, joins, prepared=prepared, cohort=cohort)
                assert set(seen.statuses().values()) == {Status.DELIVERED}
                sent = "".join(_shown(call) for call in seen.calls)
                assert all(str(value) in sent for value in values.values())


def _shown(call: Call) -> str:
    if isinstance(call, PutFile):
        return orjson.dumps(list(call.rows)).decode()
    if isinstance(call, Sql):
        return f"{call.text} {(call.argument or b'').decode()}"
    return f"{call.path} {call.query} {(call.content or b'').decode(errors='replace')}"

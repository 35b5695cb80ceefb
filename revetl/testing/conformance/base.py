"""What all cases share: the destination under test, its stand-in, and steps in a run's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NoReturn
from urllib.parse import urlsplit

import pytest

from revetl.contract import Action, Call, Context, Destination, Http, Object, Reply
from revetl.testing.drive import Driven, Handler, deliver, drive
from revetl.testing.seeds import batch, change, value
from revetl.types import EMPTY, JSON, Batch, Change, Cohort, OnLeave, Op, Outcome, RemoteField, RemoteRecord, Status

Send = Callable[[str, str, Sequence[tuple[str, str]], Mapping[str, str], bytes], tuple[int, Mapping[str, str], bytes]]

NOT_APPLICABLE = "not applicable: "  # how the reason of a case that ends without a verdict must begin
_ENDINGS = (OnLeave.ARCHIVE, OnLeave.DELETE, OnLeave.CLEAR)
_FIELDS = 8  # of those that discovery shows: enough to have one of each type
_SCHEMALESS = tuple(RemoteField(f"{kind}_field", kind) for kind in ("text", "number", "boolean", "date", "timestamp"))


def stand_in(destination: Destination, settings: Any, send: Send) -> Handler:
    """Return a handler that puts credentials and base path on each call and hands it to ``send``.

    ``send(method, path, query, headers, body)`` answers (status, headers, body).
    """
    prefix = urlsplit(destination.base_url(settings)).path.rstrip("/")

    def handle(call: Call) -> Reply:
        assert isinstance(call, Http), "a stand-in of an API takes no files"
        if call.authenticated and destination.auth is not None:
            call = destination.auth.apply(settings, None, call)
        headers = {"content-type": call.content_type, **{name.lower(): text for name, text in call.headers}}
        status, answered, body = send(call.method, prefix + call.path, call.query, headers, call.content or b"")
        return Reply(status, body, {name.lower(): text for name, text in answered.items()})

    return handle


class Suite:
    """The destination under test. Inheritors set the attributes and write :meth:`service`."""

    destination: ClassVar[Destination]
    settings: ClassVar[Mapping[str, Any]]
    secrets: ClassVar[tuple[str, ...]]  # values in ``settings`` that may show nowhere
    object: ClassVar[str] = ""  # default: the first
    poison: ClassVar[Mapping[str, JSON] | None] = None  # fields that the service refuses in one row; None: it cannot
    domain: ClassVar[str] = "example.org"
    avoid: ClassVar[frozenset[str]] = frozenset()  # fields that do not keep what is written, by the vendor's design
    lacks: ClassVar[Mapping[str, str]] = EMPTY  # ability or case (test's name) → why it is not applicable here

    def service(self) -> Handler:
        """Return a new, empty stand-in of the service."""
        raise NotImplementedError("write service(): a suite without a service proves nothing")

    def pass_time(self, seconds: float) -> None:
        """Let the service's clock go on; suites whose stand-in works on jobs by its clock override it."""

    @classmethod
    def label(cls) -> str:
        """Return what the suite is called in the table: the destination, and the object where one is named."""
        return f"{cls.destination.name} {cls.object}".strip()

    def not_applicable(self, ability: str, why: str = "") -> NoReturn:
        """End the case: it does not apply, for the reason that ``lacks`` or the declaration gives."""
        name = self.destination.name
        pytest.skip(f"{NOT_APPLICABLE}{self.lacks.get(ability) or why or f'{name} declares no {ability}'}")

    @property
    def thing(self) -> Object:
        """Return the object under test."""
        return self.destination.objects[self.kind]

    @property
    def kind(self) -> str:
        """Return the name of the object under test."""
        return self.object or next(iter(self.destination.objects))

    @property
    def configured(self) -> Any:
        """Return the validated settings."""
        return self.destination.settings.model_validate(dict(self.settings))

    @property
    def match_field(self) -> str:
        """Return the field that identifies records in these cases."""
        return self.thing.match[0]

    def needs(self, op: Op) -> Action:
        """Return the action; without one the case does not apply."""
        if op not in self.destination.actions:
            self.not_applicable(op.value)
        return self.destination.actions[op]

    def fields(self, service: Handler) -> tuple[RemoteField, ...]:
        """Return some fields to write, one of each type first."""
        if self.destination.discover is None:
            return _SCHEMALESS
        found = drive(self.destination.discover(self.context()), service).value
        left_out = {*self.thing.match, *self.avoid}
        usable = [f for f in found if f.writable and f.name not in left_out and f.type not in ("json", "list")]
        firsts = list({(f.type, bool(f.options)): f for f in reversed(usable)}.values())
        return tuple(dict.fromkeys([*(f for f in usable if f.required), *firsts, *usable]))[:_FIELDS]

    def values(self, fields: Sequence[RemoteField], seed: int) -> dict[str, JSON]:
        """Return a wire value for each field."""
        return {field.name: value(field, self.destination.wire, seed) for field in fields}

    def context(self, **more: Any) -> Context:
        """Return what prepare, discover and read_back are told."""
        told = Context("test.customer", self.kind, self.configured, match_field=self.match_field)
        return replace(told, **more)

    def change(self, seq: int, op: Op = Op.UPSERT, **more: Any) -> Change:
        """Return a change of the record ``c<seq>`` (another one where ``match`` says so)."""
        more.setdefault("match", f"c{seq}@{self.domain}")
        return change(seq, op, **more)

    @property
    def ending(self) -> OnLeave:
        """Return the gentlest way in which the object ends a record; KEEP where nothing is done about it."""
        return next((one for one in _ENDINGS if one in self.thing.on_leave), OnLeave.KEEP)

    def batch(self, changes: Sequence[Change], op: Op, **more: Any) -> Batch:
        """Return a batch of the object under test; a LEAVE ends records unless told otherwise."""
        if op in (Op.JOIN, Op.PART):
            more.setdefault("cohort", Cohort("vip", "High Value", next(iter(self.thing.cohorts), "")))
        if op is Op.LEAVE:
            more.setdefault("on_leave", self.ending)
        return batch(changes, self.configured, op, **{"object": self.kind, "match_field": self.match_field, **more})

    def prepared(
        self, service: Handler, label: str = "High Value", style: str | None = None, **more: Any
    ) -> dict[str, JSON]:
        """Return what ``prepare`` finds or makes for the cohort ``vip``, in the default style unless named."""
        if self.destination.prepare is None:
            return {}
        style = style or next(iter(self.thing.cohorts), None)
        told = self.context(cohorts=(("vip", label),), cohort_style=style, **more)
        return dict(drive(self.destination.prepare(told), service).value)

    def run(self, service: Handler, changes: Sequence[Change], **more: Any) -> Driven:
        """Deliver changes of one operation and hold the account: one outcome each, none twice, all understood."""
        op = changes[0].op
        seen = deliver(self.needs(op), self.batch(changes, op, **more), service, pause=self.pass_time)
        assert seen.unreadable is None, f"a good reply was not understood: {seen.unreadable}"
        assert sorted(o.change.seq for o in seen.outcomes) == sorted(c.seq for c in changes)
        return seen

    def delivers(self, service: Handler, changes: Sequence[Change], **more: Any) -> list[Change]:
        """Run changes that must all be delivered; return them as a later run knows them."""
        seen = self.run(service, changes, **more)
        assert {o.status for o in seen.outcomes} == {Status.DELIVERED}, [o for o in seen.outcomes if o.code]
        by_seq = {outcome.change.seq: outcome for outcome in seen.outcomes}
        return [remembered(c, by_seq[c.seq]) for c in changes]

    def must_be_readable(self) -> None:
        """End the case where the destination cannot be read back."""
        if self.destination.read_back is None:
            self.not_applicable("read_back")

    def read(self, service: Handler, *matches: str, fields: Sequence[RemoteField] = (), **more: Any) -> Records:
        """Return what stands there: normalised identity → record."""
        assert self.destination.read_back is not None
        told = self.context(fields=tuple(field.name for field in fields), **more)
        found = drive(self.destination.read_back.run(told, matches), service).value
        return {record.identity: record for record in found}


Records = dict[str, RemoteRecord]


def remembered(sent: Change, outcome: Outcome) -> Change:
    """Return the change with what state remembers of its record after ``outcome``."""
    created = sent.created if outcome.created is None else outcome.created
    return replace(sent, remote_id=outcome.remote_id or sent.remote_id, created=bool(created))

"""A rehearsal that can be looked into: a project, stand-ins of its own, and what they were sent.

Nothing of it is left: state, stand-ins and the copy of revetl.yml live in a directory that goes away. Personal values
stand in clear in its ledger, so that they can be compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from revetl import run
from revetl.config.yamltext import read_yaml
from revetl.contract import Call, PutFile, Reply, Sql
from revetl.engine.glimpse import glimpse
from revetl.engine.workspace import Options, Plan, load
from revetl.sandbox import SANDBOXES, Sandbox, make
from revetl.sandbox.server import serve
from revetl.send.ports import Lane
from revetl.send.threads import ThreadWire
from revetl.send.wire import Before, Completion, Wire
from revetl.state.flowlog import Filters, Flow, search_ledger
from revetl.types import JSON, Effect, Event, Progress, RunResult

_OWN = ("state", "notify", "telemetry")  # parts of revetl.yml that reach beyond a rehearsal


@dataclass(frozen=True, slots=True)
class SentCall:
    """A call that carries rows to a destination: ``POST /path``, and its body: JSON as data, else text."""

    call: str
    body: JSON = None


@dataclass(slots=True)
class SentRecord:
    """A record as it was sent and acknowledged: field → value on the wire, and the cohorts (models) it is in."""

    identity: str
    fields: dict[str, JSON] = field(default_factory=dict)
    cohorts: set[str] = field(default_factory=set)


class Recorder(Before):
    """A wire that notes what may change something. Where there is no stand-in, whoever is called accepts everything."""

    def __init__(self, wire: Wire, calls: dict[str, list[SentCall]]) -> None:
        """Note into ``calls``, by destination, in the order of departure."""
        super().__init__(wire)
        self._calls = calls

    def submit(self, ticket: int, lane: Lane, call: Call) -> None:
        """Note a call and let it go, or accept it."""
        if call.effect is not Effect.READ:
            self._calls.setdefault(lane.name, []).append(_noted(lane, call))
        if isinstance(call, PutFile) or lane.destination.name in SANDBOXES:
            super().submit(ticket, lane, call)
        else:
            self._answered.append(Completion(ticket, reply=Reply(200, b"", {}, self._wire.now())))


def _noted(lane: Lane, call: Call) -> SentCall:
    if isinstance(call, PutFile):
        return SentCall(call.label, [dict(row) for row in call.rows])
    if isinstance(call, Sql):
        return SentCall(call.label, json.loads(call.argument or b"null"))
    path = call.path.removeprefix(f"/{lane.destination.name}") if lane.origin is not None else call.path
    text = (call.content or b"").decode("utf-8", "replace")
    try:
        body = json.loads(text) if text and "json" in call.content_type else text or None
    except ValueError:  # one JSON document a line
        body = text
    return SentCall(f"{call.method} {path}", body)


class Rehearsal:
    """A project on its stage: run it as often as you like, and look at what stands there."""

    def __init__(self, options: Options, boxes: Mapping[str, Sandbox]) -> None:
        """Take the project that ``options`` name; ``boxes`` are the stand-ins that it meets."""
        self.options = options
        self.boxes = boxes
        self._calls: dict[str, list[SentCall]] = {}

    def plan(self) -> Plan:
        """Return what a sync would do."""
        return run.plan(self.options)

    def sync(self) -> RunResult:
        """Sync; :meth:`calls` are those of this run from then on."""
        self._calls = {}
        begun: list[Event] = []

        def begin(event: Event) -> None:
            if isinstance(event, Progress) and event.phase == "send" and not begun:
                self._calls.clear()  # what made ready for rows: fields, lists, tags
                begun.append(event)

        return run.sync(self.options, on_event=begin, wire=Recorder(ThreadWire(), self._calls))

    def calls(self, destination: str) -> list[SentCall]:
        """Return the calls of the last sync that carried rows to a destination, in the order of departure."""
        return list(self._calls.get(destination, ()))

    def records(self, sync: str) -> dict[str, SentRecord]:
        """Return the records that a sync stands behind, by identity: all that was acknowledged and did not leave."""
        found: dict[str, SentRecord] = {}
        for flow in self._flows(sync, ("delivered", "local")):
            _apply(flow, found)
        return {record.identity: record for record in found.values()}

    def rejected(self, sync: str) -> dict[str, tuple[str, str]]:
        """Return key (a composite one as a JSON array) → code and reason of what was refused in the last run."""
        flows = self._flows(sync, ("rejected",))
        last = max((flow.run for flow in flows), default="")
        return {_key(flow.key): (flow.code or "", flow.reason or "") for flow in flows if flow.run == last}

    def _flows(self, sync: str, outcomes: Sequence[str]) -> list[Flow]:
        with glimpse(load(self.options)) as seen:
            flows = search_ledger(seen.view, Filters(syncs=(sync,), newest_first=False))
        return [flow for flow in sorted(flows, key=lambda f: (f.run, f.seq)) if flow.outcome in outcomes]


def _key(text: str) -> str:
    parts = json.loads(text)
    return str(parts[0]) if len(parts) == 1 else text


def _apply(flow: Flow, found: dict[str, SentRecord]) -> None:
    """Let a change become true."""
    if flow.op == "leave":
        found.pop(flow.key, None)
        return
    record = found.setdefault(flow.key, SentRecord(flow.identity or ""))
    record.identity = flow.identity or record.identity
    if flow.op == "upsert":
        record.fields |= flow.values or {}
    elif flow.op == "join" and flow.cohort:
        record.cohorts.add(flow.cohort)
    elif flow.op == "part" and flow.cohort:
        record.cohorts.discard(flow.cohort)


def own_config(options: Options) -> dict[str, JSON]:
    """Return revetl.yml as a rehearsal reads it: without what reaches beyond it, and with a ledger in clear."""
    path = options.config_path or options.project_dir / "revetl.yml"
    data, _ = read_yaml(path.read_text(encoding="utf-8"), path=str(path))
    kept = {name: part for name, part in dict(data).items() if name not in _OWN}
    return kept | {"ledger": {"values": "clear"}}


@contextmanager
def rehearsal(options: Options) -> Iterator[Rehearsal]:
    """Rehearse a built project as it is: its models, revetl.yml and guards, before new stand-ins, for the block.

    Raises:
        RevetlError: the project cannot be used.
    """
    workspace = load(options, profile=False)
    with TemporaryDirectory(prefix="revetl-") as name, standing({p.type for p in workspace.resolved.syncs}) as here:
        home = Path(name)
        (home / "revetl.yml").write_text(json.dumps(own_config(options)), encoding="utf-8")
        own = replace(options, sandbox=True, home=home, config_path=home / "revetl.yml")
        yield Rehearsal(replace(own, env={**options.env, "REVETL_SANDBOX": here.origin}), here.boxes)


@dataclass(frozen=True, slots=True)
class Standing:
    """Stand-ins that are served."""

    origin: str
    boxes: Mapping[str, Sandbox]


@contextmanager
def standing(types: set[str]) -> Iterator[Standing]:
    """Serve new stand-ins of these types of destinations for the block, those of them that there are."""
    boxes = [make(name, keep_bodies=True) for name in sorted(types & set(SANDBOXES))]
    with serve(boxes) as server:
        yield Standing(f"http://{server.host}:{server.port}", {box.name: box for box in boxes})

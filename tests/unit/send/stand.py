"""A destination of three lines, lanes on a virtual wire, feeds from lists, a journal that remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from pydantic import BaseModel, SecretStr

from revetl.contract import (
    Action,
    Auth,
    BatchRejected,
    Call,
    Destination,
    Diagnosis,
    Exchange,
    Http,
    Limit,
    Object,
    Reply,
    WireFormat,
)
from revetl.send import Failure, Lane, Policy, Sender, Work
from revetl.send.ports import Usage
from revetl.testing.clock import FakeClock
from revetl.testing.wire import VirtualWire
from revetl.types import Batch, Change, Effect, Op, Outcome, Proof, Status

CANARY = "canary-secret-0a1b2c3d"


class Settings(BaseModel):
    """Settings with one secret."""

    api_key: SecretStr = SecretStr(CANARY)


def apply(settings: Any, token: Any, call: Http) -> Http:
    """Put the token, or else the key, on the call."""
    value = token.value if token is not None else settings.api_key.get_secret_value()
    return replace(call, headers=(*call.headers, ("authorization", f"Bearer {value}")))


def put_all(batch: Batch) -> Exchange:
    """Send the keys in one repeatable call; 400 refuses the batch, any other status proves every row."""
    keys = ",".join(change.key for change in batch.changes)
    reply = yield Http("POST", "/rows", content=keys.encode(), template="/rows")
    if reply.status == 400:
        return BatchRejected("BAD", "a row is bad")
    return [Outcome.delivered(change) for change in batch.changes]


def create_once(batch: Batch) -> Exchange:
    """Send the keys in one call that must not be repeated."""
    keys = ",".join(change.key for change in batch.changes)
    yield Http("POST", "/rows", content=keys.encode(), effect=Effect.ONCE)
    return [Outcome.delivered(change) for change in batch.changes]


def destination(
    run: Callable[[Batch], Exchange] = put_all,
    *,
    limits: tuple[Limit, ...] = (),
    diagnose: Callable[[Reply], Diagnosis | None] = lambda _: None,
    auth: Auth | None = None,
    proof: Proof = Proof.ROW,
    resume: Any = None,
    name: str = "shop",
) -> Destination:
    """Return a destination whose every operation is ``run``."""
    action = Action(run, max_records=100, proof=proof, resume=resume)
    return Destination(
        name=name,
        title=name,
        settings=Settings,
        objects={"row": Object(match=("email",))},
        actions=dict.fromkeys(Op, action),
        wire=WireFormat(),
        base_url=lambda _: "https://api.example.com/v1",
        hosts=("api.example.com",),
        limits=lambda _: limits,
        diagnose=diagnose,
        auth=auth or Auth(apply),
        request_id="X-Request-Id",
    )


def lane(to: Destination | None = None, **options: Any) -> Lane:
    """Return a lane to ``to``."""
    to = to or destination()
    return Lane(options.pop("name", to.name), to, Settings(), options.pop("account", to.name), **options)


def change(n: int, *, op: Op = Op.UPSERT, key: str | None = None, **more: Any) -> Change:
    """Return the n-th change of a sync."""
    key = key or f"k{n}"
    identity = more.pop("identity", f"{key}@example.com")
    return Change(n, more.pop("sync", "shop.customer"), key, op, identity, identity, **more)


def batch(changes: Iterable[Change], *, op: Op = Op.UPSERT) -> Batch:
    """Return a batch of ``changes``."""
    changes = tuple(changes)
    return Batch(changes[0].sync, "row", op, changes, Settings())


def batches(count: int, size: int = 1, *, sync: str = "shop.customer") -> list[Work]:
    """Return ``count`` batches of ``size`` upserts, every key once."""
    numbers = range(1, count * size + 1)
    rows = [change(n, sync=sync) for n in numbers]
    return [Work(batch(rows[at : at + size])) for at in range(0, count * size, size)]


@dataclass
class ListFeed:
    """A feed of ready batches."""

    lane: Lane
    works: list[Work]
    sync: str = "shop.customer"
    pulled: int = 0
    after: frozenset[str] = frozenset()
    refreshed: list[Work] = field(default_factory=list)

    def next(self) -> Work | None:
        """Return the next one."""
        if self.pulled == len(self.works):
            return None
        self.pulled += 1
        return self.works[self.pulled - 1]

    def refresh(self, work: Work) -> Work:
        """Remember that it was asked for."""
        self.refreshed.append(work)
        return work


@dataclass
class Memory:
    """A journal that remembers everything in order."""

    outcomes: list[Outcome] = field(default_factory=list)
    events: list[tuple[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, int | None]] = field(default_factory=list)
    flushed: int = 0
    usage: Mapping[str, Usage] = field(default_factory=dict)

    def started(self, batch: Batch) -> None:
        """Remember the mark."""
        self.events.append(("started", [change.key for change in batch.changes]))

    def job(self, batch: Batch, job: str) -> None:
        """Remember the job."""
        self.events.append(("job", job))

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Remember outcomes."""
        self.outcomes.extend(outcomes)
        self.events.append(("settle", [outcome.change.seq for outcome in outcomes]))

    def flush(self) -> None:
        """Remember how far it is durable."""
        self.flushed = len(self.outcomes)
        self.events.append(("flush", self.flushed))

    def used(self, usage: Mapping[str, Usage]) -> None:
        """Remember it."""
        self.usage = usage

    def call(self, lane: Lane, call: Call, status: int | None, seconds: float) -> None:
        """Remember the call."""
        self.calls.append((call.label, status))

    def statuses(self) -> dict[int, Status]:
        """Return status by sequence number, and insist on exactly one outcome each."""
        found = {outcome.change.seq: outcome.status for outcome in self.outcomes}
        assert len(found) == len(self.outcomes), "a change has two outcomes"
        return found

    def of(self, seq: int) -> Outcome:
        """Return the outcome of one change."""
        (found,) = [outcome for outcome in self.outcomes if outcome.change.seq == seq]
        return found


Answer = Callable[[Lane, Http, float], tuple[float, Reply | Failure]]


@dataclass
class Bench:
    """A sender on a virtual wire."""

    clock: FakeClock
    wire: VirtualWire
    journal: Memory
    sender: Sender
    seen: list[tuple[float, Http]]

    def run(self, *feeds: ListFeed) -> Any:
        """Deliver, and return the reports."""
        return self.sender.deliver(feeds)

    def times(self) -> list[float]:
        """Return when calls left, in seconds from the first one."""
        return [at - self.seen[0][0] for at, _ in self.seen]

    def bodies(self) -> list[str]:
        """Return the bodies in the order in which they left."""
        return [(call.content or b"").decode() for _, call in self.seen]


OK = Reply(200, b"{}", {"content-type": "application/json", "x-request-id": "r-1"})


def build(answer: Any = OK, *, latency: float = 0.05, seed: int = 1, queues: bool = False, **options: Any) -> Bench:
    """Return a bench around an answer, a function that answers, or a list of answers whose last one stays."""
    clock, journal, seen = FakeClock(), Memory(), []
    queue = list(answer) if isinstance(answer, list) else None

    def handle(lane: Lane, call: Any, now: float) -> tuple[float, Reply | Failure]:
        seen.append((now, call))
        if callable(answer):
            found = answer(lane, call, now)
            return found if isinstance(found, tuple) else (latency, found)
        if queue is not None:
            return latency, queue.pop(0) if len(queue) > 1 else queue[0]
        return latency, answer

    wire = VirtualWire(clock, handle, queues=queues)
    if "deadline" in options:
        options["deadline"] += clock.monotonic()
    sender = Sender(wire, journal, random=Random(seed), **{"policy": Policy(), **options})
    return Bench(clock, wire, journal, sender, seen)

"""What goes wrong around one run: when the process dies, the disk is full, the vendor is down, the clock jumps."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random

import duckdb

from revetl.contract import Action, Auth, Destination, Http, Limit, Reply, Token
from revetl.state.store import Store
from revetl.types import Op
from tests.faults.vendor import act

WINDOW = 20  # calls in any second
DAY = 86_400.0


class Crash(BaseException):
    """The process died here."""


@dataclass
class Weather:
    """The troubles of one run; without arguments there are none."""

    faults: bool = False  # whether calls meet with faults
    crash_at: int = 0  # the crash point, counted from 1, at which the process dies; 0: it lives
    full_at: int = 0  # the commit, counted from 1, for which the disk has no room
    down: bool = False  # no call is let in
    empty: bool = False  # the model is empty: a load that went wrong
    quota: int | None = None  # calls in a day
    deadline: float | None = None  # seconds from the start
    stop_after: int = 0  # how often the run may ask before it is told to stop; 0: it never is
    free: bool = False  # nobody tells limits: calls are queued before their turn
    at_once: int = 4  # calls in flight
    chunk: int = 4  # changes that are committed at a time
    batch: int = 3  # changes of a call
    jump: float = 0.0  # seconds by which the time of day is set, while the run sends


def drawn(random: Random, points: int, *, crowd: bool, jumps: bool) -> Weather:
    """Return the weather of a run; ``points``: how many crash points a run before it came by."""

    def maybe(share: float, value: int) -> int:
        return value if random.random() < share else 0

    made = Weather(
        faults=True,
        crash_at=maybe(0.4, random.randint(1, max(25, points))),
        full_at=maybe(0.06, random.randint(1, max(5, points // 6))),
        down=random.random() < 0.04,
        empty=random.random() < 0.05,
        stop_after=maybe(0.06, random.randint(1, max(10, points // 4))),
        deadline=random.uniform(0.1, 20.0) if random.random() < 0.1 else None,
    )
    if crowd:
        made.at_once, made.chunk, made.batch = random.choice([4, 16, 32]), random.choice([40, 150, 600]), 6
    if jumps:
        made.jump = random.choice([-7200.0, -60.0, 60.0, 7200.0])
    return made


def crasher(at: int, passed: list[str]) -> Callable[[str], None]:
    """Return what a run calls at each crash point; it dies at the one that is ``at``."""

    def crash(point: str) -> None:
        passed.append(point)
        if len(passed) == at:
            raise Crash(point)

    return crash


class FullStore(Store):
    """A state whose disk has no room for one commit."""

    full_at = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, unless there is no room for it."""
        with super().transaction():
            yield
            self.full_at -= 1
            if self.full_at == 0:
                raise duckdb.IOException("No space left on device")


def _token(_settings: object) -> Generator[Http, Reply, Token]:
    reply = yield Http("POST", "/token", authenticated=False)
    return Token(reply.json()["token"])


def _dressed(_settings: object, token: Token | None, call: Http) -> Http:
    assert token is not None
    return replace(call, headers=(*call.headers, ("authorization", f"Bearer {token.value}")))


def destination(plain: Destination, weather: Weather) -> Destination:
    """Return a destination with this weather's limits, whose tokens expire."""
    limits = [Limit("all", WINDOW, 1.0), Limit("at once", weather.at_once, kind="concurrency")]
    if weather.free:
        limits = []
    if weather.quota is not None:
        limits.append(Limit("day", weather.quota, DAY, kind="quota"))
    actions = {op: Action(act, max_records=weather.batch) for op in Op}
    return replace(plain, limits=lambda _: tuple(limits), actions=actions, auth=Auth(_dressed, _token))

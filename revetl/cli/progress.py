"""A running sync, shown: bars with rate and time left on a terminal, plain lines everywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from revetl.cli.screen import Screen
from revetl.cli.words import clean, span
from revetl.types import Event
from revetl.types import Progress as Beat

EVERY = 10.0  # seconds between plain lines of one phase
_PHASES = {"read": "reading", "diff": "comparing", "stage": "writing down", "send": "sending", "record": "recording"}


@contextmanager
def watching(screen: Screen, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[Event], None]]:
    """Yield what takes the events of a run, and shows its beats."""
    moves = screen.err.is_terminal and not screen.err.is_dumb_terminal  # TERM=dumb: what is drawn stays, or is read out
    if moves and not screen.quiet and screen.log_format == "text":
        with Bars(screen).shown() as bars:
            yield _beats(bars.take)
    else:
        yield _beats(Lines(screen, clock).take)


def _beats(take: Callable[[Beat], None]) -> Callable[[Event], None]:
    return lambda event: take(event) if isinstance(event, Beat) else None


class Bars:
    """One bar a sync, with its rate and the time left."""

    def __init__(self, screen: Screen) -> None:
        """Draw nothing yet."""
        rate = TextColumn("{task.fields[rate]}", justify="right")
        name = TextColumn("{task.description}", markup=False)
        self._progress = Progress(
            name, BarColumn(bar_width=None), MofNCompleteColumn(), rate, TimeRemainingColumn(),
            console=screen.err, transient=True,
        )  # fmt: skip
        self._tasks: dict[str, tuple[TaskID, str]] = {}

    @contextmanager
    def shown(self) -> Iterator[Bars]:
        """Draw until the block ends, then wipe the bars."""
        with self._progress:
            yield self

    def take(self, beat: Beat) -> None:
        """Move the bar of the beat's sync; a new phase begins a new bar in its place."""
        words = f"{clean(beat.sync, 40)} {_PHASES.get(beat.phase, beat.phase)}"
        known = self._tasks.get(beat.sync)
        if known is None:
            known = (self._progress.add_task(words, total=beat.total, rate=""), beat.phase)
        elif known[1] != beat.phase:
            self._progress.reset(known[0], total=beat.total, description=words, rate="")
        self._tasks[beat.sync] = (known[0], beat.phase)
        task = self._progress.tasks[self._progress.task_ids.index(known[0])]
        rate = f"{task.speed:,.0f}/s" if task.speed else ""
        self._progress.update(known[0], completed=beat.done, total=beat.total, description=words, rate=rate)


@dataclass
class _Phase:
    name: str
    since: float
    said: float
    start: int


class Lines:
    """A line at the begin of each phase of a sync and every few seconds while it lasts."""

    def __init__(self, screen: Screen, clock: Callable[[], float] = time.monotonic) -> None:
        """Say nothing yet; ``clock`` gives seconds."""
        self._screen = screen
        self._clock = clock
        self._phases: dict[str, _Phase] = {}

    def take(self, beat: Beat) -> None:
        """Write a line where one is due."""
        now = self._clock()
        phase = self._phases.get(beat.sync)
        if phase is None or phase.name != beat.phase:
            phase = self._phases[beat.sync] = _Phase(beat.phase, now, now, beat.done)
        elif now - phase.said < EVERY:
            return
        phase.said = now
        data = {"sync": beat.sync, "phase": beat.phase, "done": beat.done, "total": beat.total}
        self._screen.say(_words(beat, phase, now), data=data)


def _words(beat: Beat, phase: _Phase, now: float) -> str:
    words = f"{beat.sync}: {_PHASES.get(beat.phase, beat.phase)}"
    if beat.total:
        words += f" {beat.done:,} of {beat.total:,}"
    took, done = now - phase.since, beat.done - phase.start
    if took > 0 and done > 0:
        rate = done / took
        words += f", {rate:,.0f}/s"
        if beat.total and beat.total > beat.done:
            words += f", {span((beat.total - beat.done) / rate)} left"
    return f"{words} {beat.message}".rstrip()

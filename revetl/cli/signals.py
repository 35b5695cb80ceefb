"""SIGINT and SIGTERM during a sync: the first asks for an orderly end, the second ends at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from revetl.types.results import SIGNALS

PATIENCE = 4.5  # seconds: GitHub kills 7.5 s after SIGINT; what is not closed by then is closed by the next run


@contextmanager
def stopping(
    tell: Callable[[str], str] = str, *, patience: float = PATIENCE, leave: Callable[[int], object] = os._exit
) -> Iterator[Callable[[], str | None]]:
    """Yield what says which signal came, None while none did; the handlers there were are back afterwards.

    ``tell`` makes a line of the words that greet the signal. An orderly end that takes longer than ``patience`` seconds
    is cut off by ``leave`` (an exit code): everything that was sent is durable by then, and the next run accounts for
    it.
    """
    state: dict[str, str] = {}

    def end(name: str) -> None:
        if armed:
            leave(SIGNALS[name])

    def handle(number: int, _: FrameType | None) -> None:
        name = signal.Signals(number).name
        if state:
            leave(SIGNALS[name])
            return
        state["signal"] = name
        words = tell(f"{name}: stopping; what was sent is recorded (again: stop at once)")
        os.write(2, f"{words}\n".encode())  # a handler must not enter a stream that it may have interrupted
        timer = threading.Timer(patience, end, (name,))
        timer.daemon = True
        timer.start()
        armed.append(timer)

    armed: list[threading.Timer] = []
    before = {number: signal.signal(number, handle) for number in _signals()}
    try:
        yield lambda: state.get("signal")
    finally:
        for timer in armed:
            timer.cancel()
        armed.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def _signals() -> tuple[signal.Signals, ...]:
    """Return the signals to take; Python lets only the main thread take any."""
    if threading.current_thread() is not threading.main_thread():
        return ()
    return (signal.SIGINT, signal.SIGTERM)


@contextmanager
def waiting(ended: threading.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM set ``ended`` for the block: the ordinary end of what runs until it is told to stop."""
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in _signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

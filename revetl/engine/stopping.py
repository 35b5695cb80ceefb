"""A signal while models are read or compared: the statement at work is broken off, and those to come are not begun."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from revetl.errors import TryLater

Stop = Callable[[], str | None]  # names what asked for the end, once something did
POLL = 0.2  # seconds: a statement that was only about to begin is met at the next one


def never() -> str | None:
    """Never stop."""
    return None


def stopped(sync: str, stop: Stop) -> TryLater | None:
    """Return why a sync is not read to its end, None while nothing asked for the run's."""
    word = stop()
    if word is None:
        return None
    what = f"{sync}: the run was stopped by {word} before it was known what to send"
    return TryLater("RVT-611", what, kept="nothing of it was sent", hint="run the same command again later")


def go_on(sync: str, stop: Stop) -> None:
    """Begin nothing more of a sync once the run is to end.

    Raises:
        TryLater: RVT-611.
    """
    error = stopped(sync, stop)
    if error is not None:
        raise error


@contextmanager
def breaking_off(con: Any, stop: Stop) -> Iterator[None]:
    """Interrupt what ``con`` executes within the block, as soon as ``stop`` says so."""
    if stop is never:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(POLL):
            if stop() is not None:
                con.interrupt()

    watcher = threading.Thread(target=watch, name="revetl-stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()

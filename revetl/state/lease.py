"""The run lock of a shared state: a lease with a heartbeat. A run that cannot renew it starts no call."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from revetl.errors import RevetlError, TryLater
from revetl.state.owner import Owner

SECONDS = 60.0  # after which the lease of a run that died is anybody's
PATIENCE = 2.0
BEATS = 4  # renewals in that time


class Lease:
    """A lease that is held. Whether it still is, is told by this machine's monotonic clock alone."""

    def __init__(self, owner: Owner, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Prepare to take it under a token that nobody else has."""
        self.token = secrets.token_hex(16)
        self._owner = owner
        self._seconds = seconds
        self._monotonic = monotonic
        self._until = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="revetl-lease", daemon=True)

    @property
    def valid(self) -> bool:
        """Return whether the lease holds for certain: measured from before the renewal was asked for."""
        return self._monotonic() < self._until

    def take(self) -> None:
        """Take it, and renew it from now on.

        Raises:
            TryLater: RVT-502, another run holds it.
        """
        began = self._monotonic()
        other = self._owner.acquire(self.token, f"pid {os.getpid()} on {socket.gethostname()}", self._seconds)
        if other is not None:
            raise TryLater(
                "RVT-502",
                f"another revetl run works on this target ({other.name}, since {other.since})",
                kept="nothing was read or sent",
                hint=f"wait for it; if it died, its lease ends in {max(other.left, 0):.0f} s",
            )
        self._until = began + self._seconds
        self._thread.start()

    def give_back(self) -> None:
        """Stop renewing, and let the next run begin at once."""
        self._stop.set()
        self._thread.join(PATIENCE)  # a renewal may be under way, over a connection of its own
        self._until = 0.0
        self._owner.release(self.token)

    def _renew(self) -> None:
        while not self._stop.wait(self._seconds / BEATS):
            began = self._monotonic()
            try:
                if not self._owner.renew(self.token, self._seconds):
                    self._until = 0.0  # another's
                    return
            except RevetlError:
                continue  # out of reach: it is tried again until the time is over
            if not self._stop.is_set():
                self._until = began + self._seconds


@contextmanager
def leased(owner: Owner, seconds: float = SECONDS) -> Iterator[Lease]:
    """Hold the lease for the block.

    Raises:
        TryLater: RVT-502, another run holds it.
    """
    lease = Lease(owner, seconds)
    lease.take()
    try:
        yield lease
    finally:
        with suppress(RevetlError):  # out of reach: it ends by itself
            lease.give_back()

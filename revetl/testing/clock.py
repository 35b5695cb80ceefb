"""A clock that moves only when told to."""

from __future__ import annotations


class FakeClock:
    """Time of day and monotonic time, kept apart as the real ones are."""

    def __init__(self, epoch: float = 1_750_000_000.0, monotonic: float = 1_000.0) -> None:
        """Start at ``epoch`` (UTC seconds) and ``monotonic`` seconds."""
        self._epoch = epoch
        self._monotonic = monotonic

    def now(self) -> float:
        """Return UTC epoch seconds."""
        return self._epoch

    def monotonic(self) -> float:
        """Return monotonic seconds."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` (not negative) pass on both."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._epoch += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Set the time of day forth or back; the monotonic clock does not notice."""
        self._epoch += seconds

"""The rows of a chunk are ready before it is staged, and those of the first chunk before those of any other."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from revetl.state.outbox import Outbox, Stage


class Told:
    """A store that keeps the ranges it was told to make ready and to stage."""

    clock = staticmethod(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    crash = staticmethod(lambda _: None)
    set_meta = staticmethod(lambda *_: None)
    advance_head = staticmethod(lambda _: None)
    last_seq = staticmethod(lambda: 0)
    transaction = staticmethod(nullcontext)

    def __init__(self) -> None:
        """Start with nothing."""
        self.con = self
        self.ready: list[range] = []
        self.staged: list[int] = []

    def execute(self, text: str) -> None:
        """Take a statement: staging needs what the last one made ready."""
        verb, _, told = text.partition(" ")
        if verb == "ready":
            lo, hi = map(int, told.split())
            self.ready.append(range(lo, hi + 1))
        elif verb == "outbox":
            lo, hi = map(int, told.split())
            assert lo in self.ready[-1]
            assert hi in self.ready[-1]
            self.staged += range(lo, hi + 1)


@given(st.integers(1, 50), st.integers(1, 7), st.integers(0, 400))
def test_each_chunk_finds_its_rows_ready(lo: int, chunk: int, more: int) -> None:
    """Every change is staged once, from rows made ready once; nothing but the first chunk's are before it is staged."""
    told: Any = Told()
    outbox = Outbox(told, "run", chunk)
    stage = Stage("s", lo, lo + more, "ready {lo} {hi}", "done", "outbox {lo} {hi}", "after", "verdicts")
    at, first = lo, True
    while at <= stage.hi:
        at = outbox.stage(stage, at) + 1
        assert not first or told.ready == [range(lo, lo + chunk)]
        first = False
    assert told.staged == list(range(lo, lo + more + 1))
    assert all(one.stop == two.start for one, two in zip(told.ready, told.ready[1:], strict=False))

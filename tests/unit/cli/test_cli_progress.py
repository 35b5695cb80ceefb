from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from io import StringIO

import pytest
from rich.console import Console

from revetl.cli.progress import Bars, Lines, watching
from revetl.cli.screen import Screen, console
from revetl.cli.signals import stopping
from revetl.types import Progress


def lines_screen() -> tuple[Screen, StringIO]:
    """Return a screen without a terminal and what its words come to."""
    text = StringIO()
    return Screen(console(StringIO()), console(text, width=100)), text


def test_lines_say_rate_and_time_left_every_ten_seconds() -> None:
    """A phase is said when it begins; after ten seconds what was done, how fast, and how long it still takes."""
    now = [0.0]
    screen, text = lines_screen()
    lines = Lines(screen, lambda: now[0])
    for second in range(21):
        now[0] = float(second)
        lines.take(Progress("a.b", "send", second * 50, 2000))
    assert text.getvalue().splitlines() == [
        "a.b: sending 0 of 2,000",
        "a.b: sending 500 of 2,000, 50/s, 30 s left",
        "a.b: sending 1,000 of 2,000, 50/s, 20 s left",
    ]


def test_syncs_have_lines_of_their_own() -> None:
    """Two syncs in flight do not silence each other."""
    screen, text = lines_screen()
    lines = Lines(screen, lambda: 0.0)
    for name in ("a.b", "c.d", "a.b"):
        lines.take(Progress(name, "read"))
    assert text.getvalue().splitlines() == ["a.b: reading", "c.d: reading"]


def terminal() -> tuple[Screen, StringIO]:
    """Return a screen that takes itself for a terminal."""
    text = StringIO()
    err = Console(file=text, force_terminal=True, width=100, markup=False)
    return Screen(console(StringIO()), err), text


def test_bars_show_each_sync_on_a_terminal() -> None:
    """On a terminal each sync has a bar with done and total; names from outside are cleaned."""
    screen, text = terminal()
    with watching(screen) as watch:
        watch(Progress("a.b\x07", "diff"))
        watch(Progress("a.b\x07", "send", 5, 10))
        watch(Progress("[red]c", "send", 1, 4))
    shown = text.getvalue()
    assert "a.b sending" in shown
    assert "[red]c sending" in shown
    assert "5/10" in shown
    assert "\x07" not in shown


def test_a_terminal_that_cannot_redraw_has_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """With TERM=dumb, as screen readers and editors' shells want it, there are plain lines and no bar."""
    monkeypatch.setenv("TERM", "dumb")
    text = StringIO()
    screen = Screen(console(StringIO()), Console(file=text, force_terminal=True, width=80))
    with watching(screen) as watch:
        watch(Progress("a.b", "send", 0, 2000))
    assert text.getvalue() == "a.b: sending 0 of 2,000\n"


def test_bars_begin_anew_with_each_phase() -> None:
    """What was done of one phase is not taken for the next."""
    screen, _ = terminal()
    bars = Bars(screen)
    bars.take(Progress("a.b", "stage", 10, 10))
    bars.take(Progress("a.b", "send", 0, 20))
    (task,) = bars._progress.tasks
    assert (task.completed, task.total) == (0, 20)


def test_first_signal_asks_and_the_handlers_come_back() -> None:
    """The first SIGTERM is named to whoever asks; nothing is ended, and the old handler is back afterwards."""
    before = signal.getsignal(signal.SIGTERM)
    left: list[int] = []
    with stopping(leave=left.append) as stop:
        assert stop() is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop() == "SIGTERM"
    assert left == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_second_signal_leaves_at_once_with_its_code() -> None:
    """SIGINT twice is 130 without waiting."""
    left: list[int] = []
    with stopping(leave=left.append) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop() == "SIGINT"
    assert left == [130]


def test_an_end_that_takes_too_long_is_cut_off() -> None:
    """After its patience the process leaves, with the code of the signal."""
    code = (
        "import os, signal, time\nfrom revetl.cli.signals import stopping\n"
        "with stopping(patience=0.2):\n    os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(30)\n"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 143
    assert done.stderr.startswith("SIGTERM: stopping")
    assert time.monotonic() - began < 15

"""A pytest plugin that asks the tests of each mutant, each in a fork of one process that has collected them all.

The first fork plays every test, and notes which functions it comes by and how long it takes. Then one fork per mutant
plays the quickest tests of its function, until one fails or their seconds are up. The parent plays none: it has no
threads and no connections that a fork could find broken.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import resource
import shutil
import signal
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

import hypothesis
import pytest
from hypothesis import Phase
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.format_utils import mangled_name_from_mutant_name

KILLED, SURVIVED, UNSEEN, SLOW = "killed", "survived", "no test", "endless"
SEEN, ORDERS, ENDS = Path("seen.json"), Path("orders.json"), Path("ends.json")
LONGEST = 12.0  # seconds; a test that takes longer is not asked
GRACE = 15  # seconds beyond three times what the tests took before
PATIENCE = 900.0  # seconds by the clock, for what waits and takes no time of the processor


@dataclass
class Seen:
    """What a test did: whether it passed, its seconds of the processor, which functions it came by; of which files."""

    key: str
    passed: bool
    seconds: float
    functions: Sequence[str]


@dataclass(eq=False)
class Watch:
    """Whether a test of this fork failed."""

    failed: bool = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a phase of a test; one that skips would notice nothing."""
        self.failed = self.failed or not report.passed


@dataclass
class Fork:
    """A process that plays tests, in a folder of its own."""

    mutant: str
    home: str
    until: float


def play(items: Sequence[pytest.Item], watch: Watch) -> int:
    """Play tests until one fails."""
    for item, then in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=then)
        if watch.failed:
            return 1
    return 0


def look(items: Sequence[pytest.Item], watch: Watch, seen: dict[str, Seen], keys: Mapping[str, str]) -> int:
    """Play tests and write down what each did."""
    for item, then in zip(items, [*items[1:], None], strict=True):
        watch.failed, began = False, time.process_time()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=then)
        taken = time.process_time() - began
        seen[item.nodeid] = Seen(keys[file_of(item.nodeid)], not watch.failed, taken, sorted(state()._stats.copy()))
        state()._stats.clear()
        SEEN.write_text(json.dumps({test: astuple(did) for test, did in seen.items()}), encoding="utf-8")
    return 0


def file_of(test: str) -> str:
    """Return the file of a test."""
    return test.partition("::")[0]


def recall(keys: Mapping[str, str]) -> dict[str, Seen]:
    """Return what was seen of tests whose files are as they were."""
    found = json.loads(SEEN.read_text(encoding="utf-8")) if SEEN.exists() else {}
    kept = {test: Seen(*did) for test, did in found.items()}
    return {test: did for test, did in kept.items() if did.key == keys.get(file_of(test))}


def fork(mutant: str, items: Sequence[pytest.Item], work: Callable[[Watch], int], seconds: int) -> tuple[int, str]:
    """Return the process that does some work as a mutant, in so many seconds, and the folder of its files."""
    home = tempfile.mkdtemp(prefix="mutant-")
    if process := os.fork():
        return process, home
    code = 3  # of work that does not come back
    try:
        os.setsid()
        if seconds:
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        watch = Watch()
        items[0].config.pluginmanager.register(watch)
        items[0].config._tmp_path_factory._basetemp = Path(home).resolve()  # type: ignore[attr-defined]
        set_mutant_under_test(mutant)
        code = work(watch)
    except BaseException:  # noqa: BLE001 - whatever it is, nobody else will ever see it
        Path("trouble.txt").write_text(traceback.format_exc(), encoding="utf-8")
    finally:
        os._exit(code)


class Forks:
    """The loop that takes the place of pytest's."""

    def __init__(self) -> None:
        """Begin with no process."""
        self.running: dict[int, Fork] = {}
        self.ends: dict[str, str] = {}
        self.key = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Look, unless the files are those that were looked at; then play the mutants."""
        orders = json.loads(ORDERS.read_text(encoding="utf-8"))
        keys = orders["keys"]
        seen = recall(keys)
        if unseen := [item for item in session.items if item.nodeid not in seen]:
            process, home = fork("stats", unseen, lambda watch: look(unseen, watch, seen, keys), 0)
            os.waitpid(process, 0)
            shutil.rmtree(home, ignore_errors=True)
            seen = recall(keys)
        self.key = hashlib.sha256(json.dumps(keys, sort_keys=True).encode()).hexdigest()
        self.ends = kept(self.key)
        mutants = [one for one in orders["mutants"] if one not in self.ends]
        self._all(mutants, by_function(session.items, seen, orders["seconds"]), orders["workers"])
        self._keep()
        return True

    def _all(self, mutants: Sequence[str], asked: Mapping[str, tuple[list[pytest.Item], float]], workers: int) -> None:
        for mutant in mutants:
            items, seconds = asked.get(mangled_name_from_mutant_name(mutant), ([], 0.0))
            if not items:
                self.ends[mutant] = UNSEEN
                continue
            while len(self.running) >= workers:
                self._reap()
            work = partial(play, items)
            process, home = fork(mutant, items, work, math.ceil(3 * seconds) + GRACE)
            self.running[process] = Fork(mutant, home, time.monotonic() + PATIENCE)
        while self.running:
            self._reap()

    def _reap(self) -> None:
        """Wait a moment; take what has ended, and end what takes too long."""
        time.sleep(0.02)
        for process, one in list(self.running.items()):
            late = time.monotonic() > one.until
            ended, status = os.waitpid(process, os.WNOHANG)
            if not ended and not late:
                continue
            _end_group(process)
            if not ended:
                os.waitpid(process, 0)
            shutil.rmtree(one.home, ignore_errors=True)
            endless = not ended or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in {signal.SIGXCPU, signal.SIGKILL})
            self.ends[one.mutant] = SLOW if endless else KILLED if status else SURVIVED
            del self.running[process]
            self._keep()

    def _keep(self) -> None:
        ENDS.write_text(json.dumps({"key": self.key, "ends": self.ends}), encoding="utf-8")


def kept(key: str) -> dict[str, str]:
    """Return how mutants ended in a run that was broken off, of these very files."""
    found = json.loads(ENDS.read_text(encoding="utf-8")) if ENDS.exists() else {}
    ends: dict[str, str] = found.get("ends", {}) if found.get("key") == key else {}
    return ends


def _end_group(process: int) -> None:
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def by_function(
    items: Sequence[pytest.Item], seen: Mapping[str, Seen], seconds: float
) -> Mapping[str, tuple[list[pytest.Item], float]]:
    """Return for each function the tests that come by it, quickest first, and what they took in all."""
    found: dict[str, tuple[list[pytest.Item], float]] = defaultdict(lambda: ([], 0.0))
    known = {item.nodeid: item for item in items}
    for test, did in sorted(seen.items(), key=lambda one: one[1].seconds):
        if not did.passed or did.seconds > LONGEST or test not in known:
            continue
        for function in did.functions:
            some, taken = found[function]
            if taken + did.seconds <= seconds or not some:
                found[function] = ([*some, known[test]], taken + did.seconds)
    return found


def pytest_configure(config: pytest.Config) -> None:
    """Take the loop; an example that fails is as good as the smallest that does."""
    hypothesis.settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate), deadline=None)
    hypothesis.settings.load_profile("mutants")
    config.pluginmanager.register(Forks())

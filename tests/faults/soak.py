"""Plays histories for hours, in parallel, and stops at the first that does not converge: ``make soak N=1000000``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count, islice

from tests.faults.worlds import CROWD, replay

BEYOND = 1_000  # seeds below are played by the tests
KINDS = ("crowd",) * 3 + ("crowd-whole",)


def _play(seed: int) -> tuple[int, str]:
    """Return a seed, and what is wrong with it."""
    try:
        replay(seed, KINDS[seed % len(KINDS)])
    except BaseException as error:  # noqa: BLE001 - a bug of the engine is a finding, too
        return seed, f"{type(error).__name__}: {error}"
    return seed, ""


def soak(histories: int, workers: int, first: int = BEYOND) -> int:
    """Play; return the exit code."""
    todo = islice(count(first), -(-histories // CROWD))
    began, done = time.monotonic(), 0
    with ProcessPoolExecutor(workers) as pool:
        running: set[Future[tuple[int, str]]] = {pool.submit(_play, seed) for seed in islice(todo, 2 * workers)}
        while running:
            over, running = wait(running, return_when=FIRST_COMPLETED)
            for seed, wrong in (one.result() for one in over):
                if wrong:
                    pool.shutdown(wait=False, cancel_futures=True)
                    sys.stderr.write(f"\n{wrong}\n")
                    told = f"pytest tests/faults --seed {seed} --world {KINDS[seed % len(KINDS)]}"
                    sys.stdout.write(f"after {done:,} histories that converged; replay: {told}\n")
                    return 1
                done += CROWD
                running |= {pool.submit(_play, seed) for seed in islice(todo, 1)}
            rate = done / (time.monotonic() - began)
            sys.stderr.write(f"\r{done:,} of {histories:,} histories, {rate:,.0f} a second ")
            sys.stderr.flush()
    sys.stdout.write(f"\n{done:,} histories converged; less than {3 / done:.1e} of such do not (95 %)\n")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("histories", type=int)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--first", type=int, default=BEYOND, help="the first seed")
    told = parser.parse_args(arguments)
    return soak(told.histories, told.workers, told.first)


if __name__ == "__main__":
    sys.exit(main())

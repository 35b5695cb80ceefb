"""A sample of mutants of what the delivery rule rests on: ``make mutants`` writes docs/mutants.md.

mutmut makes them and picks the tests of each; there are far more than a night is long, so a seed draws some of each
room, and the score comes with its interval (Wilson, 95 %). Survivors are listed: each is a missing test, or a change
that changes nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

PAGE = Path("docs/mutants.md")
MUTANTS = Path("mutants")
ROOMS: Mapping[str, tuple[str, ...]] = {
    "diff": ("revetl/diff/",),
    "guards": ("revetl/diff/guard", "revetl/diff/habits", "revetl/engine/usual", "revetl/engine/holding"),
    "ledger": ("revetl/state/ledger", "revetl/state/rewriting", "revetl/state/tombstones"),
    "retry": ("revetl/send/",),
    "state": ("revetl/state/",),
}
KILLED, SURVIVED, UNSEEN, SLOW = "killed", "survived", "no test", "endless"
ENDINGS = {0: SURVIVED, 1: KILLED, 3: KILLED, 5: UNSEEN, 33: UNSEEN} | dict.fromkeys((24, -24, 36, 152, 255), SLOW)
HEAD = """# Mutants

Written by `make mutants`: {number} of {total:,} mutants, drawn with seed {seed}; nothing here is typed by hand. Each
is a small change of the code, which some test must notice; those of SQL are changes of its text. Tests that need a
server are not asked, and neither are the simulator's.

| room | mutants | drawn | noticed | share (95 %) | survived | no test comes by |
|---|---|---|---|---|---|---|
"""


def room(module: str) -> str:
    """Return the room of a file: the narrowest that it lies in."""
    found = [(len(prefix), name) for name, some in ROOMS.items() for prefix in some if module.startswith(prefix)]
    return max(found)[1]


def results() -> dict[str, dict[str, int | None]]:
    """Return room → mutant → exit code of its tests, None where they did not run."""
    found: dict[str, dict[str, int | None]] = defaultdict(dict)
    for path in MUTANTS.rglob("*.meta"):
        module = path.relative_to(MUTANTS).as_posix()
        found[room(module)] |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def interval(good: int, of: int) -> tuple[float, float]:
    """Return the Wilson interval of a share, 95 %."""
    z = 1.96
    share, wide = good / of, z * z / of
    middle = (share + wide / 2) / (1 + wide)
    reach = z * math.sqrt(share * (1 - share) / of + wide / (4 * of)) / (1 + wide)
    return middle - reach, middle + reach


def mutmut(names: Sequence[str], workers: int) -> None:
    """Let mutmut run these mutants."""
    command = [sys.executable, "-P", "-m", "mutmut", "run", "--max-children", str(workers), *names]
    subprocess.run(command, check=False, env=os.environ | {"PYTHONPATH": str(MUTANTS.resolve())})


def page(drawn: Mapping[str, Sequence[str]], total: Mapping[str, int], seed: int) -> str:
    """Return the page."""
    after, lines, survivors = results(), [], []
    for name, some in sorted(drawn.items()):
        ended = [(one, ENDINGS.get(code, KILLED)) for one in some if (code := after[name].get(one)) is not None]
        count = {word: sum(end == word for _, end in ended) for word in (KILLED, SURVIVED, UNSEEN, SLOW)}
        noticed = count[KILLED] + count[SLOW]
        low, high = interval(noticed, len(ended)) if ended else (0.0, 1.0)
        lines.append(
            f"| {name} | {total[name]:,} | {len(ended)} | {noticed} | {noticed / max(len(ended), 1):.0%} "
            f"({low:.0%} to {high:.0%}) | {count[SURVIVED]} | {count[UNSEEN]} |"
        )
        survivors += [f"- {name}: `{one}`, {end}" for one, end in ended if end in {SURVIVED, UNSEEN}]
    head = HEAD.format(number=sum(map(len, drawn.values())), total=sum(total.values()), seed=seed)
    told = "`mutmut show NAME` shows what was changed.\n\n" + "\n".join(sorted(survivors))
    return f"{head}{chr(10).join(lines)}\n\n## Survivors\n\n{told}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int, help="mutants of each room")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    told = parser.parse_args(arguments)
    MUTANTS.mkdir(exist_ok=True)  # a path that is not there yet when Python starts is never looked into
    mutmut(["none"], told.workers)  # makes them, learns which test comes by which, and runs none
    random, made = Random(told.seed), results()
    drawn = {name: random.sample(sorted(some), min(told.number, len(some))) for name, some in sorted(made.items())}
    mutmut([one for some in drawn.values() for one in some], told.workers)
    PAGE.write_text(page(drawn, {name: len(some) for name, some in made.items()}, told.seed), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A sample of mutants of what the delivery rule rests on: ``make mutants`` writes docs/mutants.md.

There are more than a night is long, so a seed draws some of each room, and the score comes with its interval (Wilson,
95 %). Survivors are listed: each is a missing test, or a change that changes nothing, which `explained.py` says.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from random import Random

from tests.shared import ROOT
from tests.trust.explained import reason
from tests.trust.mutants import Change, change, mutate, names
from tests.trust.rooms import ROOMS, SERVERS, room

PAGE, COPY = ROOT / "docs" / "mutants.md", ROOT / "mutants"


OPERATORS = (ROOT / "tests" / "trust" / "mutants.py",)
KILLED, SURVIVED, UNSEEN, SLOW = "killed", "survived", "no test", "endless"
HEAD = """# Mutants

Written by `make mutants`: {number} of {total:,} mutants, drawn with seed {seed}; nothing here is typed by hand. Each
is one small change of the code, or of the SQL in it, which some test must notice. Of the tests that the table names,
those are asked that come by the changed function and take less than 12 seconds of the processor, the quickest first and
{seconds:.0f} seconds of them at the most. All other tests are not asked: neither the simulator of faults, nor what runs
from end to end, nor the suite of the destinations. The wording of messages and the case of texts are left as they
are. "No test" are those that none of these tests comes by; "change nothing" are survivors that are explained below.
Of state, what needs a server is left out ({servers}).
A room that the table does not name was not drawn this time.

| room | tests asked | mutants | drawn | noticed | share (95 %) | survived | no test | change nothing | of the others |
|---|---|---|---|---|---|---|---|---|---|
"""


def files(*below: str) -> list[Path]:
    """Return the files of the project, of these folders if any are named."""
    asked = ["git", "ls-files", "-co", "--exclude-standard", *below]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(line) for line in told.splitlines() if (ROOT / line).is_file()]


def modified(path: Path) -> float:
    """Return when a file was written."""
    return path.stat().st_mtime


def make() -> dict[str, list[str]]:
    """Copy the project, with all mutants in it; return the mutants of each room."""
    shutil.rmtree(COPY / "tests", ignore_errors=True)
    made: dict[str, list[str]] = {name: [] for name in ROOMS}
    for path in files():
        copy, name = COPY / path, room(path.as_posix())
        copy.parent.mkdir(parents=True, exist_ok=True)
        if name is None or path.suffix != ".py":
            shutil.copyfile(ROOT / path, copy)
            continue
        module = path.with_suffix("").as_posix().replace("/", ".")
        if not (copy.exists() and copy.stat().st_mtime > max(map(modified, (ROOT / path, *OPERATORS)))):
            copy.write_text(mutate(str(path), (ROOT / path).read_text(encoding="utf-8")), encoding="utf-8")
        made[name] += [f"{module}.{mutant}" for mutant in names(copy.read_text(encoding="utf-8"))]
    return made


def keys(tests: Iterable[str]) -> dict[str, str]:
    """Return for each file of tests what tells whether it and the code are those that were looked at."""

    def hashed(some: Iterable[Path], beginning: str = "") -> str:
        whole = hashlib.sha256(beginning.encode())
        for path in some:
            whole.update(str(path).encode() + (ROOT / path).read_bytes())
        return whole.hexdigest()

    asked = files(*tests)
    code = hashed([*files("revetl"), *(path for path in asked if not path.name.startswith("test_"))])
    return {path.as_posix(): hashed([path], code) for path in asked}


def ask(tests: Sequence[str], mutants: Sequence[str], seconds: float, workers: int) -> dict[str, str]:
    """Return how the tests of each mutant ended."""
    orders = {
        "mutants": mutants,
        "seconds": seconds,
        "workers": workers,
        "keys": keys({test for one in ROOMS.values() for test in one.tests}),
    }
    (COPY / "orders.json").write_text(json.dumps(orders), encoding="utf-8")
    told = ["-q", "-p", "tests.trust.mutating", "-p", "no:cacheprovider", "-m", "not bench and not dbt", *tests]
    command = [sys.executable, "-P", "-m", "pytest", *told]
    subprocess.run(command, cwd=COPY, check=False, env=os.environ | {"PYTHONPATH": str(COPY)})
    ends: dict[str, str] = json.loads((COPY / "ends.json").read_text(encoding="utf-8"))["ends"]
    return {one: ends[one] for one in mutants}


def interval(good: int, of: int) -> tuple[float, float]:
    """Return the Wilson interval of a share, 95 %."""
    z = 1.96
    share, wide = good / of, z * z / of
    middle = (share + wide / 2) / (1 + wide)
    reach = z * math.sqrt(share * (1 - share) / of + wide / (4 * of)) / (1 + wide)
    return middle - reach, middle + reach


def line(name: str, total: int, ends: Sequence[str], explained: int) -> str:
    """Return the line of a room."""
    count = {word: ends.count(word) for word in (KILLED, SURVIVED, UNSEEN, SLOW)}
    noticed, drawn = count[KILLED] + count[SLOW], len(ends)
    low, high = interval(noticed, drawn)
    tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in ROOMS[name].tests)
    return (
        f"| {name} | {tests} | {total:,} | {drawn} | {noticed} | {noticed / drawn:.0%} ({low:.0%} to {high:.0%}) | "
        f"{count[SURVIVED]} | {count[UNSEEN]} | {explained} | {noticed / max(drawn - explained, 1):.0%} |"
    )


def of(mutant: str) -> Change:
    """Return what a mutant changes."""
    module, _, name = mutant.rpartition(".")
    return change((COPY / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"), name)


def entry(mutant: str, end: str) -> str:
    """Return a survivor: where it is, what it changed, and why that may be."""
    module, _, name = mutant.rpartition(".")
    function = name.rpartition("__mutmut_")[0].removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    old, new = (text.replace("`", "'") for text in (of(mutant).old, of(mutant).new))
    return f"- {module}, {function}: `{old}` → `{new}`: {end}"


def page(total: Mapping[str, int], drawn: Mapping[str, Sequence[str]], ends: Mapping[str, str]) -> str:
    """Return the table and the lists below it."""
    lines: list[str] = []
    left: list[str] = []
    explained: list[str] = []
    for name, some in drawn.items():
        survivors = [one for one in some if ends[one] in {SURVIVED, UNSEEN}]
        nothing = {one: why for one in survivors if (why := reason(one.rpartition(".")[0], of(one)))}
        lines.append(line(name, total[name], [ends[one] for one in some], len(nothing)))
        left += [entry(one, ends[one]) for one in survivors if one not in nothing]
        explained += [entry(one, why) for one, why in nothing.items()]
    parts = ["\n".join(lines), "## Not noticed", "\n".join(sorted(left))]
    if explained:
        parts += ["## Survivors that change nothing, and why", "\n".join(sorted(explained))]
    return "\n\n".join(part for part in parts if part) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int, help="mutants of each room")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=30, help="of tests that a mutant is shown")
    parser.add_argument("--room", choices=sorted(ROOMS), action="append", help="only these, in this order")
    parser.add_argument("--page", type=Path, default=PAGE)
    told = parser.parse_args(arguments)
    made = make()
    rooms = told.room or sorted(ROOMS)
    drawn = {
        name: Random(f"{told.seed} {name}").sample(sorted(made[name]), min(told.number, len(made[name])))
        for name in rooms
    }
    ends: dict[str, str] = {}
    total = sum(map(len, made.values()))
    for name, some in drawn.items():
        ends |= ask(ROOMS[name].tests, some, told.seconds, told.workers)
        done = {one: drawn[one] for one in rooms if ends.keys() >= set(drawn[one])}
        head = HEAD.format(
            number=len(ends), total=total, seed=told.seed, seconds=told.seconds, servers=", ".join(SERVERS)
        )
        told.page.write_text(head + page({one: len(made[one]) for one in rooms}, done, ends), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

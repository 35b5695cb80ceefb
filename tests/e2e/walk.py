"""A page of the docs, done as a reader would: its commands run, its files written, its edits made, its outputs met.

How a fenced block is read, by its language:

* ``sh``: commands for bash, run where the block before went (``cd``); they end with exit code 0;
* ``text``: lines that the commands before printed, in this order; ``…`` stands for anything, others may stand between;
* ``diff``: an edit of the file named after ``+++``, whose lines stand there once;
* anything else that begins with a comment of nothing but a path: that file.

A block below a line that begins with ``*Not run by the tests:`` is left out; the line says why. So is, on every page, a
line that begins with one of ``LEFT_OUT``.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e import warm

SKIPPED = "*Not run by the tests:"
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?:#|--) ([\w.-]+(?:/[\w.-]+)*\.\w+)\n")
_WENT = "went to: "
_LAST_WORDS = "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n"  # of programs that a page puts into the background
SECONDS = 480

# What no test can do as it stands, by how the line begins → why, and what does the same.
LEFT_OUT = {
    "pip install ": "asks a package index; test_wheel.py builds the wheel and runs it, .ci/run installs the source",
    "python3 -m venv ": "stands before an installation that asks a package index; .ci/run does it through make",
    ".venv/bin/": "is in an environment that a package index filled; test_demo.py runs the demo, .ci/run the tests",
    "make ": "asks a package index, runs these very tests, or measures for minutes; `make -n` knows each",
    "REVETL_BENCH_FULL=1 make ": "measures for minutes",
    "REVETL_VALUES=48:96 pytest --trust ": "writes docs/trust.md anew; test_catalogue.py holds what it is made from",
    "snowsql ": "needs Snowflake's program and an account; test_event_examples.py has a stand-in",
    "python feed.py ": "needs Snowflake; test_event_examples.py runs it before a stand-in",
    "python listen.py ": "listens until it is stopped; test_event_examples.py runs it so",
    "python receiver.py /srv/shop ": "listens until it is stopped; test_orchestrators.py runs it so",
    "DBT_PROJECT_DIR=/srv/shop DBT_TARGET=prod dagster ": "needs Dagster; `make orchestrators` runs the file",
    "python flow.py /srv/shop ": "needs Prefect; `make orchestrators` runs the file",
}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text without the list's indent, and why it is not run, if so."""

    language: str
    text: str
    skipped: str


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a page in their order."""
    for found in _FENCE.finditer(page):
        indent, language, text = found.groups()
        before = page[: found.start()].rstrip().rsplit("\n\n", 1)[-1].strip()
        why = before.removeprefix(SKIPPED).strip(" *\n") if before.startswith(SKIPPED) else ""
        yield Block(language, re.sub(f"^{indent}", "", text, flags=re.MULTILINE), why)


def possible(script: str) -> str:
    """Return a script without the lines that no test can do."""
    lines = script.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(tuple(LEFT_OUT)))


def walk(
    page: Path, project: Path, env: Mapping[str, str], *,
    part: str = "", typed: str = "", between: Callable[[Path], None] | None = None,
) -> str:  # fmt: skip
    """Do what the page says, in ``project``; ``AssertionError`` at the first thing that is not as it says.

    ``part`` is the heading of what is done of a page, ``typed`` what is answered where a command asks a terminal,
    ``between`` what a reader does on his own before each block of commands. Return what the last of them printed.
    """
    said, place, text = "", project, page.read_text(encoding="utf-8")
    if part:
        text = text.partition(f"\n## {part}\n")[2].partition("\n## ")[0]
        assert text, f"{page.name} has no part {part}"
    for block in blocks(text):
        if block.skipped:
            continue
        script = possible(block.text)
        if block.language == "sh" and script.strip():
            if between is not None:
                between(place)
            said, place = _run(script, place, env, typed)
        elif block.language == "text":
            missing = unseen(block.text, said)
            assert not missing, f"{page.name}: not shown: {missing}\n--- of ---\n{said}"
        elif block.language == "diff":
            _edit(block.text, place)
        elif named := _FILE.match(block.text):
            (place / named[1]).write_text(block.text[named.end() :], encoding="utf-8")
    return said


def nothing_to_build(env: Mapping[str, str], place: Path) -> dict[str, str]:
    """Return an environment where ``dbt build`` has nothing to do: the project was built and parsed before.

    Both targets of the shop read the same database. ``place`` is a new folder for that ``dbt``.
    """
    place.mkdir()
    (place / "dbt").write_text('#!/bin/sh\n[ "$1" = build ]\n', encoding="utf-8")
    (place / "dbt").chmod(0o755)
    path = os.pathsep.join((str(place), warm.path()))
    return {**env, "COLUMNS": "100", "NO_COLOR": "1", "PATH": path, "REVETL_DEMO_DB": "shop.duckdb"}


def stand_ins_alone(project: Path) -> None:
    """Let the target ``prod`` of revetl.yml write to stand-ins, too."""
    path = project / "revetl.yml"
    if path.exists() and "dev: sandbox" in (text := path.read_text(encoding="utf-8")):
        path.write_text(re.sub(r"^( +prod:) .*$", r"\1 sandbox", text, flags=re.MULTILINE), encoding="utf-8")


def _run(script: str, place: Path, env: Mapping[str, str], typed: str) -> tuple[str, Path]:
    """Return what was printed, and where the commands went."""
    bash = ["bash", "-eu", "-o", "pipefail", "-c", f"{_LAST_WORDS}{script}\nprintf '%s' \"{_WENT}$PWD\""]
    with _keyboard(typed) as keyboard:
        done = subprocess.run(
            bash, cwd=place, env=dict(env), timeout=SECONDS, check=False, text=True,
            stdin=keyboard, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    assert done.returncode == 0, f"{script}--- ended with {done.returncode} ---\n{done.stdout[-3000:]}"
    said, _, went = done.stdout.rpartition(_WENT)
    return said, Path(went)


@contextmanager
def _keyboard(typed: str) -> Iterator[int]:
    """Yield what a program reads: a terminal where something was typed already, or nothing at all."""
    if not typed:
        yield subprocess.DEVNULL
        return
    hand, terminal = os.openpty()
    try:
        os.write(hand, typed.encode())
        yield terminal
    finally:
        os.close(terminal)
        os.close(hand)


def unseen(expected: str, said: str) -> str | None:
    """Return the first expected line that does not come in its turn; None where all do."""
    lines = iter([" ".join(line.split()) for line in said.splitlines()])
    for line in filter(None, (" ".join(one.split()) for one in expected.splitlines())):
        pattern = re.compile(re.escape(line).replace("…", ".*"))
        if not any(pattern.fullmatch(one) for one in lines):
            return line
    return None


def _edit(diff: str, place: Path) -> None:
    named = re.search(r"^\+\+\+ (\S+)\n", diff, re.MULTILINE)
    assert named, f"which file?\n{diff}"
    lines = [line for line in diff.splitlines(keepends=True) if not re.match(r"\+\+\+ |--- ", line)]
    old, new = ("".join(line[1:] for line in lines if line[0] in kind) for kind in (" -", " +"))
    file = place / named[1]
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{named[1]} does not hold once:\n{old}"
    file.write_text(text.replace(old, new), encoding="utf-8")

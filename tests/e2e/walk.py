"""A page of the docs, done as a reader would: its commands run, its files written, its edits made, its outputs met.

How a fenced block is read, by its language:

* ``sh``: commands for bash, run where the block before went (``cd``); they end with exit code 0;
* ``text``: lines that the commands before printed, in this order; ``…`` stands for anything, others may stand between;
* ``diff``: an edit of the file named after ``+++``, whose lines stand there once;
* anything else that begins with a comment of nothing but a path: that file.

A block below a line that begins with ``*Not run by the tests:`` is left out; the line says why.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SKIPPED = "*Not run by the tests:"
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?:#|--) ([\w.-]+(?:/[\w.-]+)*\.\w+)\n")
_WENT = "went to: "
SECONDS = 480


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


def walk(page: Path, project: Path, env: Mapping[str, str]) -> None:
    """Do what the page says, in ``project``; ``AssertionError`` at the first thing that is not as it says."""
    said, place = "", project
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.skipped:
            continue
        if block.language == "sh":
            said, place = _run(block.text, place, env)
        elif block.language == "text":
            missing = unseen(block.text, said)
            assert not missing, f"{page.name}: not shown: {missing}\n--- of ---\n{said}"
        elif block.language == "diff":
            _edit(block.text, place)
        elif named := _FILE.match(block.text):
            (place / named[1]).write_text(block.text[named.end() :], encoding="utf-8")


def _run(script: str, place: Path, env: Mapping[str, str]) -> tuple[str, Path]:
    """Return what was printed, and where the commands went."""
    bash = ["bash", "-eu", "-o", "pipefail", "-c", f"{script}\nprintf '%s' \"{_WENT}$PWD\""]
    done = subprocess.run(
        bash, cwd=place, env=dict(env), timeout=SECONDS, check=False, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, f"{script}--- ended with {done.returncode} ---\n{done.stdout[-3000:]}"
    said, _, went = done.stdout.rpartition(_WENT)
    return said, Path(went)


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

"""The page that says what is promised, what this run found, and which tests stand behind each fault."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.trust.bite import coverage, mutants
from tests.trust.promises import CONFORMANCE, PROMISES, Promise
from tests.trust.rows import Row, short

HEAD = """# What is promised, and what a run of the tests found

Written by `make trust` from the results of the tests at {commits}; nothing here is
typed by hand. A result that stays below its goal says so. "Open" is what no test shows yet, or what revetl does not do
yet.{more}
"""
KEPT = """

`*` is of an earlier commit: not as much of it was run again."""
CASES = re.compile(r"`([^`]+::[^`]+)` ([0-9]+ passed|skipped)")
COUNT = re.compile(r"[0-9][0-9,]*")


@dataclass
class Result:
    """One case: how it ended, and what it said of itself."""

    id: str  # without parameters
    outcome: str
    properties: Sequence[tuple[str, Any]] = ()


@dataclass
class Results:
    """All cases of a run, found by the id that a row names."""

    cases: dict[str, list[Result]] = field(default_factory=lambda: defaultdict(list))
    kept: dict[str, str] = field(default_factory=dict)  # test or promise → what an earlier page said of it

    def add(self, node: str, outcome: str, properties: Iterable[tuple[str, Any]]) -> None:
        """Take a case."""
        plain = node.partition("[")[0]
        result = Result(plain, outcome, tuple(properties))
        for name in (plain, plain.rpartition("::")[0]):  # the test itself, and its class
            self.cases[name].append(result)

    def of(self, tests: Iterable[str]) -> list[Result]:
        """Return the cases of some ids."""
        return [case for test in tests for case in self.cases.get(test, ())]

    def carry(self, text: str) -> None:
        """Take over from an earlier page what was not run again, and mark it."""
        self.kept |= {test: f"{verdict}\\*" for test, verdict in CASES.findall(text)}
        for cells in (line.strip("| ").split(" | ") for line in text.splitlines()):
            if len(cells) == 4 and "failed**" not in cells[3]:
                self.kept[cells[0]] = f"{cells[3].rstrip('*').rstrip(chr(92))}\\*"

    def verdict(self, test: str) -> str:
        """Return how a test ended, over all of its cases."""
        found = [case.outcome for case in self.of([test])]
        for outcome, word in (("failed", "**failed**"), ("passed", f"{found.count('passed')} passed")):
            if outcome in found:
                return word
        return "skipped" if found else self.kept.get(short(test), "not run")


def page(results: Results, rows: Sequence[Row], commits: int = 1) -> str:
    """Return the page; ``commits``: of how many the results are."""
    of = "one commit" if commits == 1 else f"{commits} commits, one after another"
    lines = [
        HEAD.format(commits=of, more=KEPT if results.kept else ""),
        "| promise | figure | how it is measured | this run |",
        "|---|---|---|---|",
    ]
    lines += [f"| {one.promise} | {one.figure} | {one.how} | {told(one, results)} |" for one in PROMISES]
    lines += [mutants(), coverage()]
    unproven = sum(bool(row.open) for row in rows)
    covered = sum(bool(row.tests) for row in rows)
    found = f"{covered} have one, {unproven} are open in part"
    lines.append(f"| Every fault below has a test | {len(rows)} rows | this table | {found} |")
    for place in dict.fromkeys(row.place for row in rows):
        lines += [
            "",
            f"## {place}",
            "",
            "| what happens | what revetl does | exit | tests and their cases |",
            "|---|---|---|---|",
        ]
        lines += [_line(row, results) for row in rows if row.place == place]
    return "\n".join(lines) + "\n"


def _line(row: Row, results: Results) -> str:
    cells = [f"`{short(test)}` {results.verdict(test)}" for test in row.tests]
    cells += [f"Open: {row.open}"] if row.open else []
    return f"| {row.fault} | {row.does} | {row.exits} | {'<br>'.join(cells)} |"


def told(one: Promise, results: Results) -> str:
    """Return what this run found of a promise."""
    cases = results.of(one.tests)
    failed = sum(case.outcome == "failed" for case in cases)
    if failed:
        return f"**{failed} of {len(cases)} failed**"
    before = results.kept.get(one.promise, "not run")
    if not any(case.outcome == "passed" for case in cases):
        return before
    if one.tests == CONFORMANCE:
        found = _conformance(one, cases)
    else:
        found = _measured(one, sum(int(dict(c.properties).get(one.prop, 1)) for c in cases if c.outcome == "passed"))
    return found if _number(found) >= _number(before) else before


def _number(told_of: str) -> int:
    """Return the count that a cell begins with."""
    found = COUNT.match(told_of)
    return int(found[0].replace(",", "")) if found else 0


def _measured(one: Promise, count: int) -> str:
    below = f"; below the goal of {one.goal:,}" if count < one.goal else ""
    return f"{count:,} {one.counts}, 0 failed{below}"


def _conformance(one: Promise, cases: Iterable[Result]) -> str:
    """Return how many cases, or values, each destination was shown."""
    forms: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)  # destination → test and form → values in it
    for case in cases:
        for name, told_of in case.properties:
            if name == "conformance" and case.outcome == "passed":
                label, test, form = str(told_of[0]), str(told_of[1]), str(told_of[2])
                forms[label.split(" ", maxsplit=1)[0]][test, form] = int(dict(case.properties).get("values", 1))
    if one.counts == "values":
        carried = {
            k: sum(n for (test, _), n in found.items() if "_is_carried_exactly_" in test) for k, found in forms.items()
        }
        return f"{_measured(one, sum(carried.values()))} ({_each(carried)})"
    distinct = {k: len({test for test, _ in found}) for k, found in forms.items()}
    return f"{_measured(one, min(distinct.values(), default=0))} ({_each(distinct)})"


def _each(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))

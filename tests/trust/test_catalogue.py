"""The fault table stands on tests that are there, and its page says what they came to."""

from __future__ import annotations

import ast
import re
from functools import cache

from tests.shared import ROOT
from tests.trust.catalogue import ROWS, ids
from tests.trust.promises import PROMISES
from tests.trust.report import Results, page, told

EXITS = re.compile(r"-|as run|[0-9]+(/[0-9]+)*")


@cache
def names(file: str) -> frozenset[str]:
    """Return what stands in a file of tests: ``test``, ``Class``, ``Class::test``."""
    found = set()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return frozenset(name for name in found if name.rpartition("::")[2].startswith(("test_", "Test")))


def test_every_test_that_is_named_is_there() -> None:
    """A row names tests that exist: one that is renamed or removed is missed here."""
    lost = [test for test in ids() if test.partition("::")[2] not in names(test.partition("::")[0])]
    assert lost == []


def test_no_row_is_without_a_test() -> None:
    """A fault without any test must say why it is open."""
    assert [row.fault for row in ROWS if not row.tests and not row.open] == []
    assert len({row.fault for row in ROWS}) == len(ROWS)
    assert [row.exits for row in ROWS if not EXITS.fullmatch(row.exits)] == []


def test_what_fails_or_never_ran_is_shown() -> None:
    """A page made of failures says so, one made of nothing too; a count below its goal is named as that."""
    kills = next(one for one in PROMISES if one.promise == "Survives kill -9")
    results = Results()
    assert told(kills, results) == "not run"
    results.add(f"{kills.tests[0]}[after_ack]", "passed", [])
    results.add(f"{kills.tests[0]}[before_ack]", "passed", [])
    assert told(kills, results) == "2 runs killed, 0 failed; below the goal of 200"
    results.add(f"{kills.tests[1]}[1]", "failed", [])
    assert told(kills, results) == "**1 of 3 failed**"
    text = page(results, ROWS)
    assert "test_killed_at_any_point_a_plain_run_sends_what_was_in_flight` 2 passed" in text
    assert "test_killed_at_any_moment_a_plain_run_converges` **failed**" in text
    assert "test_no_redirect_is_followed` not run" in text


def test_what_was_not_run_again_is_kept_and_marked() -> None:
    """Of an earlier page a cell stands until as much was run again."""
    kills = next(one for one in PROMISES if one.promise == "Survives kill -9")
    earlier, now = Results(), Results()
    for test in kills.tests[:2]:
        earlier.add(f"{test}[1]", "passed", [("kills", 5)])
    now.carry(page(earlier, ROWS))
    assert told(kills, now) == "10 runs killed, 0 failed; below the goal of 200\\*"
    now.carry(page(now, ROWS))  # once more: it is marked once
    assert told(kills, now) == "10 runs killed, 0 failed; below the goal of 200\\*"
    assert now.verdict(kills.tests[0]) == "1 passed\\*"
    now.add(f"{kills.tests[0]}[1]", "passed", [("kills", 4)])
    assert told(kills, now).startswith("10 ")
    now.add(f"{kills.tests[0]}[2]", "passed", [("kills", 7)])
    assert told(kills, now) == "11 runs killed, 0 failed; below the goal of 200"
    assert now.verdict(kills.tests[0]) == "2 passed"
    assert "of an earlier commit" in page(now, ROWS)


def test_counts_come_from_the_cases() -> None:
    """A case that says how many it tried counts as so many; destinations are counted each by itself."""
    results, (plays, *_) = Results(), PROMISES
    for first, count in ((0, 20), (20, 30)):
        results.add(f"{plays.tests[0]}[{first}]", "passed", [("schedules", count)])
    assert told(plays, results).startswith("50 schedules, 0 failed; below")
    suites = next(one for one in PROMISES if one.goal == 60)
    for label, test in (("a", "test_x"), ("a", "test_y"), ("b lead", "test_x"), ("b", "test_x")):
        seen = [("conformance", (label, test, f"{test}[1]", "passed", ""))]
        results.add(f"{suites.tests[0]}::{test}[1]", "passed", seen)
    assert told(suites, results) == "1 cases, at the least, 0 failed; below the goal of 60 (a 2, b 1)"
    values = next(one for one in PROMISES if one.counts == "values")
    for number, count in enumerate((1, 8)):
        test = "test_any_value_is_carried_exactly_or_refused_by_name"
        told_of = ("conformance", ("a", test, f"{test}[{number}]", "passed", ""))
        results.add(f"{suites.tests[0]}::{test}[{number}]", "passed", [told_of, ("values", count)])
    assert told(values, results) == "9 values, 0 failed; below the goal of 10,000 (a 9, b 0)"

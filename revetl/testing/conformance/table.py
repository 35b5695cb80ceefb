"""The table destinations by cases, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Verdict = tuple[str, str, str, str, str]  # destination, case, the case's words, outcome, reason

_HEAD = """# What each destination was shown to do

Written by `make conformance`; the cases are in `revetl/testing/conformance/`, the services are revetl's strict
stand-ins. A case may come in several forms (one for each operation, type or fault): the cell counts those that passed.
A dash means that the case does not apply; why not stands below the table.
"""


def table(verdicts: Iterable[Verdict]) -> str:
    """Return the page: a row a case, a column a destination, then the reasons of what does not apply."""
    cells: dict[tuple[str, str], list[tuple[str, str]]] = {}
    words: dict[str, str] = {}
    for name, case, told, outcome, reason in verdicts:
        cells.setdefault((name, case), []).append((outcome, reason))
        words.setdefault(case, told)
    names = sorted({name for name, _ in cells})
    lines = [_HEAD, f"| case | {' | '.join(names)} |", f"|---|{'--:|' * len(names)}"]
    for case in sorted(words):
        shown = (_cell(cells.get((name, case), ())) for name in names)
        lines.append(f"| {_title(case)} | {' | '.join(shown)} |")
    lines.append(f"| **cases that apply** | {' | '.join(_total(cells, name) for name in names)} |")
    return "\n".join([*lines, "", *_reasons(cells, names)]).rstrip() + "\n"


def _title(case: str) -> str:
    return case.removeprefix("test_").replace("_", " ")


def _cell(seen: Sequence[tuple[str, str]]) -> str:
    failed = sum(outcome == "failed" for outcome, _ in seen)
    passed = sum(outcome == "passed" for outcome, _ in seen)
    if failed:
        return f"**{failed} failed**"
    return str(passed) if passed else "-"


def _total(cells: Mapping[tuple[str, str], Sequence[tuple[str, str]]], name: str) -> str:
    return str(sum(outcome == "passed" for (who, _), seen in cells.items() if who == name for outcome, _ in seen))


def _reasons(cells: Mapping[tuple[str, str], Sequence[tuple[str, str]]], names: Sequence[str]) -> Iterable[str]:
    for name in names:
        found: dict[str, list[str]] = {}
        for (who, case), seen in sorted(cells.items()):
            for reason in dict.fromkeys(reason for outcome, reason in seen if outcome == "skipped" and who == name):
                found.setdefault(reason, []).append(_title(case))
        yield f"## Not applicable to {name}"
        yield ""
        yield from (f"- {reason}: {'; '.join(cases)}" for reason, cases in sorted(found.items()))
        yield ""

"""The table destinations by cases, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Verdict = tuple[str, str, str, str, str]  # destination, case, form of the case, outcome, reason
Cells = dict[tuple[str, str], dict[str, tuple[str, str]]]  # (destination, case) → form → (outcome, reason)

_RANK = {"skipped": 0, "passed": 1, "failed": 2}  # of two suites of one destination, the graver outcome counts

_HEAD = """# What each destination was shown to do

Written by `make conformance`; the cases are in `revetl/testing/conformance/`, the services are revetl's strict
stand-ins, and a server of Postgres. A case may come in several forms (one for each operation, type or fault): the cell
counts those that passed, and the last two rows count the cases that passed, and all their forms.
A dash means that the case does not apply; why not stands below the table.
"""


def table(verdicts: Iterable[Verdict]) -> str:
    """Return the page: a row a case, a column a destination, then the reasons of what does not apply."""
    cells: Cells = {}
    for name, case, form, outcome, reason in verdicts:
        forms = cells.setdefault((name, case), {})
        if form not in forms or _RANK[outcome] > _RANK[forms[form][0]]:
            forms[form] = (outcome, reason)
    names = sorted({name for name, _ in cells})
    lines = [_HEAD, f"| case | {' | '.join(names)} |", f"|---|{'--:|' * len(names)}"]
    for case in sorted({case for _, case in cells}):
        shown = (_cell(cells.get((name, case), {})) for name in names)
        lines.append(f"| {_title(case)} | {' | '.join(shown)} |")
    lines.append(f"| **cases** | {' | '.join(str(_shown(cells, name)) for name in names)} |")
    lines.append(f"| **in all forms** | {' | '.join(str(_passed(cells, name)) for name in names)} |")
    return "\n".join([*lines, "", *_reasons(cells, names)]).rstrip() + "\n"


def _title(case: str) -> str:
    return case.removeprefix("test_").replace("_", " ")


def _cell(forms: Mapping[str, tuple[str, str]]) -> str:
    failed = sum(outcome == "failed" for outcome, _ in forms.values())
    passed = sum(outcome == "passed" for outcome, _ in forms.values())
    if failed:
        return f"**{failed} failed**"
    return str(passed) if passed else "-"


def _shown(cells: Cells, name: str) -> int:
    """Return how many cases passed in a form at least, and failed in none."""
    told = [{outcome for outcome, _ in forms.values()} for (who, _), forms in cells.items() if who == name]
    return sum("passed" in outcomes and "failed" not in outcomes for outcomes in told)


def _passed(cells: Cells, name: str) -> int:
    return sum(o == "passed" for (who, _), forms in cells.items() if who == name for o, _ in forms.values())


def _reasons(cells: Cells, names: Sequence[str]) -> Iterable[str]:
    for name in names:
        found: dict[str, list[str]] = {}
        for (who, case), forms in sorted(cells.items()):
            told = [reason for outcome, reason in forms.values() if outcome == "skipped" and who == name]
            for reason in dict.fromkeys(told):
                found.setdefault(reason, []).append(_title(case))
        yield f"## Not applicable to {name}"
        yield ""
        yield from (f"- {reason}: {'; '.join(cases)}" for reason, cases in sorted(found.items()))
        yield ""

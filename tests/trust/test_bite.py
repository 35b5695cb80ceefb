"""The lines about mutants and coverage say what those pages say, what is too little, and what nobody measured."""

from __future__ import annotations

from pathlib import Path

from tests.trust import bite, covered

TABLE = """# Mutants

| room | tests asked | mutants | drawn | noticed | share (95 %) | survived | no test | change nothing | of the others |
|---|---|---|---|---|---|---|---|---|---|
| diff | `unit/diff` | 2,908 | 40 | 28 | 70% (55% to 82%) | 9 | 3 | 0 | 70% |
| retry | `unit/send` | 724 | 40 | 38 | 95% (83% to 99%) | 2 | 0 | 1 | 97% |

## Not noticed

| none | of | this |
"""


def test_rooms_below_the_goal_are_named(tmp_path: Path) -> None:
    """Each room has its share; those too low, and those that were not drawn, are told."""
    (tmp_path / "mutants.md").write_text(TABLE, encoding="utf-8")
    told = bite.mutants(tmp_path / "mutants.md")
    assert "diff 70% (55% to 82%), retry 95% (83% to 99%), 97% of those that change something" in told
    assert told.endswith("; below the goal: diff; not measured: guards, ledger, state |")


def test_every_room_has_its_lines_and_branches(tmp_path: Path) -> None:
    """Files of a room are added up; what they miss is listed; what needs a server counts in the package alone."""

    def about(lines: int, missing: list[int], ways: list[list[int]]) -> dict[str, object]:
        summary = {"num_statements": lines, "missing_lines": len(missing), "num_branches": 4}
        return {
            "summary": {**summary, "missing_branches": len(ways)},
            "missing_lines": missing,
            "missing_branches": ways,
        }

    files = {
        "revetl/diff/delta.py": about(10, [], []),
        "revetl/diff/shape.py": about(6, [7, 9], [[7, -3]]),
        "revetl/state/postgres.py": about(50, [1], []),
    }
    totals = {"num_statements": 66, "missing_lines": 3, "num_branches": 12, "missing_branches": 1}
    page = covered.page({"files": files, "totals": totals}, "tests/unit")
    assert "| diff | 16 | 2 | 8 | 1 | 87.5% |" in page
    assert "| the package | 66 | 3 | 12 | 1 | 94.9% |" in page
    assert "- revetl/diff/shape.py: 7, 9, 7→end" in page
    assert "- revetl/state/postgres.py" not in page
    (tmp_path / "coverage.md").write_text(page, encoding="utf-8")
    assert "below the goal: diff; not measured: guards, ledger" in bite.coverage(tmp_path / "coverage.md")

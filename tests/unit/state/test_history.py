"""How big a cohort was when: counted back from what is acknowledged, whatever was asserted again or adopted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from revetl.state.history import cohort_sizes
from revetl.state.views import open_view
from tests.unit.state.written import MAIL, NOON, Sent, Written


def member(key: str, op: str = "join", **more: Any) -> Sent:
    """Return a membership that begins or ends."""
    return Sent(f'["{key}"]', op, f"{key}@example.org", cohort="vip", **more)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Return three runs: two join, one of them again and a third who is refused, one parts."""
    world = Written(tmp_path / "prod").make(MAIL)
    world.run("r1", member("a"), member("b"))
    world.run("r2", member("a"), member("c", status="rejected", code="NO"), after=3_600)
    world.run("r3", member("b", "part"), member("d"), member("e"), after=3_600)
    return world


def test_sizes_over_time(written: Written) -> None:
    """Each run that changed a cohort is a step; a refused or repeated join is none; the last step is the size now."""
    with open_view(written.directory) as view:
        found = cohort_sizes(view)
    first, last = NOON, NOON + timedelta(seconds=60 + 3_600)
    assert found == {(MAIL, "vip"): ((first, 2), (last, 3))}


def test_adopted_members_are_in_all_of_it(written: Written) -> None:
    """Whoever was a member before revetl wrote anything counts from the beginning, and less once parted."""
    written.change(lambda store: store.con.execute("INSERT INTO revetl_state.members_1 VALUES ('x', 'vip')"))
    written.run("r4", member("y", "part"), after=60)
    with open_view(written.directory) as view:
        sizes = [size for _, size in cohort_sizes(view)[MAIL, "vip"]]
    assert sizes == [4, 5, 4]  # y, who was adopted too, parts at last


def test_without_state(tmp_path: Path) -> None:
    """Nothing is known of a target that never ran."""
    with open_view(tmp_path / "nothing") as view:
        assert cohort_sizes(view) == {}

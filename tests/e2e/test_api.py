from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any, assert_type

import pytest

import revetl
from revetl.errors import ConfigError, TryLater
from tests.e2e.house import CRM, MAIL, House, of
from tests.shared import ROOT


def test_a_plan_is_carried_out(fresh: House) -> None:
    """What ``sync`` is handed as a plan is what happens: as many changes, held back by nothing, and then no more."""
    plan = revetl.plan(fresh.options(select=[CRM]))
    assert_type(plan, revetl.Plan)
    assert plan.options == fresh.options(select=[CRM])
    result = revetl.sync(plan)
    assert_type(result, revetl.RunResult)
    assert [one.sync for one in result.syncs] == [CRM]
    assert (plan.changes, plan.exit_code) == (of(result, CRM).delivered, 0)
    assert plan.changes > 0
    assert revetl.plan(fresh.options(select=[CRM])).changes == 0
    assert fresh.writes("mailchimp") == []


def test_events_add_up_to_the_result(fresh: House) -> None:
    """Beats in order of phases, deliveries that sum up to what the result counts, and the result at the end, once."""
    events: list[revetl.Event] = []
    result = revetl.sync(fresh.options(), on_event=events.append)
    assert events[-1] == revetl.Finished(result)
    assert [type(event) for event in events].count(revetl.Finished) == 1
    for sync in (MAIL, CRM):
        phases = [event.phase for event in events if isinstance(event, revetl.Progress) and event.sync == sync]
        assert list(dict.fromkeys(phases)) == ["read", "diff", "stage", "send"]
        told = [event for event in events if isinstance(event, revetl.Delivery) and event.sync == sync]
        found = of(result, sync)
        assert sum(event.delivered for event in told) == found.delivered > 0
        assert sum(event.rejected for event in told) == found.rejected


def test_what_is_held_is_told_before_anything_leaves(house: House) -> None:
    """A guard's verdict comes as an event before the first call, and is the one in the result."""
    house.sql("delete from customers where customer_id % 2 = 0")
    house.mark()
    calls: list[int] = []

    def tell(event: revetl.Event) -> None:
        if isinstance(event, revetl.Guarded):
            calls.append(len(house.writes()))

    result = revetl.sync(house.options(select=[CRM]), on_event=tell)
    assert result.exit_code == 3
    assert calls == [0] * len(of(result, CRM).held) != []


def test_a_listener_that_fails_loses_nothing(fresh: House) -> None:
    """An exception of ``on_event`` ends the run; the next plain one converges."""

    def fail(event: revetl.Event) -> None:
        if isinstance(event, revetl.Delivery):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        revetl.sync(fresh.options(), on_event=fail)
    assert revetl.sync(fresh.options()).exit_code == 0
    fresh.agrees()


def test_stop_ends_a_run_in_order(fresh: House) -> None:
    """What ``stop`` says stands in the result, everything unsent waits, and the next run sends it."""
    answered: list[revetl.Event] = []

    def tell(event: revetl.Event) -> None:
        answered.extend([event] if isinstance(event, revetl.Delivery) else [])

    result = revetl.sync(fresh.options(), on_event=tell, stop=lambda: "a person" if answered else None)
    assert result.interrupted == "a person"
    assert sum(one.waiting for one in result.syncs) > 0
    assert revetl.sync(fresh.options()).exit_code == 0
    fresh.agrees()


def test_errors_carry_code_and_exit_code(fresh: House, tmp_path: Path) -> None:
    """A directory without a project must be mended (2); a target that another run holds is for later (4)."""
    with pytest.raises(ConfigError) as wrong:
        revetl.plan(tmp_path / "nowhere")
    assert (wrong.value.code, wrong.value.exit_code) == ("RVT-400", 2)
    assert wrong.value.hint

    held: list[TryLater] = []

    def again(event: revetl.Event) -> None:
        if isinstance(event, revetl.Delivery) and not held:
            with pytest.raises(TryLater) as later:
                revetl.sync(fresh.options())
            held.append(later.value)

    assert revetl.sync(fresh.options(), on_event=again).exit_code == 0
    assert [(error.code, error.exit_code) for error in held] == [("RVT-502", 4)]


def test_the_page_runs_as_it_is_written(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every block of docs/python-api.md, one after the other, in a project's directory."""
    page = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    monkeypatch.chdir(house.root)
    for name in [name for name in os.environ if name.startswith("DBT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("REVETL_SANDBOX", house.origin)
    number, _ = house.reader(where="lifetime_value_band != 'high'")
    house.sql(f"update customers set lifetime_value_band = 'high' where customer_id = {number}")
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        exec(block, names)
    said = capsys.readouterr().out
    assert f"{CRM} 1 changes in about 1 calls" in said
    assert "0 1 delivered" in said
    assert Counter(re.findall(r"^exit (\d)", said, re.MULTILINE)) == {"0": 1}


def test_the_page_names_the_whole_api() -> None:
    """What ``__all__`` offers of results, events and functions is on the page."""
    page = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    parts = {"__version__", "Count", "Sample", "Problem", "SyncPlan"}  # fields of what is on it
    assert [name for name in revetl.__all__ if name not in parts and not re.search(rf"\b{name}\b", page)] == []

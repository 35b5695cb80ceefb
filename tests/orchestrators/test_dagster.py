"""The example of Dagster: dbt's models and revetl's asset, materialized by Dagster."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from tests.e2e.house import House, built
from tests.shared import ROOT

Run = Callable[[House], Any]


@pytest.fixture
def run() -> Run:
    """Return a function that materializes every asset in this process and returns Dagster's result."""

    def once(house: House) -> Any:
        built(house.root, "parse")  # `dagster dev` does it, and so does what builds an image
        defs: dg.Definitions = runpy.run_path(str(ROOT / "examples/dagster/definitions.py"))["defs"]
        job = defs.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(instance=dg.DagsterInstance.ephemeral(), raise_on_error=False)

    return once


def told(result: Any) -> dict[str, Any]:
    """Return the metadata of revetl's asset."""
    (made,) = [one for one in result.get_asset_materialization_events() if one.asset_key == dg.AssetKey("synced")]
    return {name: value.value for name, value in made.materialization.metadata.items()}


def retries(result: Any) -> int:
    """Return how often revetl's asset was tried again."""
    return len([one for one in result.all_events if one.is_step_restarted and one.step_key == "synced"])


def test_assets_bring_everything(run: Run, home: House) -> None:
    """Models first, then the tools, which hold what the models say; the asset's metadata say what was sent."""
    result = run(home)
    assert result.success
    assert dg.AssetKey("customers") in {one.asset_key for one in result.get_asset_materialization_events()}
    assert told(result)["mailchimp.customer"].endswith(" delivered, 0 rejected")
    assert told(result)["exit code"] == 0
    home.agrees()


def test_try_later_is_tried_again(run: Run, busy: House) -> None:
    """While another run has the lock, the asset asks for another try; then everything is sent."""
    result = run(busy)
    assert (result.success, retries(result)) == (True, 1)
    busy.agrees()


def test_what_a_guard_holds_fails_once(run: Run, leaving: House) -> None:
    """Exit code 3: no other try, nothing sent of what is held, and the metadata name the command that releases it."""
    result = run(leaving)
    assert (result.success, retries(result), len(leaving.members())) == (False, 0, 126)
    metadata = result.failure_data_for_node("synced").user_failure_data.metadata
    assert metadata["max_leave"].value.startswith("revetl approve mailchimp.customer")


def test_what_cannot_run_fails_once(run: Run, broken: House) -> None:
    """Exit code 2: no other try, and what is wrong stands in the failure."""
    result = run(broken)
    assert (result.success, retries(result)) == (False, 0)
    assert "revetl.yml does not exist" in result.failure_data_for_node("synced").user_failure_data.description


def test_a_failed_test_skips_the_asset(run: Run, failing: House) -> None:
    """A failed dbt test of severity error fails the models' step, and revetl's asset does not run."""
    result = run(failing)
    assert not result.success
    assert {one.step_key for one in result.all_events if one.is_step_failure} == {"models"}
    assert failing.received() == []

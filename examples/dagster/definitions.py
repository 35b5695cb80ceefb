"""dbt's models as assets, and a revetl asset after them whose metadata say what was sent.

DBT_PROJECT_DIR names the project, DBT_TARGET the target of dbt and of revetl, PAUSE the seconds before another try.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, DbtProject, dbt_assets

import revetl
from revetl.errors import RevetlError, TryLater

PROJECT = Path(os.environ["DBT_PROJECT_DIR"]).resolve()
TARGET = os.environ.get("DBT_TARGET", "dev")
PAUSE = int(os.environ.get("PAUSE", "300"))
shop = DbtProject(project_dir=PROJECT, profiles_dir=PROJECT, target=TARGET)
shop.prepare_if_dev()


@dbt_assets(manifest=shop.manifest_path)
def models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """Build everything; revetl reads what dbt writes into the project's own target/."""
    yield from dbt.cli(["build"], context=context, target_path=PROJECT / "target").stream()


@dg.asset(deps=[models], kinds={"revetl"})
def synced() -> dg.MaterializeResult[Any]:
    """Make the tools agree with the models: only "try later" is tried again."""
    options = revetl.Options(project_dir=PROJECT, profiles_dir=PROJECT, target=TARGET)
    try:
        result = revetl.sync(options)
    except TryLater as error:
        raise dg.RetryRequested(max_retries=5, seconds_to_wait=PAUSE) from error
    except RevetlError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    if result.exit_code == 4:
        raise dg.RetryRequested(max_retries=5, seconds_to_wait=PAUSE)
    told = {sync.sync: f"{sync.delivered} delivered, {sync.rejected} rejected" for sync in result.syncs}
    if result.exit_code in {2, 3}:
        held = {held.guard: held.release for sync in result.syncs for held in sync.held}
        raise dg.Failure(f"revetl ended with exit code {result.exit_code}", {**told, **held}, allow_retries=False)
    return dg.MaterializeResult(metadata={**told, "exit code": result.exit_code, "run": result.run})


defs = dg.Definitions(
    assets=[models, synced],
    resources={"dbt": DbtCliResource(project_dir=shop)},
    schedules=[dg.ScheduleDefinition("half_hourly", cron_schedule="*/30 * * * *", target="*")],
)

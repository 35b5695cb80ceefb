"""The record published to the warehouse, and the dbt models that ship for it, by a real dbt build."""

from __future__ import annotations

from revetl.engine.forgetting import forget, meant
from revetl.engine.publishing import Published, publish
from revetl.engine.workspace import Workspace, load
from tests.e2e.house import House, built


def workspace(house: House) -> Workspace:
    """Return the loaded project."""
    return load(house.options())


def test_published(house: House) -> None:
    """Every flow of every closed run once, however often; dbt's models and tests over them pass, without an address."""
    first = publish(workspace(house))
    assert (first.added, first.replaced, first.removed) == (1, 0, 0)
    assert first.rows == house.first("select count(*) from revetl.flows") > 0
    assert publish(workspace(house)) == Published("revetl", 0, 0, 0, 0)
    house.sql("update customers set lifetime_value_band = 'none' where customer_id = 8")
    house.sync()
    again = publish(workspace(house))
    assert (again.added, again.replaced) == (1, 0)
    built(house.root, "build", "--select", "revetl source:revetl", "--vars", "revetl_published: true")
    bands = house.rows(
        "select distinct value from stg_revetl__flow_fields join stg_revetl__flows using (seq) "
        "where key = '[8]' and field = 'LTV_BAND' and destination = 'mailchimp'"
    )
    assert ("none",) in bands
    assert house.first("select count(*) from stg_revetl__flow_fields where value like '%@%'") == 0
    assert house.first("select count(*) from stg_revetl__flow_fields where is_hidden") > 0
    assert house.first("select count(*) from revetl.syncs where records > 0") >= 3


def test_what_is_forgotten_leaves_the_tables(house: House) -> None:
    """Told to publish again after ``forget``; then no row has the person's key, and everybody else's rows are there."""
    key, address = house.reader(3)
    publish(workspace(house))
    mine = f"select count(*) from revetl.flows where key = '[{key}]' and sync like '%.customer'"
    total, rows = house.first("select count(*) from revetl.flows"), house.first(mine)
    assert rows > 0
    (done,) = forget(workspace(house), meant(workspace(house), address))
    assert any("revetl publish" in note for note in done.notes)
    after = publish(workspace(house))
    assert (after.added, after.replaced) == (1, 1)
    assert house.first(mine) == 0
    assert house.first("select count(*) from revetl.flows where operation <> 'erase'") == total - rows


def test_nothing_is_published_by_default(house: House) -> None:
    """Without the variable dbt knows neither source nor models: the demo's own build, which went well, made none."""
    assert house.first("select count(*) from information_schema.tables where table_name like 'stg_revetl%'") == 0

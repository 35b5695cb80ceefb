"""An export holds what the filters let through, oldest first, and nothing in it runs as a formula."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import duckdb
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revetl.errors import RevetlError, UsageError
from revetl.state import export as exporting
from revetl.state.export import export
from revetl.state.flowlog import Filters
from revetl.state.views import open_view
from revetl.warehouse.connection import connect
from tests.unit.state.written import MAIL, Sent, Written

CON = connect()


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """One run with a delivery and a refusal whose reason looks like a formula."""
    world = Written(tmp_path / "prod").make(MAIL)
    world.run(
        "r1",
        Sent('["c1"]', body={"LTV_BAND": "low"}, band="low"),
        Sent('["c2"]', m="b@example.org", status="rejected", code="+1", reason='=HYPERLINK("x")'),
    )
    return world


def test_forms_hold_the_same_rows(written: Written, tmp_path: Path) -> None:
    """Parquet, CSV and JSON have the same rows; JSON has the values as an object; only the owner may read them."""
    with open_view(written.directory) as view:
        for form in ("parquet", "csv", "json"):
            assert export(view, tmp_path / f"out.{form}", form, Filters()) == 2
            assert (tmp_path / f"out.{form}").stat().st_mode & 0o777 == 0o600
    rows = json.loads((tmp_path / "out.json").read_text())
    assert [row["seq"] for row in rows] == [1, 2]
    assert rows[0]["values"] == {"LTV_BAND": "low"}
    assert rows[1]["reason"] == '=HYPERLINK("x")'
    assert pyarrow.parquet.read_table(tmp_path / "out.parquet")["key"].to_pylist() == ['["c1"]', '["c2"]']
    assert not list(tmp_path.glob(".*"))


def test_csv_cells_are_no_formulas(written: Written, tmp_path: Path) -> None:
    """Texts that a spreadsheet would run begin with an apostrophe."""
    with open_view(written.directory) as view:
        export(view, tmp_path / "out.csv", "csv", Filters())
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[1]["reason"] == '\'=HYPERLINK("x")'
    assert rows[1]["code"] == "'+1"
    assert rows[0]["outcome"] == "delivered"


@given(st.text(alphabet="=+-@\t\r\x00a'\" ,", max_size=5))
def test_guard_covers_every_beginning(text: str) -> None:
    """Whatever a text begins with, the exported cell begins with nothing that a spreadsheet takes for a formula."""
    column = exporting._column("reason", "csv")
    row = CON.execute(f"SELECT {column} FROM (SELECT ? AS reason)", [text]).fetchone()
    assert row is not None
    assert row[0] in {text, f"'{text}"}
    assert row[0][:1] not in set("=+-@\t\r\x00")


def test_export_filters_and_refuses_by_name(written: Written, tmp_path: Path) -> None:
    """Filters hold for exports; an unknown form and a place that cannot be written are refused, leaving nothing."""
    with open_view(written.directory) as view:
        assert export(view, tmp_path / "one.json", "json", Filters(outcome="rejected")) == 1
        for path, form in ((tmp_path / "x.xls", "xls"), (tmp_path / "no" / "where.csv", "csv")):
            with pytest.raises(UsageError) as caught:
                export(view, path, form, Filters())
            assert caught.value.code == "RVT-523"
    assert not (tmp_path / "x.xls").exists()


class Full:
    """A connection that cannot write what is exported."""

    def __init__(self, con: Any, says: str) -> None:
        """Say why."""
        self.con, self.says = con, says

    def execute(self, sql: str, *more: Any) -> Any:
        """Refuse to copy."""
        if sql.startswith("COPY"):
            raise duckdb.IOException(self.says)
        return self.con.execute(sql, *more)


@pytest.mark.parametrize(("says", "code"), [("no space for .out.csv.1.part", "RVT-523"), ("another file", "RVT-521")])
def test_a_disk_that_is_full_is_told(written: Written, tmp_path: Path, says: str, code: str) -> None:
    """Of the export's own file it is said that it cannot be written, of any other that the ledger cannot be read."""
    (tmp_path / "out.csv").write_text("of before")
    with open_view(written.directory) as view, pytest.raises(RevetlError) as caught:
        export(
            replace(view, con=cast("Any", Full(view.con, says.replace(".1.", ".")))),
            tmp_path / "out.csv",
            "csv",
            Filters(),
        )
    assert caught.value.code == code
    assert caught.value.kept == ("nothing was changed" if code == "RVT-523" else "its files are left as they are")
    assert (tmp_path / "out.csv").read_text() == "of before"
    assert not list(tmp_path.glob(".*"))


def test_refusals_of_an_export_say_what_may_be(written: Written, tmp_path: Path) -> None:
    """The forms there are; and why a place cannot be written."""
    with open_view(written.directory) as view:
        with pytest.raises(UsageError) as form:
            export(view, tmp_path / "x.xls", "xls", Filters())
        with pytest.raises(UsageError) as place:
            export(view, tmp_path / "no" / "x.csv", "csv", Filters())
    assert str(form.value) == "RVT-523 xls is no format of an export · hint: one of: csv, json, parquet"
    assert (
        str(place.value)
        == f"RVT-523 {tmp_path}/no/x.csv cannot be written: No such file or directory · nothing was changed"
    )

"""Rows taken out of the ledger: the chain says so and still holds, whenever the process dies."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from revetl.state import ledger
from revetl.state.rewriting import Removed, count_rows, drop_rows, finish
from revetl.state.store import Store
from revetl.warehouse.connection import connect
from tests.unit.state.written import MAIL, Sent, Written

FULL: dict[str, object] = {"email_address": "a@example.org", "LTV_BAND": "low"}


class Crash(BaseException):
    """The process died here."""


@pytest.fixture
def state(tmp_path: Path) -> Written:
    """Three runs: two people, then each of them alone."""
    made = Written(tmp_path / "dev").make(MAIL)
    made.run("r1", Sent('["c1"]', body=FULL), Sent('["c2"]', m="b@example.org", body=FULL))
    made.run("r2", Sent('["c1"]', body=FULL))
    made.run("r3", Sent('["c2"]', m="b@example.org", body=FULL))
    return made


def kept(state: Written) -> list[tuple[str, str]]:
    """Return run and key of every row that is left."""
    files = [str(path) for path in (state.directory / "ledger").glob("*.parquet")]
    return duckdb.connect().execute("SELECT run, key FROM read_parquet(?) ORDER BY ALL", [files]).fetchall()


def complaints(store: Store) -> list[str]:
    """Return what the chain says after the head was brought up to it."""
    store.advance_head("x")
    return list(ledger.verify(store, store.head.chain if store.head else None))


def test_rows_go_and_the_chain_holds(state: Written) -> None:
    """One person's rows are gone, the other's are as they were; the chain has who asked and the hash of before."""
    with state.store() as store:
        assert count_rows(store, "key = ?", ['["c1"]']) == Removed(2, 2, 1)
        assert kept(state)[0] == ("r1", '["c1"]')
        before = {link.file: link.sha256 for link in ledger.links(store)}
        assert drop_rows(store, "key = ?", ['["c1"]'], "forgotten") == Removed(2, 2, 1)
        assert complaints(store) == []
        added = ledger.links(store)[3:]
        assert [(link.file, link.why) for link in added] == [
            (f"{run}.parquet", f"forgotten; was {before[f'{run}.parquet']}") for run in ("r1", "r2")
        ]
    assert kept(state) == [("r1", '["c2"]'), ("r3", '["c2"]')]
    assert not (state.directory / "ledger" / "r2.parquet").exists()


def test_what_was_taken_out_does_not_come_back(state: Written) -> None:
    """A file that was rewritten or removed and is put back from a copy is noticed."""
    files = {path: path.read_bytes() for path in (state.directory / "ledger").iterdir()}
    with state.store() as store:
        drop_rows(store, "key = ?", ['["c1"]'], "forgotten")
        for path, content in files.items():
            path.write_bytes(content)
        assert complaints(store) == [
            "r1.parquet was changed after it was written",
            "r2.parquet is there again although all its rows were taken out",
        ]


@pytest.mark.parametrize("at", range(1, 5))
def test_a_crash_is_made_good(state: Written, at: int) -> None:
    """Dead before or after any entry of the chain: the next start leaves files that agree with it, and it can go on."""
    points = 0

    def crash(point: str) -> None:
        nonlocal points
        if point.endswith("rewritten"):
            points += 1
            if points == at:
                raise Crash

    con = connect()
    with pytest.raises(Crash):
        drop_rows(Store(con, state.directory, lambda: state.now, crash), "key = ?", ['["c1"]'], "forgotten")
    con.close()
    with state.store() as store:
        finish(store)
        assert complaints(store) == []
        assert not list((state.directory / "ledger").glob(".*"))
        drop_rows(store, "key = ?", ['["c1"]'], "forgotten")
        assert complaints(store) == []
    assert kept(state) == [("r1", '["c2"]'), ("r3", '["c2"]')]


def test_times(state: Written) -> None:
    """What is older than a moment goes, what is of that moment stays."""
    with state.store() as store:
        second = state.now - timedelta(seconds=120)
        assert drop_rows(store, '"time" < ?', [second], "pruned").files == 1
    assert {run for run, _ in kept(state)} == {"r2", "r3"}

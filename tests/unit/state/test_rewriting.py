"""Rows taken out of the ledger: the chain says so and still holds, whenever the process dies."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from revetl.errors import StateError
from revetl.state import ledger
from revetl.state.places import Objects
from revetl.state.rewriting import Removed, count_rows, drop_rows, finish
from revetl.state.store import Store
from revetl.warehouse.connection import connect
from tests.unit.state.written import MAIL, Sent, Written

FULL: dict[str, object] = {"email_address": "a@example.org", "LTV_BAND": "low"}


class Crash(BaseException):
    """The process died here."""


@pytest.fixture(params=["here", "elsewhere"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Written:
    """Three runs: two people, then each of them alone; the ledger's files lie here, or in a directory elsewhere."""
    place = Objects(str(tmp_path / "bucket"), "dev") if request.param == "elsewhere" else None
    made = Written(tmp_path / "dev", place=place).make(MAIL)
    made.run("r1", Sent('["c1"]', body=FULL), Sent('["c2"]', m="b@example.org", body=FULL))
    made.run("r2", Sent('["c1"]', body=FULL))
    made.run("r3", Sent('["c2"]', m="b@example.org", body=FULL))
    return made


def folder(state: Written) -> Path:
    """Return where the files lie."""
    return state.directory / "ledger" if state.place is None else state.directory.parent / "bucket" / "dev"


def kept(state: Written) -> list[tuple[str, str]]:
    """Return run and key of every row that is left."""
    files = [str(path) for path in folder(state).glob("*.parquet")]
    return duckdb.connect().execute("SELECT run, key FROM read_parquet(?) ORDER BY ALL", [files]).fetchall()


def complaints(store: Store) -> list[str]:
    """Return what the chain says after the head was brought up to it."""
    store.advance_head("x")
    store.bring_ledger()
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
    assert {path.name for path in folder(state).iterdir()} == {"r1.parquet", "r3.parquet"}


def test_what_would_go_is_counted(state: Written) -> None:
    """Rows, files that hold some, and files that would hold none any more."""
    with state.store() as store:
        assert count_rows(store, "run <> ?", ["r2"]) == Removed(3, 2, 2)
        assert count_rows(store, "key = ? AND run = 'r1'", ['["c1"]']) == Removed(1, 1, 0)
        assert count_rows(store, "key = ?", ["nobody"]) == Removed(0, 0, 0)


def test_what_was_taken_out_does_not_come_back(state: Written) -> None:
    """A file that was rewritten or removed and is put back from a copy is noticed."""
    files = {path: path.read_bytes() for path in folder(state).iterdir()}
    with state.store() as store:
        drop_rows(store, "key = ?", ['["c1"]'], "forgotten")
        for path, content in files.items():
            path.write_bytes(content)
        assert complaints(store) == [
            "r1.parquet was changed after it was written",
            "r2.parquet is there again although all its rows were taken out",
        ]


@pytest.mark.parametrize("at", range(1, 7))
def test_a_crash_is_made_good(state: Written, at: int) -> None:
    """Dead before or after any entry of the chain: the next start leaves files that agree with it, and it can go on."""
    points = 0

    def crash(point: str) -> None:
        nonlocal points
        if point.endswith(("rewritten", "promoted")):
            points += 1
            if points == at:
                raise Crash

    con = connect()
    store = Store(con, state.directory, lambda: state.now, crash, place=state.place)
    with pytest.raises(Crash):
        drop_rows(store, "key = ?", ['["c1"]'], "forgotten")
    con.close()
    with state.store() as store:
        finish(store)
        assert complaints(store) == []
        if at % 3 != 1:  # before the chain has it, it is no more than a file that the next attempt replaces
            assert not list(folder(state).glob(".*"))
        drop_rows(store, "key = ?", ['["c1"]'], "forgotten")
        assert complaints(store) == []
        assert not list(folder(state).glob(".*"))
    assert kept(state) == [("r1", '["c2"]'), ("r3", '["c2"]')]


def test_times(state: Written) -> None:
    """What is older than a moment goes, what is of that moment stays."""
    with state.store() as store:
        second = state.now - timedelta(seconds=120)
        assert drop_rows(store, '"time" < ?', [second], "pruned").files == 1
    assert {run for run, _ in kept(state)} == {"r2", "r3"}


def test_files_of_before_the_ledger_lay_elsewhere(tmp_path: Path) -> None:
    """They are taken there with the next run, and the chain still holds."""
    made = Written(tmp_path / "dev").make(MAIL)
    made.run("r1", Sent('["c1"]', body=FULL))
    made.place = Objects(str(tmp_path / "bucket"), "dev")
    with made.store() as store:
        finish(store)
    made.run("r2", Sent('["c1"]', body=FULL))
    assert kept(made) == [("r1", '["c1"]'), ("r2", '["c1"]')]
    assert not list((made.directory / "ledger").glob("*.parquet"))
    with made.store() as store:
        assert complaints(store) == []


def test_a_ledger_in_memory(tmp_path: Path) -> None:
    """A simulation's ledger is a table, out of which rows go."""
    store = Store(connect(), None, lambda: Written(tmp_path).now)
    assert drop_rows(store, "key = ?", ["a"], "forgotten") == Removed()
    store.con.execute("INSERT INTO revetl_state.ledger_rows (key) SELECT unnest(['a', 'b', 'a'])")
    assert drop_rows(store, "key = ?", ["c"], "forgotten") == Removed(0, 0)
    assert drop_rows(store, "key = ?", ["a"], "forgotten") == Removed(2, 1)
    assert store.rows("SELECT key FROM revetl_state.ledger_rows") == [("b",)]
    store.close()


def test_files_of_a_ledger(tmp_path: Path) -> None:
    """They are listed oldest first; where there is none yet, that is said."""
    with pytest.raises(StateError, match="no ledger for this target") as caught:
        ledger.ledger_files(tmp_path / "ledger")
    assert (caught.value.code, caught.value.hint) == ("RVT-508", "revetl sync")
    for name in ("r2.parquet", "r1.parquet", ".r1.parquet.new"):
        (tmp_path / name).touch()
    assert [path.name for path in ledger.ledger_files(tmp_path)] == ["r1.parquet", "r2.parquet"]


def test_what_is_kept_stays_as_it_was(state: Written) -> None:
    """A row of which nobody can say whether it matches stays, in the order of keys; nobody else may read the file."""
    with state.store() as store:
        where = "CASE key WHEN '[\"c1\"]' THEN NULL ELSE run = 'r1' END"
        assert drop_rows(store, where, [], "asked") == Removed(1, 1, 0)
        assert complaints(store) == []
        assert store.ledger is not None
        here = store.ledger.glob("*.parquet") if store.place is None else ()
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in here)
    assert kept(state) == [("r1", '["c1"]'), ("r2", '["c1"]'), ("r3", '["c2"]')]


def test_what_the_chain_does_not_know_is_thrown_away(state: Written) -> None:
    """A new file whose entry was never committed is no more than a copy, here or elsewhere; a rewritten one counts."""
    with state.store() as store:
        store.bring_ledger()
        assert store.ledger is not None
        old = (folder(state) / "r2.parquet").read_bytes()
        beside = store.ledger / ".r2.parquet.new"
        beside.write_bytes(b"new")
        store.stage_file(beside, "r2.parquet", gone=False)
        if store.place is not None:
            assert list(store.place.staged()) == ["r2.parquet"]
            finish(store)  # of which state says nothing: it is looked at before the next rewriting
            assert list(store.place.staged()) == ["r2.parquet"]
            assert count_rows(store, "key = ?", ["nobody"]) == Removed()
            assert store.place.staged() == {}
        finish(store)
        assert not beside.exists()
        assert (folder(state) / "r2.parquet").read_bytes() == old
        assert complaints(store) == []


def test_a_file_whose_rows_are_all_gone_goes_at_the_next_start(tmp_path: Path) -> None:
    """Dead between the chain's entry and the removal: neither it nor what was beside it is left."""
    made = Written(tmp_path / "dev").make(MAIL)
    made.run("r1", Sent('["c1"]', body=FULL))
    with made.store() as store:
        assert store.ledger is not None
        with store.transaction():
            ledger.append(store, "r1", "r1.parquet", "forgotten", ledger.GONE)
        for _ in range(2):  # the second time the file itself is gone by then
            (store.ledger / ".r1.parquet.new").write_bytes(b"")
            finish(store)
        assert list(store.ledger.iterdir()) == []
        assert complaints(store) == []


@pytest.mark.parametrize("owned", [True, False])
def test_files_of_a_state_that_lies_elsewhere_are_not_handed_over(tmp_path: Path, *, owned: bool) -> None:
    """Its owner has them; nor has a state in memory any."""
    place = Objects(str(tmp_path / "bucket"), "dev")
    store = Store(connect(), tmp_path / "dev" if owned else None, lambda: Written(tmp_path).now, place=place)
    if owned:
        store.owned = True
        (tmp_path / "dev" / "ledger").mkdir(parents=True)
        (tmp_path / "dev" / "ledger" / "r1.parquet").write_bytes(b"kept")
    finish(store)
    assert list(tmp_path.rglob("bucket/*/*.parquet")) == []
    assert not owned or (tmp_path / "dev" / "ledger" / "r1.parquet").read_bytes() == b"kept"
    store.close()

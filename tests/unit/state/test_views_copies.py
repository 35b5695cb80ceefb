"""A view of a state that is held or half there: how it is copied, and what is said where it cannot be."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from revetl.errors import StateError
from revetl.state import views
from revetl.state.flowlog import Filters, introduced, search_ledger, under_present_keys
from revetl.state.schema import MIGRATIONS, STATE
from revetl.state.views import judge, open_view, read_status
from tests.unit.state.written import MAIL, NOON, Sent, Written


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Return a state with two runs."""
    state = Written(tmp_path / "prod").make(MAIL)
    state.run("r1", Sent('["c1"]', body={"LTV_BAND": "low"}))
    state.run("r2", Sent('["c1"]', body={"LTV_BAND": "high"}), Sent('["c1"]', op="join", cohort="vip"))
    return state


def copied(path: Path) -> tuple[dict[str, bytes], str] | None:
    """Return what was copied of a file and of its log, and into which directory."""
    with ExitStack() as stack:
        copy = views._copy(path, stack)
        if copy is None:
            return None
        return {one.name: one.read_bytes() for one in copy.parent.iterdir()}, str(copy.parent.parent)


@pytest.mark.parametrize("ended", [0, 1, 4, 5])
def test_a_copy_is_of_one_moment(ended: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as checkpoints end meanwhile it is made again, five times; a log that went with one is not kept."""
    path, log = tmp_path / "state.duckdb", tmp_path / "state.duckdb.wal"
    path.write_bytes(b"x" * 20_000)
    log.write_bytes(b"log")
    reads: list[int] = []

    def headers(of: Path) -> bytes:
        reads.append(len(reads))
        if len(reads) % 2 == 0 and len(reads) // 2 <= ended:  # a checkpoint ended, and its log is gone
            log.unlink(missing_ok=True)
            of.write_bytes(b"y" * 20_000)
            return b"other"
        return of.read_bytes()[:10]

    monkeypatch.setattr(views, "_headers", headers)
    found = copied(path)
    assert len(reads) == 2 * min(ended + 1, 5)
    if ended == 5:
        assert found is None
        return
    assert found is not None
    assert found[0] == (
        {"state.duckdb": b"y" * 20_000} if ended else {"state.duckdb": b"x" * 20_000, "state.duckdb.wal": b"log"}
    )


def test_a_copy_lies_in_the_target_s_own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where that is there and may be written to; else where temporary files are."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "else"))
    (tmp_path / "else").mkdir()
    (tmp_path / "state.duckdb").write_bytes(b"x")
    assert copied(tmp_path / "state.duckdb") == ({"state.duckdb": b"x"}, str(tmp_path / "else"))
    (tmp_path / "tmp").mkdir()
    assert copied(tmp_path / "state.duckdb") == ({"state.duckdb": b"x"}, str(tmp_path / "tmp"))
    monkeypatch.setattr("os.access", lambda *_: False)
    assert copied(tmp_path / "state.duckdb") == ({"state.duckdb": b"x"}, str(tmp_path / "else"))
    assert views._headers(tmp_path / "state.duckdb") == b"x"


def test_a_state_that_changes_too_fast_is_told(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is held, and cannot be read now; the ledger answers."""
    monkeypatch.setattr(views, "_try", lambda *_: "held")
    monkeypatch.setattr(views, "_copy", lambda *_: None)
    with open_view(written.directory) as view:
        assert (view.readable, view.busy) == (False, True)
        why = "the state cannot be read now (it changes faster than it can be copied)"
        assert view.notice == f"{why}; this comes from the ledger's files alone"
        assert len(search_ledger(view, Filters())) == 3
        (flow,) = search_ledger(view, Filters(run="r1"))
        assert under_present_keys(view, [flow]) == [flow]


def test_what_a_database_says_of_itself() -> None:
    """None yet, a newer one, an older one, or one that can be read, held or not."""
    con = duckdb.connect()
    con.execute(f"ATTACH ':memory:' AS {STATE}")
    con.execute("CREATE TABLE memory.meta (x INTEGER)")
    assert judge(con, busy=True) == (False, True, "this target has no state yet")
    con.execute(f"CREATE TABLE {STATE}.meta (name VARCHAR, value VARCHAR)")
    con.execute(f"INSERT INTO {STATE}.meta VALUES ('seq', '9999_no_migration')")
    older = (
        "an older revetl wrote the state, the next run brings it up to date; this comes from the ledger's files alone"
    )
    assert judge(con, busy=False) == (False, False, older)
    for name in MIGRATIONS:
        con.execute(f"INSERT INTO {STATE}.meta VALUES ('migration', '{name}')")
    assert judge(con, busy=False) == (True, False, "")
    assert judge(con, busy=True) == (True, True, "a run holds the state: this is how it stood a moment ago")
    con.execute(f"INSERT INTO {STATE}.meta VALUES ('migration', '9999_later')")
    newer = "a newer revetl wrote the state; this comes from the ledger's files alone"
    assert judge(con, busy=True) == (False, True, newer)


def test_a_state_that_is_lost_is_no_state_that_never_was(written: Written, tmp_path: Path) -> None:
    """By its head; a status file that nobody can read says nothing, and one that can is given on."""
    assert read_status(tmp_path) == {}
    for text, wanted in (("{", {}), ("[1]", {}), ('{"a": 1}', {"a": 1})):
        (written.directory / "status.json").write_text(text)
        assert read_status(written.directory) == wanted
    (written.directory / "state.duckdb").unlink()
    with open_view(written.directory) as view:
        assert (view.readable, view.busy, view.pid, view.status) == (False, False, None, {"a": 1})
        assert view.notice.startswith("the state file is missing although this target has been synced")
    (written.directory / "head.json").unlink()
    with open_view(written.directory) as view:
        assert view.notice == "this target has no state yet"


def test_what_a_view_answers(written: Written) -> None:
    """Rows, single values, sizes; nothing is loaded and no object of Python's is found."""
    people = [1]
    with open_view(written.directory) as view:
        assert view.rows("SELECT ? + 1", [1]) == [(2,)]
        assert (view.one("SELECT ? + 1", [1]), view.one("SELECT 1 WHERE false")) == (2, None)
        assert view.sizes("chain") == {None: 2}
        assert view.sizes("chain", "run") == {"r1": 1, "r2": 1}
        assert view.ledger == written.directory / "ledger"
        assert view.one("SELECT current_setting('TimeZone')") == "UTC"
        with pytest.raises(duckdb.Error):
            view.rows("SELECT * FROM people")
        with pytest.raises(duckdb.Error, match="read-only"):
            view.rows(f"DELETE FROM {STATE}.chain")
    assert people == [1]


def test_an_open_run_s_flows_as_far_as_they_are_known(written: Written) -> None:
    """A word about one change before that about its range, local ones that are not quiet, and what nobody answered."""
    with written.store() as store:
        written.stage(store, "r3", [Sent(f'["k{n}"]', m=f"K{n}@x", status=None) for n in range(6)])
        at = NOON + timedelta(days=1)
        for run, lo, hi in (("r3", 4, 5), ("r3", 7, 7), ("r2", 4, 9)):
            store.con.execute(f"INSERT INTO {STATE}.acks VALUES (?, ?, ?, 'delivered', ?, 200, 'q')", [run, lo, hi, at])
        for run, seq in (("r3", 5), ("r2", 6)):
            store.con.execute(
                f"INSERT INTO {STATE}.exceptions VALUES (?, ?, 'rejected', 'NO', 'why', ?, 400, NULL)",
                [run, seq, at + timedelta(hours=1)],
            )
        for seq, word in ((8, "quiet"), (9, "implied")):
            store.con.execute(f"UPDATE {STATE}.outbox SET local = ?, body = NULL WHERE seq = ?", [word, seq])
    with open_view(written.directory) as view:
        flows = search_ledger(view, Filters(run="r3", newest_first=False))
    began = written.now
    assert [(f.seq, f.outcome, f.time, f.code, f.http_status, f.request_id, f.open) for f in flows] == [
        (4, "delivered", at, None, 200, "q", True), (5, "rejected", at + timedelta(hours=1), "NO", 400, "q", True),
        (6, "open", began, None, None, None, True), (7, "delivered", at, None, 200, "q", True),
        (9, "local", began, None, None, None, True),
    ]  # fmt: skip
    assert [(flows[0].identity, flows[0].values, flows[-1].values)] == [("k0@x", {}, None)]


def test_who_carried_something_first(written: Written) -> None:
    """The first run that delivered it, and when; what was refused or carried by another sync is none."""
    written.run(
        "r3", Sent('["c2"]', body={"LTV_BAND": "x"}), Sent('["c3"]', body={"NEW": 1}, status="rejected", code="NO")
    )
    written.run("r4", Sent('["c2"]', op="join", cohort="vip"), Sent('["c2"]', op="part", cohort="old"))
    with open_view(written.directory) as view:
        found = introduced(view, MAIL)
        assert introduced(view, "other.sync") == {}
    assert found == {
        ("field", "LTV_BAND"): ("r1", NOON), ("cohort", "vip"): ("r2", NOON + timedelta(minutes=1)),
    }  # fmt: skip


def test_a_ledger_that_cannot_be_read_is_told(written: Written) -> None:
    """DuckDB's first line, that the files stay, and which command names the file."""
    (written.directory / "ledger" / "r1.parquet").write_bytes(b"no")
    with open_view(written.directory) as view, pytest.raises(StateError) as caught:
        search_ledger(view, Filters())
    error: Any = caught.value
    assert error.what.startswith("the ledger cannot be read: ")
    assert "\n" not in error.what
    assert error.what != "the ledger cannot be read: "
    assert error.kept == "its files are left as they are"
    assert error.hint == "revetl log --verify names the file that was changed"
    assert error.code == "RVT-521"

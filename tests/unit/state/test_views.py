"""State and ledger are read while a run holds them, after a kill, and where half of them is gone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from revetl.errors import StateError
from revetl.state.backlog import backlog, recent_runs, rejected, run_facts, verify
from revetl.state.flowlog import Filters, introduced, search_ledger
from revetl.state.views import open_view
from tests.unit.state.written import HUB, MAIL, MASK, NOON, Sent, Written

HOLD = """
import duckdb, sys
con = duckdb.connect()
con.execute(f"ATTACH '{sys.argv[1]}/state.duckdb' AS s")
con.execute("INSERT INTO s.pending (sync, key, op) VALUES ('mailchimp.customer', '[\\"c9\\"]', 'upsert')")
open(sys.argv[1] + "/lock", "w").write('{"pid": 4711}')
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Two runs: c1 and c2 arrive and c2's band is refused; c1 joins, its band changes."""
    world = Written(tmp_path / "prod").make(MAIL, HUB)
    world.run(
        "r1",
        Sent('["c1"]', body={"email_address": "a@example.org", "LTV_BAND": "low"}, band="low"),
        Sent(
            '["c2"]', m="b@example.org", body={"LTV_BAND": "?"}, status="rejected", code="BAND", reason="no such band"
        ),
        commit="abc123",
    )
    world.now += timedelta(hours=1)
    world.run(
        "r2",
        Sent('["c1"]', body={"LTV_BAND": "high"}, band="high"),
        Sent('["c1"]', op="join", cohort="vip"),
        commit="def456",
    )
    return world


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Let another process hold the database, one committed row ahead of its main file."""
    command = [sys.executable, "-c", HOLD, str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def test_flows_come_newest_first_with_outcome_and_values(written: Written) -> None:
    """A closed run's file tells every change: what, why, which outcome, personal values and identities as HMAC."""
    with open_view(written.directory) as view:
        flows = search_ledger(view, Filters())
    assert [(f.run, f.seq, f.op, f.outcome) for f in flows] == [
        ("r2", 4, "join", "delivered"), ("r2", 3, "upsert", "delivered"),
        ("r1", 2, "upsert", "rejected"), ("r1", 1, "upsert", "delivered"),
    ]  # fmt: skip
    first = flows[-1]
    assert first.values is not None
    assert first.values["LTV_BAND"] == "low"
    assert set(first.values["email_address"]) == {"hmac"}
    assert first.identity not in {None, "a@example.org"}
    assert first.time == NOON
    assert (flows[2].code, flows[2].reason) == ("BAND", "no such band")


@pytest.mark.parametrize(
    ("filters", "seqs"),
    [
        (Filters(keys=['["c2"]']), [2]),
        (Filters(syncs=["mailchimp"]), [4, 3, 2, 1]),
        (Filters(syncs=[HUB]), []),
        (Filters(since=NOON + timedelta(hours=1)), [4, 3]),
        (Filters(until=NOON), [2, 1]),
        (Filters(field="email_address"), [1]),
        (Filters(cohort="vip"), [4]),
        (Filters(outcome="rejected"), [2]),
        (Filters(op="join"), [4]),
        (Filters(run="r1"), [2, 1]),
        (Filters(limit=1), [4]),
        (Filters(newest_first=False, limit=1), [1]),
        (Filters(run="r2", op="upsert"), [3]),
    ],
)
def test_filters_all_hold(written: Written, filters: Filters, seqs: list[int]) -> None:
    """Each filter leaves out what it says, and several hold together."""
    with open_view(written.directory) as view:
        assert [flow.seq for flow in search_ledger(view, filters)] == seqs


def test_view_while_another_process_holds_the_database(written: Written) -> None:
    """A held state is read from a copy that has everything committed, and the view says so and by whom."""
    with held(written.directory), open_view(written.directory) as view:
        assert view.readable
        assert view.busy
        assert view.pid == 4711
        assert "a moment ago" in view.notice
        assert [(b.sync, b.records, b.members, b.pending, b.rejected) for b in backlog(view)] == [
            (HUB, 0, 0, 0, 0), (MAIL, 1, 1, 1, 1),
        ]  # fmt: skip
        assert len(search_ledger(view, Filters())) == 4
        assert verify(view) == (2, ())
        copies = list(Path(view.rows("SELECT path FROM duckdb_databases() WHERE path IS NOT NULL")[0][0]).parents)
    assert not copies[0].exists()


def test_view_leaves_the_state_free_and_unchanged(written: Written) -> None:
    """A view makes nothing and a run may follow it."""
    before = {path.name for path in written.directory.iterdir()}
    with open_view(written.directory) as view:
        assert not view.busy
        assert view.notice == ""
    assert {path.name for path in written.directory.iterdir()} == before
    written.run("r3", Sent('["c1"]', body={"LTV_BAND": "top"}, band="top"))


def test_no_state_yet(tmp_path: Path) -> None:
    """Where nothing was ever synced there is nothing, said in words, and no directory is made."""
    with open_view(tmp_path / "prod") as view:
        assert not view.readable
        assert "no state yet" in view.notice
        assert (search_ledger(view, Filters()), recent_runs(view), backlog(view), rejected(view)) == ([], (), (), ())
        with pytest.raises(StateError) as caught:
            verify(view)
    assert caught.value.code == "RVT-508"
    assert not (tmp_path / "prod").exists()


@pytest.mark.parametrize("lost", [True, False])
def test_lost_or_broken_state_leaves_the_ledger(written: Written, *, lost: bool) -> None:
    """Without a usable database the ledger's files still answer, and the notice says that they are all there is."""
    path = written.directory / "state.duckdb"
    path.write_bytes(b"\0" * 5000)
    if lost:
        path.unlink()
    with open_view(written.directory) as view:
        assert not view.readable
        assert "ledger's files alone" in view.notice
        assert len(search_ledger(view, Filters())) == 4
        with pytest.raises(StateError) as caught:
            verify(view)
    assert caught.value.code == "RVT-522"


def test_newer_state_is_not_guessed_at(written: Written) -> None:
    """A state of a newer revetl is left alone; the ledger answers."""
    written.change(lambda store: store.con.execute("INSERT INTO revetl_state.meta VALUES ('migration', '9999_later')"))
    with open_view(written.directory) as view:
        assert not view.readable
        assert "newer revetl" in view.notice
        assert len(search_ledger(view, Filters())) == 4


def test_open_run_is_part_of_the_ledger(written: Written) -> None:
    """What a killed run staged is found with its outcome so far, its identities under the ledger's rule."""
    with written.store() as store:
        written.stage(store, "r3", [
            Sent('["c3"]', m="C@example.org", body={"LTV_BAND": "low"}, band="low"),
            Sent('["c4"]', m="d@example.org", body={"LTV_BAND": "low"}, band="low", status=None),
            Sent('["c5"]', m="e@example.org", status="rejected", code="X", reason="no"),
        ])  # fmt: skip
        closed = store.one(f"SELECT {MASK.hmac('?')}", ["c@example.org"])
    with open_view(written.directory, MASK.hmac) as view:
        flows = search_ledger(view, Filters(run="r3", newest_first=False))
        found = search_ledger(view, Filters(identities=[closed]))
    assert [(f.key, f.outcome, f.open) for f in flows] == [
        ('["c3"]', "delivered", True), ('["c4"]', "open", True), ('["c5"]', "rejected", True),
    ]  # fmt: skip
    assert [f.key for f in found] == ['["c3"]']


def test_run_between_file_and_transaction_counts_once(written: Written) -> None:
    """A run whose file is written and whose outbox still stands is listed once."""
    with written.store() as store:
        written.stage(store, "r2", [])
        store.con.execute("DELETE FROM revetl_state.runs WHERE run = 'r2' AND closed_at IS NULL")
        store.con.execute(
            "INSERT INTO revetl_state.outbox (run, seq, sync, key, op, body) "
            f"VALUES ('r2', 3, '{MAIL}', '[\"c1\"]', 'upsert', '{{}}')"
        )
    with open_view(written.directory) as view:
        assert [flow.seq for flow in search_ledger(view, Filters(run="r2"))] == [4, 3]


def test_runs_and_rejections(written: Written) -> None:
    """Runs come newest first with what they were made from; a rejection has reason, first gap and next try."""
    with open_view(written.directory) as view:
        runs = recent_runs(view)
        facts = run_facts(view, ["r1", "none"])
        refused = rejected(view, [MAIL])
        none = rejected(view, [HUB])
    assert [(run.run, run.git_commit, run.dbt_invocation) for run in runs] == [
        ("r2", "def456", "dbt-of-r2"), ("r1", "abc123", "dbt-of-r1"),
    ]  # fmt: skip
    assert set(facts) == {"r1"}
    assert [(r.key, r.op, r.code, r.reason, r.attempts) for r in refused] == [
        ('["c2"]', "upsert", "BAND", "no such band", 1),
    ]  # fmt: skip
    assert refused[0].next_at - refused[0].since == timedelta(hours=1)
    assert none == ()


def test_who_introduced_a_flow(written: Written) -> None:
    """The first delivery of a field or cohort names its run, whatever the key."""
    with open_view(written.directory) as view:
        found = introduced(view, MAIL)
    assert {what: run for what, (run, _) in found.items()} == {
        ("field", "email_address"): "r1", ("field", "LTV_BAND"): "r1", ("cohort", "vip"): "r2",
    }  # fmt: skip


def test_chain_verifies_and_names_what_was_changed(written: Written) -> None:
    """An untouched ledger verifies; a changed, a missing file and a head beyond the chain are each named."""
    with open_view(written.directory) as view:
        assert verify(view) == (2, ())
    head = json.loads((written.directory / "head.json").read_text())
    (written.directory / "head.json").write_text(json.dumps({**head, "chain": "f" * 64}))
    file = written.directory / "ledger" / "r1.parquet"
    file.write_bytes(file.read_bytes() + b"x")
    (written.directory / "ledger" / "r2.parquet").unlink()
    with open_view(written.directory) as view:
        links, found = verify(view)
    assert links == 2
    assert found[0] == "r1.parquet was changed after it was written"
    assert found[1] == "r2.parquet is missing"
    assert "head record" in found[2]


def test_broken_ledger_file_is_an_error_with_a_remedy(written: Written) -> None:
    """A file that is no Parquet is not passed over."""
    (written.directory / "ledger" / "r1.parquet").write_bytes(b"no")
    with open_view(written.directory) as view, pytest.raises(StateError) as caught:
        search_ledger(view, Filters())
    assert caught.value.code == "RVT-521"
    assert "--verify" in caught.value.hint

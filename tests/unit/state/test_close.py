"""The close of a run, row by row: outcomes, snapshot, members, ids; of this run and sync alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from revetl.state.close import Closing, close_run
from revetl.state.layout import drop_sync, load_sync
from revetl.state.schema import STATE
from tests.unit.state.closed import HOUR, MINUTE, C, S, T, World, key
from tests.unit.state.written import NOON


@pytest.fixture
def world() -> Iterator[World]:
    """Return such a world."""
    made = World()
    yield made
    made.con.close()


# --- outcomes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crashed", [True, False])
def test_each_change_has_one_outcome(world: World, *, crashed: bool) -> None:
    """A word about one change before that about its range; what nothing is said of waits, or is unknown, if killed."""
    run = world.stage(*(C(k, status=None, local="quiet" if k == "e" else None) for k in "abcdefg"))
    at = world.now + MINUTE
    for run_, lo, hi, http in ((run, 1, 2, 200), (run, 4, 4, 202), ("r9", 1, 7, 500), (run, 9, 9, 201)):
        world.add("acks", run=run_, lo=lo, hi=hi, status="delivered", ts=at, http_status=http, request_id=f"q{http}")
    world.add("exceptions", run=run, seq=2, status="rejected", code="NO", reason="why", ts=at + MINUTE, request_id="e2")
    world.add("exceptions", run=run, seq=6, status="unknown", code="LOST", ts=at, http_status=504)
    world.add("exceptions", run="r9", seq=7, status="rejected", code="NO", ts=at)
    for run_, seq in ((run, 1), ("r9", 2)):
        world.add("kept", run=run_, seq=seq, kept="{}")
        world.add("remote_new", run=run_, seq=seq, remote_id="id")
    world.add("outbox", run="r9", seq=8, sync=S, key="k", op="upsert")
    close_run(world.store, run, Closing({}, crashed=crashed))
    open_ = "unknown" if crashed else "waiting"
    assert world.rows("SELECT seq, status, code, reason, ts, http_status, request_id FROM final ORDER BY seq") == [
        (1, "delivered", None, None, at, 200, "q200"), (2, "rejected", "NO", "why", at + MINUTE, 200, "e2"),
        (3, open_, None, None, at, None, None), (4, "delivered", None, None, at, 202, "q202"),
        (5, "local", None, None, at, None, None), (6, "unknown", "LOST", None, at, 504, None),
        (7, open_, None, None, at, None, None),
    ]  # fmt: skip
    assert world.rows("SELECT seq, kept, new_id FROM final WHERE coalesce(kept, new_id) IS NOT NULL") == [
        (1, "{}", "id")
    ]
    assert world.rows("SELECT run, seq FROM {s}.outbox") == [("r9", 8)]


def test_a_run_is_closed_and_its_outbox_is_empty(tmp_path: Path) -> None:
    """Every table of it, of this run alone; when, with what, into which file; the head knows of it."""
    world = World(tmp_path / "dev")
    tables = ("acks", "exceptions", "remote_new", "started", "jobs", "kept")
    for table in tables:
        world.add(table, run="r1")
        world.add(table, run="r0")
    world.stage(C("a"), run="r0")
    world.stage(C("b", cohort="vip", op="join"), run="r1")
    world.now += HOUR
    close_run(world.store, "r1", Closing({}, exit_code=3, summary="{}"))
    for table in (*tables, "outbox"):
        assert {row[0] for row in world.rows(f"SELECT run FROM {{s}}.{table}")} == {"r0"}, table
    assert world.rows("SELECT started_at, closed_at, exit_code, file, summary FROM {s}.runs WHERE run = 'r1'") == [
        (NOON, NOON + HOUR, 3, "r1.parquet", "{}")
    ]
    assert world.rows("SELECT closed_at, exit_code, file, summary FROM {s}.runs WHERE run = 'r0'") == [(None,) * 4]
    assert world.rows("SELECT seq FROM {s}.after_1") == [(1,)]
    head = world.store.head
    assert head is not None
    assert (head.run, head.seq, head.chain) == ("r1", 2, world.store.chain_end())
    assert world.points == ["before_ledger", "after_ledger", "after_apply", "after_close"]
    assert not (tmp_path / "dev" / "state.duckdb.wal").exists()
    world.con.close()


def test_a_run_that_sent_nothing_takes_a_number(world: World) -> None:
    """So that a copy of the state from before it is behind the head; there is no file of it."""
    world.store.set_meta("seq", "7")
    world.stage(run="r1")
    world.store.set_meta("seq", "7")
    close_run(world.store, "r1", Closing({}))
    assert world.store.last_seq() == 8
    assert world.rows("SELECT file, exit_code, summary FROM {s}.runs") == [(None, 0, "")]


def test_a_sync_that_was_retired_meanwhile(tmp_path: Path) -> None:
    """What its job brought is in the ledger; there is nothing else to do, also for what it handed over."""
    world = World(tmp_path / "dev")
    handed = C("b", "leave", "b@x", local="handed_over")
    world.stage(C("a", m="a@x"), handed, C("c", sync=T), run="r1")
    sync = load_sync(world.store, S)
    assert sync is not None
    drop_sync(world.store, sync)
    close_run(world.store, "r1", Closing({}))
    assert world.rows(f"SELECT sync, key, outcome FROM '{tmp_path}/dev/ledger/r1.parquet' ORDER BY seq") == [
        (S, key("a"), "delivered"), (S, key("b"), "local"), (T, key("c"), "delivered"),
    ]  # fmt: skip
    assert [row[0] for row in world.rows("SELECT k0 FROM {s}.snap_2")] == ["c"]
    world.con.close()


# --- the snapshot -----------------------------------------------------------------------------------------------------


def test_what_was_delivered_is_in_the_snapshot(world: World) -> None:
    """Whole, with its address; what was refused, lost or never sent is not; who left is gone."""
    world.known("old", "gone", "kept", "lost", f0="before")
    before = world.other()
    world.do(
        C("new", m="New@x", values={0: "n", 1: "high"}), C("old", m="old2@x", values={0: "o"}),
        C("kept", m="k@x", status="rejected", values={0: "no"}), C("lost", m="l@x", status="unknown"),
        C("never", m="z@x", status=None), C("same", m="same@x", local="implied", values={1: "low"}),
        C("gone", "leave", "gone@x"), C("lost", "leave", "lost@x", status="unknown"),
    )  # fmt: skip
    assert world.snap() == {
        "new": ["New@x", "n", "high", None, None], "old": ["old2@x", "o", None, None, None],
        "kept": ["kept@x", "before", None, None, None], "lost": ["lost@x", "before", None, None, None],
        "same": ["same@x", None, "low", None, None],
    }  # fmt: skip
    assert world.other() == before
    assert world.rows("SELECT count(*) FROM {s}.after_1") == [(0,)]


def test_an_identity_moves_by_itself(world: World) -> None:
    """The last of several, even where the fields' own change was refused; fields stay as they are."""
    world.known("a", "b", f0="f")
    before = world.other()
    world.do(
        C("a", "identity", "b2@x", before="a@x"), C("a", "identity", "a3@x", before="b2@x"),
        C("a", m="a3@x", status="rejected", values={0: "g"}),
        C("b", "identity", "c@x", before="b@x", status="rejected"),
    )  # fmt: skip
    assert world.snap() == {"a": ["a3@x", "f", None, None, None], "b": ["b@x", "f", None, None, None]}
    assert world.other() == before


def test_what_is_mapped_no_more_stays_until_it_is_cleared(world: World) -> None:
    """A field that a record's change names, among its values or its links, is cleared; others keep what they hold."""
    world.known("a", "b", "c", f3="held")
    world.do(
        C("a", m="a@x", body='{"email": "e"}'), C("b", m="b@x", body='{"former": null}'),
        C("c", m="c@x", links='{"former": {}}'), C("d", m="d@x"),
    )  # fmt: skip
    assert {who: row[4] for who, row in world.snap().items()} == {"a": "held", "b": None, "c": None, "d": None}


# --- memberships ------------------------------------------------------------------------------------------------------


def test_memberships_begin_and_end(world: World) -> None:
    """With what they carry; what was refused did neither; who leaves is a member of nothing, but their no stays."""
    for who, cohort in (("a", "vip"), ("b", "vip"), ("a", "new"), ("g", "vip"), ("g", "consent:mail")):
        world.member(who, cohort, "then", "held")
    before = world.other()
    world.do(
        C("c", "join", "c@x", cohort="vip", values={4: "now"}), C("a", "join", "a@x", cohort="vip", values={4: "now"}),
        C("b", "part", "b@x", cohort="vip"), C("a", "part", "a@x", cohort="new", status="rejected"),
        C("d", "join", "d@x", cohort="vip", status="unknown"), C("g", "leave", "g@x"),
        C("b", "join", "b@x", cohort="new", local="implied"),
    )  # fmt: skip
    assert world.members() == [
        ("a", "new", "then", "held"), ("a", "vip", "now", "held"), ("b", "new", None, None), ("c", "vip", "now", None),
        ("g", "consent:mail", "then", "held"),
    ]  # fmt: skip
    assert world.other() == before


def test_a_membership_s_former_field_is_cleared(world: World) -> None:
    """Where its change names it; the last of two says what is carried."""
    world.member("a", "vip", "then", "held")
    world.member("b", "vip", "then", "held")
    world.do(
        C("a", "join", "a@x", cohort="vip", body='{"until": null}'),
        C("b", "join", "b@x", cohort="vip", values={4: "one"}), C("b", "join", "b@x", cohort="vip", values={4: "two"}),
    )  # fmt: skip
    assert world.members() == [("a", "vip", None, None), ("b", "vip", "two", "held")]


def test_a_no_in_two_places_stands_once_both_have_it(world: World) -> None:
    """As long as one join of a key and cohort is not delivered, none of them is."""
    world.do(
        C("a", "join", "a@x", cohort="no"), C("a", "join", "a2@x", cohort="no", status="rejected"),
        C("b", "join", "b@x", cohort="no"), C("b", "join", "b@x", cohort="yes", status="rejected"),
        C("c", "join", "c@x", cohort="no"), C("c", "upsert", "c@x", status="rejected"),
    )  # fmt: skip
    assert [row[:2] for row in world.members()] == [("b", "no"), ("c", "no")]


def test_without_fields_memberships_are_plain(world: World) -> None:
    """A sync whose memberships never carried anything."""
    world.con.execute(f"DELETE FROM {STATE}.fields WHERE cohort IS NOT NULL")
    world.member("a", "vip")
    world.do(C("a", "part", "a@x", cohort="vip"), C("b", "join", "b@x", cohort="vip"))
    assert [row[:2] for row in world.members()] == [("b", "vip")]


# --- ids there --------------------------------------------------------------------------------------------------------


def test_ids_are_remembered_with_who_made_the_record(world: World) -> None:
    """Once revetl did, it did until the record is gone; the last id counts; a record without one is known as well."""
    for who, remote, created in (
        ("a", "1", True),
        ("b", "2", False),
        ("g", "3", True),
        ("k", "4", True),
        ("j", "5", False),
    ):
        for sync in (S, T):
            world.add("remote", sync=sync, key=key(who), remote_id=remote, created=created)
    before = world.other()
    world.do(
        C("a", m="a@x", new=("1", False)), C("b", m="b@x", new=(None, True)), C("n", m="n@x", new=("7", True)),
        C("n", "identity", "n2@x", before="n@x", new=("8", None)), C("p", m="p@x"),
        C("g", "leave", "g@x"), C("k", "leave", "k@x", local="handed_over"),
        C("q", "join", "q@x", cohort="v", new=("9", None)),
        C("r", "join", "r@x", cohort="v"), C("r", "identity", "r2@x", before="r@x"), C("t", m="t@x", local="implied"),
        C("j", "part", "j@x", cohort="v", new=("5b", True)), C("u", m="u@x", status="rejected", new=("10", True)),
    )  # fmt: skip
    assert world.rows(f"SELECT key, remote_id, created FROM {{s}}.remote WHERE sync <> '{T}' ORDER BY key") == [
        (key("a"), "1", True), (key("b"), "2", True), (key("j"), "5", False), (key("k"), "4", True),
        (key("n"), "8", True), (key("p"), None, False), (key("q"), "9", False),
    ]  # fmt: skip
    assert world.other() == before


def test_another_record_that_was_there_before_is_not_ours(world: World) -> None:
    """Ours is gone if an upsert finds another one; not where a rename brought it there, or may have.

    Nor where another one joins a group, where nobody says who made it, or where it is made anew.
    """
    for who in "abcdefg":
        world.add("remote", sync=S, key=key(who), remote_id=f"{who}1", created=True)
    world.add("pending", sync=S, key=key("b"), op="upsert", since=NOON, touched=[], tried=[], near=["b@x"])
    world.add("pending", sync=T, key=key("a"), op="upsert", since=NOON, touched=[], tried=[], near=["a@x"])
    world.do(
        C("a", m="a@x", new=("a2", False)), C("a", "join", "a@x", cohort="v"), C("b", m="b@x", new=("b2", False)),
        C("c", "identity", "c2@x", before="c@x"), C("c", m="c2@x", new=("c2", False)),
        C("d", m="d@x", new=("d2", None)), C("e", m="e@x", new=("e2", True)), C("f", m="f@x", new=("f1", False)),
        C("g", "join", "g@x", cohort="v", new=("g2", False)),
    )  # fmt: skip
    assert world.rows("SELECT key, remote_id, created FROM {s}.remote ORDER BY key") == [
        (key("a"), "a2", False), (key("b"), "b2", True), (key("c"), "c2", True), (key("d"), "d2", True),
        (key("e"), "e2", True), (key("f"), "f1", True), (key("g"), "g2", True),
    ]  # fmt: skip

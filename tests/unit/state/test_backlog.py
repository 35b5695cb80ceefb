"""What is open, asked of state: backlogs, rejections, results, models, everything about one key, erasures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from revetl.errors import StateError
from revetl.state.backlog import (
    Backlog,
    RunModel,
    backlog,
    held,
    last_results,
    recent_runs,
    rejected,
    run_facts,
    run_models,
    verify,
)  # fmt: skip
from revetl.state.erasing import Erasure, add, blank, erasures, record, settle_erasure, unfinished
from revetl.state.layout import StoredField, StoredSync, add_field, load_sync, make_tables
from revetl.state.onekey import Awaited, Doubt, KeyState, Refusal, key_state, keys_of_identity, normalised, part_text
from revetl.state.outbox import begin_run
from revetl.state.purging import busy_keys, doubts_since
from revetl.state.schema import STATE
from revetl.state.store import Store
from revetl.state.views import View
from revetl.types import Held
from revetl.warehouse.connection import connect
from tests.unit.state.written import HUB, MAIL, NOON, Sent, Written

HOUR = timedelta(hours=1)


class Seen:
    """A state in memory that knows two syncs, and a view of it."""

    def __init__(self) -> None:
        """Make their tables: a key of two parts, an address that is personal, a band."""
        self.con = connect()
        self.con.execute("SET threads = 1; PRAGMA disable_optimizer")
        self.now = NOON
        self.store = Store(self.con, None, lambda: self.now)
        self.view = View(self.con, Path("nowhere"), readable=True)
        for number, name, account in ((1, MAIL, "account-1"), (2, HUB, None)):
            make_tables(
                self.store, StoredSync(number, name, ("BOOLEAN", "INTEGER"), "email", 1, {}, account, "flow", 0)
            )
        for field in (
            StoredField(0, "mail", "mail", "model", "VARCHAR", "email", fresh=False, orphan=False),
            StoredField(1, "day", "day", "model", "DATE", None, fresh=False, orphan=False),
        ):
            add_field(self.store, 1, field)

    def put(self, table: str, **row: object) -> None:
        """Insert a row."""
        marks = ", ".join("?" * len(row))
        self.con.execute(f"INSERT INTO {STATE}.{table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))

    @property
    def mail(self) -> StoredSync:
        """Return the first sync as it is known."""
        found = load_sync(self.store, MAIL)
        assert found is not None
        return found


@pytest.fixture
def seen() -> Iterator[Seen]:
    """Return such a state."""
    made = Seen()
    yield made
    made.con.close()


SHUT = cast("View", SimpleNamespace(readable=False, status={}))


def test_a_backlog_is_a_sync_s_own(seen: Seen) -> None:
    """Records, members, doubts since when, rejections until when, who matched nobody, and links that wait."""
    assert backlog(SHUT) == ()
    assert backlog(seen.view) == (
        Backlog(HUB, 0, 0, 0, None, 0, 0, None, None),
        Backlog(MAIL, 0, 0, 0, None, 0, 0, None, "account-1"),
    )
    for n in range(2):
        seen.put("snap_1", k0=True, k1=n)
        seen.put("pending", sync=MAIL, key="k", since=NOON + n * HOUR)
        seen.put("rejected", sync=MAIL, key="k", next_at=NOON + (2 - n) * HOUR)
    for n in range(3):
        seen.put("members_1", k0=True, k1=n, cohort="vip")
        seen.put("waiting_links", sync=MAIL, key="k", field=f"f{n}")
    for n in range(4):
        seen.put("unmatched", sync=MAIL, key=f"k{n}")
    assert backlog(seen.view)[1] == Backlog(MAIL, 2, 3, 2, NOON, 2, 4, NOON + HOUR, "account-1", 3)
    assert backlog(seen.view)[0] == Backlog(HUB, 0, 0, 0, None, 0, 0, None, None, 0)


def test_rejections_by_sync_code_and_key(seen: Seen) -> None:
    """Of all syncs or of those that are named, as many as are asked for; texts are never null."""
    for sync, key, code in ((HUB, "b", None), (MAIL, "b", "A"), (MAIL, "a", "B"), (MAIL, "a", "A")):
        seen.put(
            "rejected",
            sync=sync,
            key=key,
            op="join",
            cohort="vip",
            code=code,
            since=NOON,
            attempts=2,
            next_at=NOON + HOUR,
            run="r1",
        )
    assert [(one.sync, one.code, one.key) for one in rejected(seen.view)] == [
        (HUB, "", "b"), (MAIL, "A", "a"), (MAIL, "A", "b"), (MAIL, "B", "a"),
    ]  # fmt: skip
    assert [one.key for one in rejected(seen.view, [MAIL], 2)] == ["a", "b"]
    (one,) = rejected(seen.view, [HUB])
    assert (one.op, one.cohort, one.reason, one.since, one.attempts, one.next_at, one.run) == (
        "join", "vip", "", NOON, 2, NOON + HOUR, "r1",
    )  # fmt: skip
    assert rejected(SHUT) == ()


def runs(seen: Seen) -> None:
    """Do three runs: the first and the last one had results of syncs."""
    verdict = {
        "sync": MAIL,
        "guard": "max_leave",
        "reason": "many",
        "stops": True,
        "found": 3,
        "sample": ["a"],
        "later": 1,
    }
    said = [{"sync": MAIL, "held": [verdict], "n": 1}, {"sync": HUB, "held": None, "n": 1}]
    for n, summary in enumerate((json.dumps({"syncs": said}), "", json.dumps({"syncs": [{"sync": HUB, "n": 3}]}))):
        begin_run(seen.store, f"r{n}", {"git_commit": f"c{n}"})
        seen.con.execute(f"UPDATE {STATE}.runs SET summary = ? WHERE run = ?", [summary, f"r{n}"])
        seen.now += HOUR


def test_the_last_result_of_each_sync(seen: Seen) -> None:
    """By name, with the run that it is of; of the last so many runs."""
    runs(seen)
    assert [run.run for run in recent_runs(seen.view, 2)] == ["r2", "r1"]
    assert (recent_runs(SHUT), run_facts(SHUT, ["r0"]), run_facts(seen.view, [])) == ((), {}, {})
    facts = run_facts(seen.view, ["r0", "r2", "r9"])
    assert {run: (row.run, row.git_commit, row.started_at) for run, row in facts.items()} == {
        "r0": ("r0", "c0", NOON), "r2": ("r2", "c2", NOON + 2 * HOUR),
    }  # fmt: skip
    found = last_results(seen.view)
    assert list(found) == [HUB, MAIL]
    assert [(run.run, result["n"]) for run, result in found.values()] == [("r2", 3), ("r0", 1)]
    assert list(last_results(seen.view, 2)) == [HUB]
    assert len(recent_runs(seen.view)) == 3


def test_what_guards_held(seen: Seen) -> None:
    """In the last run of each sync; where the state cannot be read, as the status file says. New words are no error."""
    runs(seen)
    verdict = Held(MAIL, "max_leave", "many", stops=True, found=3, sample=("a",))
    assert held(seen.view) == (verdict,)
    told = {"held": [{"sync": MAIL, "guard": "g", "reason": "r", "stops": False, "sample": None, "new": 2}]}
    assert held(cast("View", SimpleNamespace(readable=False, status=told))) == (Held(MAIL, "g", "r", stops=False),)
    assert held(SHUT) == ()


def test_models_of_runs(seen: Seen) -> None:
    """By run and name, of one sync."""
    for run, sync, model, version in (
        ("r1", MAIL, "b", "2"),
        ("r1", MAIL, "a", None),
        ("r2", MAIL, "a", None),
        ("r1", HUB, "c", None),
    ):
        seen.put("run_models", run=run, sync=sync, model=model, version=version, checksum=f"sum-{model}")
    assert run_models(seen.view, MAIL, ["r1", "r3"]) == {
        "r1": (RunModel("a", None, "sum-a"), RunModel("b", "2", "sum-b"))
    }
    assert (run_models(seen.view, MAIL, []), run_models(SHUT, MAIL, ["r1"])) == ({}, {})


def test_a_chain_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Without a ledger there is none yet; with one, why it cannot be read now, and to try again."""
    said: Any = {"readable": False, "notice": "so it is"}
    with pytest.raises(StateError) as none:
        verify(cast("View", SimpleNamespace(ledger=tmp_path / "no", **said)))
    assert str(none.value) == "RVT-508 there is no ledger for this target yet · hint: revetl sync"
    with pytest.raises(StateError) as unread:
        verify(cast("View", SimpleNamespace(ledger=tmp_path, **said)))
    assert str(unread.value) == "RVT-522 the ledger's chain cannot be read: so it is · hint: try again later"


# --- one key ----------------------------------------------------------------------------------------------------------


def test_everything_about_one_key(seen: Seen) -> None:
    """What is acknowledged, what is in doubt, refused, held or waited for; of this key of this sync alone."""
    key, other = "[true,1]", "[true,2]"
    for number, mail in ((1, "A@x"), (2, "b@x")):
        seen.put("snap_1", k0=True, k1=number, m=mail, f0=mail, f1=datetime(2026, 1, number))  # noqa: DTZ001 - a date
    seen.put("snap_1", k0=False, k1=1, m="c@x")
    for cohort, flag in (("vip", True), ("new", True), ("old", False)):
        seen.put("members_1", k0=flag, k1=1, cohort=cohort)
    mine, wanted = [(MAIL, key)], [(HUB, key), (MAIL, other)]
    for n, (sync, which) in enumerate([*wanted, *mine, *mine]):
        at = NOON - n * HOUR
        seen.put("pending", sync=sync, key=which, op="join", cohort=f"c{n}", since=at, run=f"r{n}")
        seen.put("rejected", sync=sync, key=which, op="upsert", code=None if n == 2 else "NO", since=at, attempts=n)
        seen.put("refused", sync=sync, key=which, op="leave", guard="max_leave", hash=f"h{n}", ts=at)
        seen.put("waiting_links", sync=sync, key=which, field=f"f{9 - n}", target="firm", awaits=f"w{n}")
        seen.put("opted_out", sync=sync, key=which, since=at)
    for sync, which in wanted:
        seen.put("unmatched", sync=sync, key=which)
        seen.put("remote", sync=sync, key=which, created=True)
    found = key_state(seen.view, seen.mail, key, [True, 1])
    first, last = NOON - 3 * HOUR, NOON - 2 * HOUR
    assert found == KeyState(
        True, {"mail": "A@x", "day": "2026-01-01"}, frozenset({"mail"}), ("new", "vip"),
        (Doubt("join", "c2", last, "r2"), Doubt("join", "c3", first, "r3")),
        (Refusal("upsert", None, "NO", "", first, None, 3), Refusal("upsert", None, "", "", last, None, 2)),
        (Refusal("leave", None, "max_leave", "h3", first), Refusal("leave", None, "max_leave", "h2", last)),
        (Awaited("f6", "firm", "w3"), Awaited("f7", "firm", "w2")), False, None, first,
    )  # fmt: skip
    seen.put("unmatched", sync=MAIL, key=key)
    seen.put("remote", sync=MAIL, key=key, created=False)
    again = key_state(seen.view, seen.mail, key, [True, 1])
    assert (again.unmatched, again.created) == (True, False)


def test_a_key_that_nobody_knows(seen: Seen) -> None:
    """Nothing is known of it, nor of one with too few parts; which fields are personal is."""
    seen.put("snap_1", k0=True, k1=1)
    for parts in ([True, 9], [True]):
        found = key_state(seen.view, seen.mail, "[true,9]", parts)
        assert found == KeyState(hidden=frozenset({"mail"}), values={})
    assert key_state(seen.view, seen.mail, "[true,1]", [True, 1]).values == {"mail": None, "day": None}


def test_parts_are_spelt_as_the_database_casts_them() -> None:
    """Truth in small letters."""
    assert [part_text(part) for part in (True, False, 4, "Ab")] == ["true", "false", "4", "Ab"]


@pytest.mark.parametrize(("kind", "same"), [("email", " A@X "), ("lower", "A@X"), ("", "a@x")])
def test_identities_are_compared_as_they_are_there(seen: Seen, kind: str, same: str) -> None:
    """Addresses without case and blanks, names without case, others as they are."""
    seen.put("snap_1", k0=True, k1=1, m="a@x")
    seen.con.execute(f"UPDATE {STATE}.syncs SET normalise = ? WHERE id = 1", [kind])
    assert keys_of_identity(seen.view, seen.mail, same) == ["[true,1]"]
    assert keys_of_identity(seen.view, seen.mail, "A@X ") == (["[true,1]"] if kind == "email" else [])
    assert normalised(kind, "m") == {"email": "lower(trim(m))", "lower": "lower(m)", "": "m"}[kind]


# --- erasures ---------------------------------------------------------------------------------------------------------


def one(ident: str = "t1", identity: str | None = "a@x", status: str = "open", **more: Any) -> Erasure:
    """Return an erasure."""
    return Erasure(
        ident,
        **{"at": NOON, "sync": MAIL, "key": "k", "identity": identity, "remote_id": "9", "status": status, **more},
    )


def test_what_is_done_stays_done(seen: Seen) -> None:
    """What is added again replaces what is open, and takes the place of one without an identity; nobody else's."""
    others = [one("t2"), one(sync=HUB), one(identity="b@x")]
    add(seen.store, [*others, one(identity=None)])
    assert len(erasures(seen.store)) == 4
    add(seen.store, [one(code="again")])
    assert sorted(erasures(seen.store), key=repr) == sorted([one(code="again"), *others], key=repr)
    for status, wanted in (("failed", "open"), ("archived", "open"), ("erased", "erased"), ("absent", "absent")):
        add(seen.store, [one()])
        settle_erasure(seen.store, one(), status, "C", "why")
        add(seen.store, [one(code="new")])
        (found,) = [e for e in erasures(seen.store, "t1") if (e.sync, e.identity) == (MAIL, "a@x")]
        assert found.status == wanted
        assert found.code == ("new" if wanted == "open" else "C")
        seen.con.execute(f"DELETE FROM {STATE}.erasures WHERE status IN ('erased', 'absent')")
    assert sorted(erasures(seen.store), key=repr) == sorted(others, key=repr)
    settle_erasure(seen.store, one(identity=None), "erased", "C", "why")
    add(seen.store, [one(identity=None)])
    assert len(erasures(seen.store)) == 4


def test_what_could_not_be_told_of_another_key_stays(seen: Seen) -> None:
    """It is told anew of the same key; once the key is taken out it stays, unless it depends on the project."""
    unknown, gone = one(identity=None, status="unresolved"), one(identity=None, status="unconfigured")
    add(seen.store, [unknown, replace(unknown, key="j"), gone, unknown])
    told = sorted((e.key, e.status) for e in erasures(seen.store))
    assert told == [("j", "unresolved"), ("k", "unconfigured"), ("k", "unresolved")]
    add(seen.store, [one()])
    assert [(e.key, e.status) for e in erasures(seen.store)] == [("k", "open"), ("j", "unresolved")]
    add(seen.store, [replace(gone, key="j")])
    blank(seen.store)
    assert [(e.key, e.status) for e in erasures(seen.store)] == [("k", "open"), (None, "unconfigured")]
    add(seen.store, [unknown])
    blank(seen.store)
    add(seen.store, [one(), unknown])
    assert [(e.key, e.status) for e in erasures(seen.store)] == [("k", "open"), (None, "unresolved")]


def test_an_erasure_is_settled_by_itself(seen: Seen) -> None:
    """By tombstone, sync and identity, one without an identity included."""
    some = [one(), one(identity=None), one("t2"), one(sync=HUB)]
    for row in some:
        seen.put(
            "erasures",
            id=row.id,
            ts=row.at,
            sync=row.sync,
            key=row.key,
            identity=row.identity,
            remote_id="9",
            status="open",
            code="",
            reason="",
        )
    settle_erasure(seen.store, one(identity=None), "failed", "C", "why")
    found = erasures(seen.store)
    assert [(e.id, e.sync, e.identity) for e in found if e.status == "failed"] == [("t1", MAIL, None)]
    assert [(e.code, e.reason) for e in found if e.status == "failed"] == [("C", "why")]
    assert [e.id for e in found] == ["t1", "t1", "t1", "t2"]
    assert erasures(seen.store, "t2") == (one("t2"),)


def test_what_is_left_is_told_by_the_person(seen: Seen) -> None:
    """Since when, in which syncs; what is done needs its names no more."""
    add(seen.store, [
        one("t1", at=NOON + HOUR), one("t1", sync=HUB, at=NOON, status="failed"), one("t1", "b@x", at=NOON + 2 * HOUR),
        one("t0", at=NOON - HOUR), one("t9", status="erased"), one("t8", status="no erasure here"),
    ])  # fmt: skip
    assert [(left.id, left.since, left.syncs) for left in unfinished(seen.store)] == [
        ("t0", NOON - HOUR, (MAIL,)), ("t1", NOON, (HUB, MAIL)),
    ]  # fmt: skip
    blank(seen.store)
    named = {(e.id, e.status): (e.key, e.identity, e.remote_id) for e in erasures(seen.store)}
    assert {which for which, values in named.items() if values == (None, None, None)} == {
        ("t9", "erased"), ("t8", "no erasure here"),
    }  # fmt: skip
    assert named["t1", "failed"] == ("k", "a@x", "9")


def test_a_run_of_erasures_is_written_down(tmp_path: Path) -> None:
    """A file with a row of each, an entry of the chain, numbers that nobody else gets; without any, the run alone."""
    state = Written(tmp_path / "dev").make(MAIL)
    state.run("r0", Sent('["c1"]'))
    with state.store() as store:
        record(
            store,
            "r1",
            [(NOON, MAIL, "k", "hash", "erased", "C", "why"), (NOON, HUB, "j", None, "failed", None, None)],
            4,
        )
        record(store, "r2", [], 0)
        assert store.last_seq() == 3
        assert store.ledger is not None
        assert store.rows("SELECT * FROM read_parquet(?) ORDER BY seq", [str(store.ledger / "r1.parquet")]) == [
            ("r1", 2, NOON, MAIL, "k", "erase", "forget", None, "hash", None, None, "erased", "C", "why", None, None),
            ("r1", 3, NOON, HUB, "j", "erase", "forget", None, None, None, None, "failed", None, None, None, None),
        ]
        assert store.rows(f"SELECT run, file FROM {STATE}.chain ORDER BY n") == [
            ("r0", "r0.parquet"),
            ("r1", "r1.parquet"),
        ]
        facts = "SELECT run, started_at, closed_at, exit_code, file"
        assert store.rows(f"{facts} FROM {STATE}.runs WHERE run > 'r0' ORDER BY run") == [
            ("r1", state.now, state.now, 4, "r1.parquet"), ("r2", state.now, state.now, 0, None),
        ]  # fmt: skip


def test_a_state_in_memory_has_no_file_of_erasures(seen: Seen) -> None:
    """The run is known all the same."""
    record(seen.store, "r1", [(NOON, MAIL, "k", None, "erased", None, None)], 0)
    assert seen.store.rows(f"SELECT run, file FROM {STATE}.runs") == [("r1", None)]
    assert seen.store.last_seq() == 0


def test_who_is_on_the_way_or_in_doubt(seen: Seen) -> None:
    """Syncs in whose outbox one of these keys is, and since when changes of them are of unknown outcome."""
    for sync, key in ((MAIL, "a"), (HUB, "b")):
        seen.put("outbox", run="r", sync=sync, key=key)
        seen.put("pending", sync=sync, key=key, since=NOON)
        seen.put("pending", sync=sync, key=f"{key}2", since=NOON + HOUR)
    assert busy_keys(seen.store, {MAIL: ["a"], HUB: ["a"], "x": ["b"]}) == [MAIL]
    assert busy_keys(seen.store, {MAIL: ["z", "a"], HUB: ["b"]}) == [HUB, MAIL]
    assert sorted(doubts_since(seen.store, MAIL, ["a", "a2", "b"])) == [NOON, NOON + HOUR]
    assert doubts_since(seen.store, HUB, ["b2"]) == [NOON + HOUR]

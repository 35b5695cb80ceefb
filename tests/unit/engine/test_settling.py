"""``retire``, ``approve`` and ``recover`` change state, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from shutil import copyfile

import pytest

from revetl.engine.approving import approve
from revetl.engine.recovering import recover
from revetl.engine.retiring import clearable, retire
from revetl.errors import StateError, UsageError
from revetl.state.approvals import Approvals
from revetl.state.backlog import verify
from revetl.state.layout import load_sync
from revetl.state.ledger import GONE, links
from revetl.state.rewriting import drop_rows
from revetl.state.store import Store
from revetl.state.views import open_view
from tests.unit.engine.shopping import mapped, plan, shop
from tests.unit.state.written import MAIL, NOON, Sent, Written

FULL: dict[str, object] = {"email_address": "a@example.org", "LTV_BAND": "low"}


def filled(state: Written) -> None:
    """Deliver two records and a membership."""
    state.run(
        "r1", Sent('["c1"]', body=FULL, band="low"), Sent('["c2"]', m="B@example.org", body=FULL),
        Sent('["c1"]', op="join", cohort="vip"),
    )  # fmt: skip


def rows(state: Written, sql: str) -> list[object]:
    """Ask the state."""
    with state.store() as store:
        return [row[0] if len(row) == 1 else row for row in store.rows(sql)]


# --- retire -----------------------------------------------------------------------------------------------------------


def test_retire_field(tmp_path: Path) -> None:
    """A field that is mapped no more is forgotten with its values, and doubts no longer remember its number."""
    workspace, state = shop(tmp_path)
    filled(state)
    state.run("r2", Sent('["c1"]', body=FULL, band="top", status="unknown"))
    workspace = mapped(workspace, plan(MAIL, fields=plan(MAIL).fields[:1]))
    done = retire(workspace, f"{MAIL}.LTV_BAND")
    assert [(r.kind, r.name, r.rows) for r in done] == [("field", "LTV_BAND", 1)]
    with state.store() as store:
        known = load_sync(store, MAIL)
        assert known is not None
        assert [field.field for field in known.fields] == ["email_address"]
        assert store.one("SELECT touched FROM revetl_state.pending") == [0]
        assert store.one("SELECT count(*) FROM revetl_state.snap_1") == 2
    with pytest.raises(UsageError) as caught:
        retire(workspace, "LTV_BAND")
    assert caught.value.code == "RVT-860"


def test_retire_cohort_and_sync(tmp_path: Path) -> None:
    """A cohort's memberships, and a whole sync, are forgotten; the ledger keeps what left."""
    workspace, state = shop(tmp_path)
    filled(state)
    without = mapped(workspace, plan(MAIL, cohorts=()))
    assert [(r.kind, r.rows) for r in retire(without, "vip")] == [("cohort", 1)]
    assert rows(state, "SELECT count(*) FROM revetl_state.members_1") == [0]
    assert [(r.kind, r.rows) for r in retire(mapped(workspace), MAIL)] == [("sync", 2)]
    with state.store() as store:
        assert load_sync(store, MAIL) is None
    with open_view(state.directory) as view:
        assert verify(view) == (1, ())


def test_a_copy_from_before_a_command_is_refused(tmp_path: Path) -> None:
    """A state that was put back to before `retire`, or before `recover`, is behind its head: RVT-506."""
    workspace, state = shop(tmp_path)
    filled(state)
    file = state.directory / "state.duckdb"
    for do in (lambda: retire(mapped(workspace, plan(MAIL, cohorts=())), "vip"), lambda: recover(workspace)):
        old = file.read_bytes()
        do()
        opened(state)
        new = file.read_bytes()
        file.write_bytes(old)
        with pytest.raises(StateError) as caught:
            opened(state)
        assert caught.value.code == "RVT-506"
        file.write_bytes(new)
    opened(state)


def test_retire_refuses(tmp_path: Path) -> None:
    """What is still mapped, unknown, or only broken is not retired; and a sync that is gone cannot be cleared."""
    workspace, state = shop(tmp_path)
    filled(state)
    for name in (MAIL, "LTV_BAND", "nope"):
        with pytest.raises(UsageError) as caught:
            retire(workspace, name)
        assert caught.value.code == "RVT-860"
    with pytest.raises(UsageError) as caught:
        clearable(mapped(workspace), MAIL)
    assert caught.value.code == "RVT-861"
    assert rows(state, "SELECT sync FROM revetl_state.syncs") == [MAIL]


# --- approve ----------------------------------------------------------------------------------------------------------


def test_approval_is_bounded_and_expires(tmp_path: Path) -> None:
    """It lets through as many rows as it says, until it expires, for its guard and cohort alone."""
    workspace, state = shop(tmp_path)
    made = approve(
        workspace, MAIL, "max_leave", up_to=12, span="24h", reason=" cleaned up ", who="me@here", clock=lambda: NOON
    )
    assert (made.who, made.reason, made.until) == ("me@here", "cleaned up", NOON + timedelta(hours=24))
    for moment, rows_, guard, allowed in (
        (NOON, 12, "max_leave", True), (NOON, 13, "max_leave", False), (NOON, 1, "max_change", False),
        (NOON + timedelta(hours=25), 1, "max_leave", False),
    ):  # fmt: skip
        state.now = moment
        with state.store() as store:
            assert Approvals(store).allows(MAIL, guard, None, rows_) is allowed


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"guard": "max_leafs"}, "RVT-863"),
        ({"sync": "mailchimp.customers"}, "RVT-864"),
        ({"cohort": "nope"}, "RVT-864"),
        ({"up_to": None}, "RVT-865"),
        ({"reason": "  "}, "RVT-865"),
        ({"span": "soon"}, "RVT-862"),
        ({"span": "0h"}, "RVT-862"),
        ({"span": "31d"}, "RVT-862"),
        ({"span": "999999999d"}, "RVT-862"),
    ],
)
def test_approvals_that_cannot_be(tmp_path: Path, given: dict[str, object], expected: str) -> None:
    """What is misspelt, unbounded or without a reason approves nothing."""
    workspace, state = shop(tmp_path)
    whole = {"sync": MAIL, "guard": "max_leave", "up_to": 1, "reason": "because", **given}
    with pytest.raises(UsageError) as caught:
        approve(workspace, whole.pop("sync"), whole.pop("guard"), **whole)  # type: ignore[arg-type]
    assert caught.value.code == expected
    assert rows(state, "SELECT count(*) FROM revetl_state.approvals") == [0]


# --- recover ----------------------------------------------------------------------------------------------------------


def opened(state: Written) -> None:
    """Open the state as a plain run does."""
    with state.store() as store:
        store.check_head()


def test_recover_from_an_older_copy(tmp_path: Path) -> None:
    """A restored older database is refused; recover puts all of it in doubt, deletes nothing, and runs may go on."""
    workspace, state = shop(tmp_path)
    filled(state)
    old = (state.directory / "state.duckdb").read_bytes()
    state.run("r2", Sent('["c3"]', m="c@example.org", body=FULL, band="low"))
    (state.directory / "state.duckdb").write_bytes(old)
    with pytest.raises(StateError) as caught:
        opened(state)
    assert caught.value.code == "RVT-506"
    found = recover(workspace, clock=lambda: NOON + timedelta(days=1))
    assert [(r.sync, r.records, r.members) for r in found.syncs] == [(MAIL, 2, 1)]
    assert (found.lost, found.readopted, found.needed) == (1, ("r2.parquet",), True)
    opened(state)
    with state.store() as store:
        pending = store.rows("SELECT key, op, cohort, touched, tried[1].i FROM revetl_state.pending ORDER BY op, key")
        assert pending == [
            ('["c1"]', "join", "vip", [], "a@example.org"),
            ('["c1"]', "upsert", None, [0, 1], "a@example.org"),
            ('["c2"]', "upsert", None, [0, 1], "b@example.org"),
        ]
        assert store.one("SELECT count(*) FROM revetl_state.snap_1") == 2
        assert store.last_seq() == 5  # recover has a number of its own
    with open_view(state.directory) as view:
        assert verify(view) == (2, ())


def test_recover_from_a_copy_of_before_rows_were_taken_out(tmp_path: Path) -> None:
    """Files that were written anew, or went, since the copy are as they should be; the chain tells it for good."""
    workspace, state = shop(tmp_path)
    filled(state)
    state.run("r2", Sent('["c3"]', m="c@example.org", body=FULL, band="low"))
    state.run("r3", Sent('["c4"]', m="d@example.org", body=FULL, band="low"))
    old = (state.directory / "state.duckdb").read_bytes()
    with state.store() as store:
        drop_rows(store, "key IN (?, ?)", ['["c1"]', '["c3"]'], "forgotten")
        store.advance_head("r4")
    (state.directory / "state.duckdb").write_bytes(old)
    assert recover(workspace).readopted == ("r1.parquet", "r2.parquet")
    with open_view(state.directory) as view:
        assert verify(view) == (5, ())
        assert [(link.file, link.why[:15], link.sha256 == GONE) for link in links(view)[3:]] == [
            ("r1.parquet", "recovered; was ", False), ("r2.parquet", "recovered; was ", True),
        ]  # fmt: skip


def test_recover_takes_no_changed_file_for_what_was_written(tmp_path: Path) -> None:
    """Where the chain has its end, nobody but somebody else can have changed it."""
    workspace, state = shop(tmp_path)
    filled(state)
    state.run("r2", Sent('["c3"]', m="c@example.org", body=FULL, band="low"))
    copyfile(state.directory / "ledger" / "r2.parquet", state.directory / "ledger" / "r1.parquet")
    assert recover(workspace).readopted == ()
    with open_view(state.directory) as view:
        assert verify(view) == (2, ("r1.parquet was changed after it was written",))


@pytest.mark.parametrize("damage", [b"", b"{", b'{"run": 1}'])
def test_recover_from_an_unreadable_head(tmp_path: Path, damage: bytes) -> None:
    """An unreadable head stops runs until recover writes a new one."""
    workspace, state = shop(tmp_path)
    filled(state)
    (state.directory / "head.json").write_bytes(damage)
    with pytest.raises(StateError) as caught:
        opened(state)
    assert caught.value.code == "RVT-503"
    found = recover(workspace)
    assert (found.lost, found.needed) == (None, True)
    opened(state)


def test_recover_keeps_older_doubts(tmp_path: Path) -> None:
    """Where a doubted record may stand elsewhere too, it still does; an open run is closed as killed."""
    workspace, state = shop(tmp_path)
    filled(state)
    state.run("r2", Sent('["c1"]', m="z@example.org", body=FULL, band="low", status="unknown"))
    with state.store() as store:
        state.stage(store, "r3", [Sent('["c9"]', m="n@example.org", body=FULL, status=None)])
    recover(workspace)
    with state.store() as store:
        tried = store.one(
            "SELECT list_sort(list_transform(tried, lambda t: t.i)) FROM revetl_state.pending "
            "WHERE key = '[\"c1\"]' AND op = 'upsert'"
        )
        assert tried == ["a@example.org", "z@example.org"]
        assert store.rows("SELECT key FROM revetl_state.pending WHERE key = '[\"c9\"]'") == [('["c9"]',)]
        assert store.rows("SELECT run FROM revetl_state.runs WHERE closed_at IS NULL") == []


def test_recover_killed_before_its_head_is_needed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recover that dies before it is done leaves a state that is still refused."""
    workspace, state = shop(tmp_path)
    filled(state)
    (state.directory / "head.json").write_bytes(b"{")
    monkeypatch.setattr(Store, "advance_head", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        recover(workspace)
    monkeypatch.undo()
    with pytest.raises(StateError):
        opened(state)
    recover(workspace)
    opened(state)


def test_nothing_to_recover(tmp_path: Path) -> None:
    """Without any state there is nothing to recover, and none is made."""
    workspace, state = shop(tmp_path)
    for path in sorted(state.directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    state.directory.rmdir()
    with pytest.raises(StateError) as caught:
        recover(workspace)
    assert caught.value.code == "RVT-866"
    assert not state.directory.exists()

"""Records that are put in doubt keep what was in doubt about them before."""

from __future__ import annotations

from pathlib import Path

from revetl.state.doubting import doubt_some
from revetl.state.layout import load_sync
from tests.unit.state.written import MAIL, NOON, Sent, Written


def test_what_was_in_doubt_before_stays(tmp_path: Path) -> None:
    """Places, touched fields and links of an older doubt are in the new one, too."""
    state = Written(tmp_path / "dev").make(MAIL)
    state.run("r1", Sent('["c1"]', band="low"))
    with state.store() as store:
        store.con.execute(
            "INSERT INTO revetl_state.pending (sync, key, op, since, run, touched, tried, near, linked) VALUES "
            f"('{MAIL}', '[\"c1\"]', 'upsert', TIMESTAMPTZ '2020-01-01 00:00:00+00', 'r0', [1], "
            "[{'m': 'old@example.org', 'i': 'old@example.org'}], ['old@example.org'], [{'n': 7, 'id': 'company-1'}])"
        )
        sync = load_sync(store, MAIL)
        assert sync is not None
        doubt_some(store, sync, ['["c1"]'], [], [], NOON)
        ((touched, near, linked),) = store.rows("SELECT touched, near, linked FROM revetl_state.pending")
    assert (touched, sorted(near)) == ([1], ["a@example.org", "old@example.org"])
    assert linked == [{"n": 7, "id": "company-1"}]

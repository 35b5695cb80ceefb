"""Who opted out at a destination is kept as it was last seen, and stands in a file that dbt reads."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from revetl.state import optouts
from revetl.state.layout import drop_sync, load_sync, rename_sync
from tests.unit.state.written import HUB, MAIL, NOON, Written

HOUR = timedelta(hours=1)
A, B = '["c1"]', '["c2"]'


@pytest.fixture
def state(tmp_path: Path) -> Written:
    """Return the state of two syncs that know nobody."""
    made = Written(tmp_path / "state").make(MAIL, HUB)
    (made.directory / "tmp").mkdir()
    return made


def written(state: Written) -> list[Any]:
    """Write the file and return its rows."""
    with state.store() as store:
        path = optouts.write_file(store, {MAIL: "customer"})
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        return con.execute(f"SELECT * FROM '{path}'").fetchall()


def test_what_was_read_back_is_kept_as_last_seen(state: Written) -> None:
    """First and last sight stay apart; who is found there otherwise said yes again, who was not asked for is kept."""
    with state.store() as store:
        optouts.found(store, MAIL, [A, B], [A, B])
    state.now = NOON + HOUR
    with state.store() as store:
        optouts.found(store, MAIL, [A], [A])
    assert written(state) == [
        (MAIL, "mailchimp", "customer", A, "c1", "OPTED_OUT", "read_back", NOON, NOON + HOUR),
        (MAIL, "mailchimp", "customer", B, "c2", "OPTED_OUT", "read_back", NOON, NOON),
    ]
    with state.store() as store:
        optouts.found(store, MAIL, [], [A])
    assert [row[3] for row in written(state)] == [B]


def test_an_empty_file_can_be_read(state: Written) -> None:
    """The file is there before anybody opted out, with its columns: a source over it builds from the first run on."""
    assert written(state) == []
    assert (state.directory / optouts.FILE).stat().st_mode & 0o777 == 0o600


def test_a_key_of_several_parts(tmp_path: Path) -> None:
    """``id`` has the parts as text, with commas between; ``key`` stays the JSON array that it is everywhere."""
    state = Written(tmp_path / "state").make(HUB, keys=("INTEGER", "VARCHAR"))
    (state.directory / "tmp").mkdir()
    with state.store() as store:
        optouts.found(store, HUB, ['[4,"eu"]'], [])
    assert [(row[0], row[2], row[3], row[4]) for row in written(state)] == [(HUB, None, '[4,"eu"]', "4,eu")]


def test_refusals_speak_by_their_code(state: Written) -> None:
    """Only codes that the destination names; it ends with the refusal, and what was read back is another matter."""
    with state.store() as store:
        store.con.execute(
            "INSERT INTO revetl_state.rejected (sync, key, op, code) VALUES (?, ?, 'upsert', 'FORGOTTEN'), "
            "(?, ?, 'upsert', 'INVALID'), (?, ?, 'upsert', 'FORGOTTEN')",
            [MAIL, A, MAIL, B, HUB, B],
        )
        optouts.refused(store, MAIL, {"FORGOTTEN"})
        optouts.refused(store, HUB, frozenset())
        optouts.found(store, MAIL, [B], [B])
    assert [(row[0], row[3], row[5], row[6]) for row in written(state)] == [
        (MAIL, A, "FORGOTTEN", "refused"),
        (MAIL, B, "OPTED_OUT", "read_back"),
    ]
    with state.store() as store:
        store.con.execute("DELETE FROM revetl_state.rejected")
        optouts.refused(store, MAIL, {"FORGOTTEN"})
    assert [row[3] for row in written(state)] == [B]


def test_they_go_with_their_sync(state: Written) -> None:
    """A renamed sync takes them along, a retired one leaves none."""
    with state.store() as store:
        optouts.found(store, MAIL, [A], [A])
        rename_sync(store, MAIL, "mailchimp.people")
    assert [row[0] for row in written(state)] == ["mailchimp.people"]
    with state.store() as store:
        known = load_sync(store, "mailchimp.people")
        assert known is not None
        drop_sync(store, known)
    assert written(state) == []

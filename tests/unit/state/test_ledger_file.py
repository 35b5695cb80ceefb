"""The file of a run: which changes stand in it, what each row says, and how it comes to be there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from revetl.state import ledger
from revetl.state.head import GENESIS
from revetl.state.places import Objects
from revetl.state.store import Store
from revetl.warehouse.connection import connect

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CHANGES = """
    (1, 'k3', 'upsert', NULL, NULL, '{"a":1,"b":2}', NULL, NULL),
    (2, 'k1', 'upsert', 'quiet', NULL, '{}', NULL, NULL),
    (3, 'k2', 'identity', NULL, 'NO', '{"a":2}', '{"a":{"hmac":"x"}}', NULL),
    (4, 'k2', 'upsert', NULL, 'PREDECESSOR', '{}', NULL, NULL),
    (5, 'k2', 'upsert', NULL, 'IMPLIED', '{}', NULL, NULL),
    (6, 'k0', 'leave', 'kept', NULL, NULL, NULL, NULL),
    (7, 'k1', 'upsert', NULL, NULL, '{"a":3,"b":4}', '{"a":{"hmac":"y"},"b":4}', '{"b":null}'),
    (8, 'k1', 'part', NULL, NULL, '{"a":5}', '{"a":{"hmac":"z"}}', NULL)
"""
TOLD = [6, 7, 8, 3, 1]  # by key, then by number


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Return a state in which a run is about to close, beside an earlier one."""
    con = connect()
    made = Store(con, tmp_path if request.param == "disk" else None, lambda: NOON)
    con.execute(
        f"CREATE TEMP TABLE told AS SELECT * FROM (VALUES {CHANGES}) t(seq, key, op, local, code, body, record, kept)"
    )
    con.execute(
        "INSERT INTO revetl_state.outbox BY NAME SELECT 'r1' AS run, seq, 's' AS sync, key, op, 'data' AS cause, body, "
        "record FROM told UNION ALL BY NAME SELECT 'r0' AS run, 1 AS seq, 'old' AS key"
    )
    final(con)
    yield made
    con.close()


def final(con: duckdb.DuckDBPyConnection, where: str = "true") -> None:
    """Make what the close makes: the outcome of each change."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE final AS SELECT 'r1' AS run, seq, 's' AS sync, key, op, 'c' AS cohort, 'i' AS i, "
        "'bi' AS bi, local, TIMESTAMPTZ '2026-11-20 12:00:00+00' AS ts, 'delivered' AS status, code, 'why' AS reason, "
        f"200 AS http_status, 'q' AS request_id, kept FROM told WHERE {where}"
    )


def rows(store: Store) -> list[dict[str, Any]]:
    """Return the ledger's rows as they lie there."""
    where = "revetl_state.ledger_rows ORDER BY key, seq"
    if store.ledger is not None:
        where = f"read_parquet('{store.ledger}/r1.parquet')"
    found = store.con.execute(f"SELECT * FROM {where}")
    names = [one[0] for one in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_each_change_that_left_has_one_row(store: Store) -> None:
    """Not what was quiet, implied, or never had its turn; sorted by key, with how it ended and what it carried."""
    name = ledger.write_file(store, "r1", lambda column: f"upper({column})")
    assert name == ("r1.parquet" if store.ledger else "r1.memory")
    found = rows(store)
    assert [row["seq"] for row in found] == TOLD
    assert tuple(found[0]) == ledger.COLUMNS
    values = {row["seq"]: row.pop("values") for row in found}
    assert found[0] == {
        "run": "r1", "seq": 6, "time": NOON, "sync": "s", "key": "k0", "op": "leave", "cause": "data", "cohort": "c",
        "identity": "I", "before_identity": "BI", "outcome": "delivered", "code": None, "reason": "why",
        "http_status": 200, "request_id": "q",
    }  # fmt: skip
    assert {seq: value and json.loads(value) for seq, value in values.items()} == {
        1: {"a": 1, "b": 2}, 3: {"a": {"hmac": "x"}}, 6: None, 7: {"a": {"hmac": "y"}}, 8: {"a": {"hmac": "z"}},
    }  # fmt: skip


@pytest.mark.parametrize("at_once", [1, 2, 20])
def test_records_with_a_keyed_hash_are_sealed(store: Store, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """Each of the run's own, however many are looked at at once; all others stand as they are."""
    monkeypatch.setattr(ledger, "SEALED_AT_ONCE", at_once)
    seen = []

    def seal(record: str, body: str) -> str:
        seen.append((record, body))
        return json.dumps({"sealed": body})

    ledger.write_file(store, "r1", seal=seal)
    assert seen == [
        ('{"a":{"hmac":"x"}}', '{"a":2}'),
        ('{"a":{"hmac":"y"},"b":4}', '{"a":3,"b":4}'),
        ('{"a":{"hmac":"z"}}', '{"a":5}'),
    ]
    told = {row["seq"]: row["values"] and json.loads(row["values"]) for row in rows(store)}
    assert told == {
        1: {"a": 1, "b": 2}, 3: {"sealed": '{"a":2}'}, 6: None, 7: {"sealed": '{"a":3,"b":4}'},
        8: {"sealed": '{"a":5}'},
    }  # fmt: skip


def test_a_run_of_which_nothing_left_has_no_file(store: Store) -> None:
    """Nor a table; a later run adds its rows to those that are there."""
    final(store.con, "seq IN (2, 4, 5)")
    assert ledger.write_file(store, "r1") is None
    assert store.ledger is None or list(store.ledger.iterdir()) == []
    final(store.con, "seq = 1")
    ledger.write_file(store, "r1")
    if store.ledger is None:
        final(store.con, "seq = 3")
        ledger.write_file(store, "r1")
        assert [row["seq"] for row in rows(store)] == [3, 1]


def test_a_file_is_private_and_appears_whole(tmp_path: Path) -> None:
    """Nobody else reads it, nothing is left beside it, and where files lie elsewhere it is there, too."""
    con = connect()
    store = Store(con, tmp_path / "it's", lambda: NOON, place=Objects(str(tmp_path / "bucket"), "dev"))
    assert store.ledger is not None
    select = "SELECT unnest(['b', 'a', 'a']) AS key, unnest([1, 3, 2]) AS seq"
    assert ledger.put_file(store, store.ledger, "r9", select) == "r9.parquet"
    assert [path.name for path in store.ledger.iterdir()] == ["r9.parquet"]
    path = store.ledger / "r9.parquet"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "bucket" / "dev" / "r9.parquet").read_bytes() == path.read_bytes()
    read = duckdb.connect().read_parquet(str(path)).fetchall()
    assert read == [("a", 2), ("a", 3), ("b", 1)]
    con.close()


def test_the_chain_is_made_of_its_entries(tmp_path: Path) -> None:
    """Numbered from one, each bound to the one before; by the file as it is, or by the digest that it will have."""
    con = connect()
    store = Store(con, tmp_path, lambda: NOON)
    assert store.ledger is not None
    (store.ledger / "a.parquet").write_bytes(b"a")
    ledger.append(store, "r1", "a.parquet")
    ledger.append(store, "r2", "b.parquet", "why", "f" * 64)
    first, second = ledger.links(store)
    digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # of "a"
    one = ledger.link_hash(GENESIS, "r1", "a.parquet", digest, "")
    assert first == ledger.Link(1, "r1", "a.parquet", digest, GENESIS, one, "")
    two = ledger.link_hash(one, "r2", "b.parquet", "f" * 64, "why")
    assert second == ledger.Link(2, "r2", "b.parquet", "f" * 64, one, two, "why")
    assert store.rows("SELECT DISTINCT ts FROM revetl_state.chain") == [(NOON,)]
    parts = [("0", "r", "f", "s", "w"), ("1", "r", "f", "s", "w"), ("0", "q", "f", "s", "w"), ("0", "r", "g", "s", "w"),
             ("0", "r", "f", "t", "w"), ("0", "r", "f", "s", "x"), ("0", "r\nf", "", "s", "w")]  # fmt: skip
    assert len({ledger.link_hash(*some) for some in parts}) == len(parts)
    con.close()


class Chain:
    """A chain that can be asked, over a directory of files."""

    def __init__(self, directory: Path, links: list[ledger.Link]) -> None:
        """Hold these."""
        self.ledger, self._links = directory, links

    def rows(self, _: str) -> list[Any]:
        """Return the entries."""
        return [(one.n, one.run, one.file, one.sha256, one.previous, one.hash, one.why) for one in self._links]


def test_what_does_not_hold_is_told_by_name(tmp_path: Path) -> None:
    """An entry that does not follow, a file that is gone, was changed or is there again, an end that is another."""
    digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    links: list[ledger.Link] = []
    for n, (file, sha) in enumerate([("a", "0" * 64), ("a", digest), ("b", digest), ("b", ledger.GONE)], 1):
        before = links[-1].hash if links else GENESIS
        links.append(ledger.Link(n, "r", file, sha, before, ledger.link_hash(before, "r", file, sha, "w"), "w"))
    end = links[-1].hash
    (tmp_path / "a").write_bytes(b"a")

    def told(some: list[ledger.Link] = links, head: str | None = end) -> list[str]:
        return list(ledger.verify(Chain(tmp_path, some), head))  # type: ignore[arg-type]

    assert told() == told(head=None) == []
    assert told(head="f" * 64) == ["the chain does not end where the head record says"]
    assert told([], GENESIS) == []
    for n in range(4):
        for harm in ({"run": "x"}, {"why": "x"}, {"previous": "x"}, {"hash": end if n < 3 else "x"}):
            broken = [replace(one, **harm) if one.n == n + 1 else one for one in links]  # type: ignore[arg-type]
            found = told(broken, broken[-1].hash)
            assert f"entry {n + 1} ({links[n].file}) does not follow from the one before it" in found
            assert len(found) == (2 if "hash" in harm and n < 3 else 1)
    (tmp_path / "b").touch()
    assert told() == ["b is there again although all its rows were taken out"]
    (tmp_path / "b").unlink()
    (tmp_path / "a").write_bytes(b"b")
    assert told() == ["a was changed after it was written"]
    (tmp_path / "a").unlink()
    assert told() == ["a is missing"]

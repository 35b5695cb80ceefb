"""The ledger: what it keeps of personal values, and what its chain notices."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revetl.engine.staging import Masking
from revetl.sqltext import quote_text
from revetl.state import ledger
from revetl.state.journal import ranges_of
from revetl.types import Change, Op, Outcome, Status
from tests.unit.engine.harness import KEY, Rig, fields, plan

A, B = "ann@example.org", "ben@example.org"


def kept(directory: Path, values: str = "hash") -> Rig:
    """Return a rig with three runs in its ledger."""
    rig = Rig(plan(fields=fields("email", pii="email") + fields("a")), directory, values)
    for value in ("first", "second", "third"):
        rig.people(("k1", A, value), ("k2", B, value))
        rig.run()
    rig.people(("k1", "anna@example.org", "third"), ("k2", B, "third"))
    rig.run()
    return rig


def complaints(rig: Rig) -> list[str]:
    """Return what the chain says."""
    store = rig.store()
    return list(ledger.verify(store, store.head.chain if store.head else None))


def test_chain_holds(tmp_path: Path) -> None:
    """An untouched ledger has an entry and a file for each run that sent something, and nothing to complain of."""
    rig = kept(tmp_path)
    assert complaints(rig) == []
    assert len(ledger.links(rig.store())) == len(list((tmp_path / "ledger").iterdir())) == 4


def test_chain_notices(tmp_path: Path) -> None:
    """A changed file, a missing one, an entry that was cut out or put elsewhere: each is named."""
    rig = kept(tmp_path)
    first, second = (tmp_path / "ledger" / f"run-00{n}.parquet" for n in (1, 2))
    content = first.read_bytes()
    first.write_bytes(content + b"\0")
    assert complaints(rig) == ["run-001.parquet was changed after it was written"]
    first.write_bytes(content)
    second.unlink()
    assert complaints(rig) == ["run-002.parquet is missing"]


@pytest.mark.parametrize(
    "harm",
    ["UPDATE revetl_state.chain SET n = CASE n WHEN 2 THEN 3 WHEN 3 THEN 2 ELSE n END",
     "DELETE FROM revetl_state.chain WHERE n = 2", "DELETE FROM revetl_state.chain WHERE n = 4",
     "UPDATE revetl_state.chain SET why = 'pruned' WHERE n = 1"],
)  # fmt: skip
def test_chain_of_entries(harm: str, tmp_path: Path) -> None:
    """Entries cannot be reordered, cut out, cut off at the end or changed unnoticed."""
    rig = kept(tmp_path)
    lowest = rig.rows("SELECT min(n) FROM revetl_state.chain")[0]
    rig.con.execute(f"UPDATE revetl_state.chain SET n = n - {lowest - 1}")
    assert complaints(rig) == []
    rig.con.execute(harm)
    found = complaints(rig)
    assert found
    assert all(what.startswith(("entry ", "the chain does not end")) for what in found)


def flat(directory: Path) -> bytes:
    """Return all rows of the ledger as text."""
    files = [str(path) for path in (directory / "ledger").glob("*.parquet")]
    rows = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [files]).fetchall()
    return json.dumps(rows, default=str).encode()


def test_no_personal_value_in_clear(tmp_path: Path) -> None:
    """With ``values: hash`` no file holds an address, before or after a rename, only its HMAC; the rest is clear."""
    rig = kept(tmp_path)
    rig.vendor.refuse = {B: "NO"}
    rig.people(("k1", "anna@example.org", "third"), ("k2", B, "fourth"))
    rig.run()
    text = flat(tmp_path)
    files = b"".join(path.read_bytes() for path in (tmp_path / "ledger").iterdir())
    for content in (text, files):
        assert not any(name in content for name in (b"ann@", b"anna@", b"ben@", b"example.org"))
    for name in (A, B, "anna@example.org"):
        assert hmac.new(KEY, name.encode(), hashlib.sha256).hexdigest().encode() in text
    assert b"second" in text


def test_clear(tmp_path: Path) -> None:
    """With ``values: clear`` the values are kept as they left."""
    kept(tmp_path, "clear")
    assert A.encode() in flat(tmp_path)


@settings(max_examples=60, deadline=None)
@given(
    key=st.binary(min_size=1, max_size=150),
    text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
)
def test_hmac(key: bytes, text: str) -> None:
    """The SQL's HMAC is Python's, for keys shorter and longer than a block and any text."""
    sql = Masking("hash", key).hmac(f"({quote_text(text)})::VARCHAR")
    found = CON.execute(f"SELECT {sql}").fetchall()[0][0]
    assert found == hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


CON = duckdb.connect()


def outcome(seq: int, request: str, *, repeated: bool = False) -> Outcome:
    """Return a delivery."""
    change = Change(seq, "s", f"[{seq}]", Op.UPSERT, "m", "m")
    return Outcome(change, Status.DELIVERED, http_status=200, request_id=request, repeated=repeated)


@settings(deadline=None)
@given(st.sets(st.tuples(st.integers(1, 40)), max_size=30), st.lists(st.sampled_from("ab"), min_size=40, max_size=40))
def test_ranges(seqs: set[tuple[int]], requests: list[str]) -> None:
    """Ranges hold exactly the deliveries, each under its own request; one lost before is no part of a range."""
    outcomes = [outcome(seq, requests[seq - 1]) for (seq,) in seqs]
    found = ranges_of(reversed(outcomes))
    covered = [(seq, first.request_id) for lo, hi, first in found for seq in range(lo, hi + 1)]
    assert sorted(covered) == sorted((one.change.seq, one.request_id) for one in outcomes)
    assert ranges_of([outcome(1, "a", repeated=True)]) == []

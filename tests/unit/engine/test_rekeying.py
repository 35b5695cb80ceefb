"""Another key for an entity: what state knows goes over to it, nothing is sent, nothing ends, and the ledger tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from revetl.engine.forgotten import Hasher
from revetl.engine.keyring import Keyring
from revetl.engine.rekeying import Rekeyed, carry_over
from revetl.errors import RevetlError, TryLater
from revetl.state.flowlog import Filters, search_ledger, under_present_keys
from revetl.state.purging import purge
from revetl.state.tombstones import Tombstone, settle, write
from revetl.state.views import open_view
from revetl.types import OnLeave
from tests.unit.engine.harness import KEY, NAME, Rig, cohort, plan, ref

COLUMNS = "id VARCHAR, email VARCHAR, a VARCHAR, uid INTEGER"
NUMBERS = {name: number for number, name in enumerate("abcdefgh", 1)}


def crowd(names: str, a: str = "x") -> list[Sequence[object]]:
    """Return people with both of their keys."""
    return [(name, f"{name}@example.org", a, NUMBERS[name]) for name in names]


def started(directory: Path) -> Rig:
    """Return a target that sent four people, two of them gold, by their letters."""
    rig = Rig(plan(cohorts=(cohort("gold"),), on_leave=OnLeave.DELETE), directory)
    rig.people(*crowd("abcd"), columns=COLUMNS)
    rig.model("gold", "id VARCHAR, uid INTEGER", ("a", 1), ("b", 2))
    rig.run()
    return rig


def by_number(rig: Rig) -> None:
    """Let the models' key be the number from now on."""
    gold = replace(rig.plan.cohorts[0], ref=ref("gold", "uid"))
    rig.plan = replace(rig.plan, key=("uid",), base=ref("people", "uid"), cohorts=(gold,))


def carried(rig: Rig, *columns: str, keep: bool = True, leave_behind: bool = False) -> Rekeyed:
    """Carry the sync over."""
    session = rig.session(rig.store())
    (found,) = carry_over(session, rig.plans, columns, leave_behind=leave_behind, keep=keep)
    return found


def test_another_column(tmp_path: Path) -> None:
    """The sync is held until its keys are carried over; then nothing is sent, and what changes later is one record."""
    rig = started(tmp_path)
    by_number(rig)
    done = rig.run()
    assert (done.calls, [held.guard for held in done.held]) == ([], ["key_column"])
    assert "revetl rekey person --from id" in done.held[0].release
    looked = carried(rig, "id", keep=False)
    assert (looked.before, looked.now, looked.moved, looked.same, looked.left) == (("VARCHAR",), ("INTEGER",), 4, 0, 0)
    assert rig.run().held
    assert carried(rig, "id") == looked
    assert rig.run().changes == []
    assert rig.members() == [(1, "gold"), (2, "gold")]
    rig.people(*crowd("ab", "y"), *crowd("c"), columns=COLUMNS)
    assert sorted(rig.run().sent) == ["1 upsert", "2 upsert", "4 leave"]  # which revetl made: state still knows
    assert set(rig.vendor.people) == {f"{name}@example.org" for name in "abc"}


def test_another_type(tmp_path: Path) -> None:
    """The same column, as text now: each key is found by what it was."""
    rig = Rig(plan(), tmp_path)
    rig.people((1, "a@example.org", "x"), (2, "b@example.org", "x"), columns="id INTEGER, email VARCHAR, a VARCHAR")
    rig.run()
    rig.people(("1", "a@example.org", "x"), ("2", "b@example.org", "y"), ("x", "c@example.org", "x"))
    assert [held.guard for held in rig.run().held] == ["key_type"]
    assert carried(rig).moved == 2
    assert sorted(rig.run().sent) == ["2 upsert", "x upsert"]


def test_a_column_that_was_renamed_alone(tmp_path: Path) -> None:
    """Keys that stay as they are stay; that they do is said once."""
    rig = started(tmp_path)
    rig.people(*crowd("abcd"), columns=COLUMNS.replace("id ", "name ", 1))
    rig.plan = replace(rig.plan, key=("name",), base=ref("people", "name"))
    assert [held.guard for held in rig.run().held] == ["key_column"]
    assert (carried(rig).moved, carried(rig).same) == (0, 4)
    assert rig.run().changes == []


def test_doubts_and_rejections_go_along(tmp_path: Path) -> None:
    """What is in doubt is asserted under the new key, what was refused is not tried again before its time."""
    rig = started(tmp_path)
    rig.vendor.refuse = {"a@example.org": "NO"}
    rig.people(*crowd("a", "y"), *crowd("bcd"), columns=COLUMNS)
    rig.run()
    rig.vendor.lose = {"b@example.org"}
    rig.people(*crowd("ab", "y"), *crowd("cd"), columns=COLUMNS)
    rig.run()
    rig.vendor.refuse, rig.vendor.lose = {}, set()
    by_number(rig)
    carried(rig, "id")
    assert rig.rows("SELECT key FROM revetl_state.rejected") == ["[1]"]
    assert set(rig.rows("SELECT key FROM revetl_state.pending")) == {"[2]"}
    rig.later(minutes=20)
    assert "2 upsert" in rig.run().sent


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        (crowd("abc"), ("id",), "1 of its keys are not in the model any more"),
        ([*crowd("abc"), ("d", "d@example.org", "x", 3)], ("id",), "new keys stand for several old ones"),
        ([*crowd("abcd"), ("d", "d@example.org", "x", 9)], ("id",), "old keys stand for several new ones"),
        ([*crowd("abc"), ("d", "d@example.org", "x", None)], ("id",), "no new one"),
        (crowd("abcd"), ("former_id",), "no column former_id"),
        (crowd("abcd"), ("id", "a"), "has 1 parts, not 2"),
        (crowd("abcd"), (), "none of its 4 keys"),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_over(
    rows: Sequence[Sequence[object]], columns: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    """A map that is not one to one, or lacks keys, is refused, and nothing is changed."""
    rig = started(tmp_path)
    rig.people(*rows, columns=COLUMNS)
    by_number(rig)
    before = rig.snapshot()
    with pytest.raises(RevetlError) as caught:
        carried(rig, *columns)
    assert words in caught.value.what
    assert rig.snapshot() == before


def test_who_is_gone_can_be_left_behind(tmp_path: Path) -> None:
    """If told so, keys without a counterpart are forgotten: their records stay, and never leave."""
    rig = started(tmp_path)
    rig.people(*crowd("abc"), columns=COLUMNS)
    by_number(rig)
    assert carried(rig, "id", leave_behind=True).left == 1
    assert rig.run().changes == []
    assert "d@example.org" in rig.vendor.people


def test_twice_is_refused(tmp_path: Path) -> None:
    """A second time the old keys are no keys of the state: nothing is left behind by mistake."""
    rig = started(tmp_path)
    by_number(rig)
    carried(rig, "id")
    with pytest.raises(RevetlError, match="carried over already"):
        carried(rig, "id", leave_behind=True)


def test_a_job_at_the_vendor_comes_first(tmp_path: Path) -> None:
    """What is on its way is settled under the key with which it left."""
    rig = started(tmp_path)
    by_number(rig)
    rig.con.execute(f"INSERT INTO revetl_state.outbox (run, seq, sync, key) VALUES ('r', 99, '{NAME}', '[\"a\"]')")
    with pytest.raises(TryLater, match="RVT-883"):
        carried(rig, "id")


def test_who_is_forgotten_stays_forgotten(tmp_path: Path) -> None:
    """A tombstone of the old key is one of the new key, too."""
    hasher = Hasher(Keyring((KEY,)))
    rig = started(tmp_path)
    stone = Tombstone("t1", rig.now(), Keyring((KEY,)).ids[0], "person", hasher.key("person", '["e"]'))
    write(rig.store(), [stone])
    rig.people(*crowd("abcde"), columns=COLUMNS)
    by_number(rig)
    carried(rig, "id")
    assert rig.run().changes == []
    (kept,) = settle(rig.store())
    assert kept.keys == (*hasher.key("person", '["e"]'), *hasher.key("person", "[5]"))


def swapped(directory: Path) -> Rig:
    """Return a target whose two people got each other's former key."""
    rig = Rig(plan(), directory)
    rig.people(
        (1, "a@example.org", "x", 2), (2, "b@example.org", "x", 1), columns=COLUMNS.replace("VARCHAR", "INTEGER", 1)
    )
    rig.run()
    rig.plan = replace(rig.plan, key=("uid",), base=ref("people", "uid"))
    carried(rig, "id")
    return rig


def test_the_ledger_tells_of_former_keys(tmp_path: Path) -> None:
    """Flows are found under the key that a record has now, and nobody's flows under another's."""
    rig = swapped(tmp_path)
    assert rig.run().changes == []
    rig.con.close()
    with open_view(tmp_path) as view:
        found = search_ledger(view, Filters(keys=("[1]",), newest_first=False))
        assert [(flow.op, flow.key, flow.identity or flow.reason) for flow in found] == [
            ("upsert", "[2]", "b@example.org"), ("rekey", "[1]", "[2]"),
        ]  # fmt: skip
        assert [flow.key for flow in under_present_keys(view, found)] == ["[1]", "[1]"]


def test_former_keys_are_purged(tmp_path: Path) -> None:
    """Who is forgotten leaves nothing in the ledger under the key that they had, and takes nobody else along."""
    rig = swapped(tmp_path)
    purge(rig.store(), {NAME: ["[1]"]}, [], "forgotten")
    files = f"read_parquet('{tmp_path}/ledger/*.parquet')"
    assert rig.rows(f"SELECT key, op, identity FROM {files} ORDER BY seq") == [
        ("[1]", "upsert", "a@example.org"), ("[2]", "rekey", None),
    ]  # fmt: skip

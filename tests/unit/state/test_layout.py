"""What state remembers of syncs, marks, habits and quotas: each thing as it was told, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from revetl.contract import Limit
from revetl.state.habits import KEPT, load_habits, save_habit
from revetl.state.layout import (
    StoredField,
    StoredSync,
    add_field,
    drop_sync,
    known_syncs,
    load_sync,
    make_tables,
    next_id,
    refresh_fields,
    rename_sync,
    retype_field,
    set_cohort,
    set_sync,
    settle_fresh,
)  # fmt: skip
from revetl.state.marks import Marks, forget_marks, load_marks, save_marks
from revetl.state.schema import MIGRATIONS, STATE, migrate
from revetl.state.store import Store
from revetl.state.usage import Used, read_usage, spent, write_usage
from revetl.types import Habit
from revetl.warehouse.connection import connect
from tests.unit.state.written import NOON

PERSON = StoredSync(
    1, "crm.person", ("VARCHAR", "INTEGER"), "email", 2, {"model.a": "db.a"}, "account-1", "flow-1", 7,
    fields=(
        StoredField(0, "email", "mail", "model.a", "VARCHAR", "email", fresh=True, orphan=False),
        StoredField(2, "firm", "firm_id", "model.b", "VARCHAR", None, fresh=False, orphan=False, link="crm.firm",
                    digest="sha256"),
    ),
    memberships=(
        StoredField(1, "since", "day", "model.c", "DATE", None, fresh=True, orphan=False, cohort="vip"),
    ),
    cohorts={},
)  # fmt: skip
FIRM = StoredSync(2, "crm.firm", ("UUID",), "lower", 1, {}, None, "flow-2", 0, cohorts={})
TABLES = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE table_name ~ '_[12]$' ORDER BY ALL"


def fill(store: Store, sync: StoredSync) -> None:
    """Make a sync's tables and fields."""
    make_tables(store, sync)
    for field in (*sync.fields, *sync.memberships):
        add_field(store, sync.id, field)


@pytest.fixture
def store() -> Iterator[Store]:
    """Return a state in memory that knows two syncs; its clock goes on by a minute at each look."""
    looks = iter(range(10_000))
    with connect() as con:
        made = Store(con, None, lambda: NOON + timedelta(minutes=next(looks)))
        for sync in (PERSON, FIRM):
            fill(made, sync)
        yield made


def test_a_sync_is_known_as_it_was_made(store: Store) -> None:
    """Each of its facts and fields, by the order of their numbers; of syncs that never ran nothing is known."""
    assert known_syncs(store) == (FIRM, PERSON)
    assert load_sync(store, "crm") is None
    assert next_id(store) == 3
    drop_sync(store, FIRM)
    drop_sync(store, PERSON)
    assert (next_id(store), known_syncs(store)) == (1, ())


def test_its_tables_have_its_keys_and_fields(store: Store) -> None:
    """Records' fields are in snapshots, memberships' in members, and both where what is on its way is."""
    key = [("k0", "VARCHAR"), ("k1", "INTEGER")]
    wanted = {
        "after_1": [("f0", "VARCHAR"), ("f1", "DATE"), ("f2", "VARCHAR"), *key, ("m", "VARCHAR"), ("seq", "BIGINT")],
        "after_2": [("k0", "UUID"), ("m", "VARCHAR"), ("seq", "BIGINT")],
        "members_1": [("cohort", "VARCHAR"), ("f1", "DATE"), *key],
        "members_2": [("cohort", "VARCHAR"), ("k0", "UUID")],
        "snap_1": [("f0", "VARCHAR"), ("f2", "VARCHAR"), *key, ("m", "VARCHAR")],
        "snap_2": [("k0", "UUID"), ("m", "VARCHAR")],
    }
    assert store.rows(TABLES) == [(table, *column) for table, columns in wanted.items() for column in columns]


def test_a_key_is_a_json_array(store: Store) -> None:
    """Its parts in their types, of whichever table they stand in."""
    store.con.execute(f"INSERT INTO {STATE}.snap_1 (k0, k1) VALUES ('a\"b', 4)")
    assert store.rows(f"SELECT {PERSON.key_text()}, {PERSON.key_text('s.')} FROM {STATE}.snap_1 s") == [
        ('["a\\"b",4]', '["a\\"b",4]')
    ]


def test_what_a_run_sets_is_that_sync_s_alone(store: Store) -> None:
    """Columns of its row, labels of its cohorts (one each), and that its fields are acknowledged."""
    for sync in (1, 2):
        set_cohort(store, sync, "vip", "VIP", None)
        set_cohort(store, sync, "new", "New", "9")
    set_cohort(store, 1, "vip", "Very", "17")
    set_sync(store, 1, flow="flow-3", last_rows=8, manifest_at=NOON, key_columns=["a", "b"])
    settle_fresh(store, 1)
    settled = {
        "fields": tuple(replace(field, fresh=False) for field in PERSON.fields),
        "memberships": tuple(replace(field, fresh=False) for field in PERSON.memberships),
    }
    assert load_sync(store, "crm.person") == replace(
        PERSON, flow="flow-3", last_rows=8, manifest_at=NOON, key_columns=("a", "b"),
        cohorts={"vip": ("Very", "17"), "new": ("New", "9")}, **settled,  # type: ignore[arg-type]
    )  # fmt: skip
    assert load_sync(store, "crm.firm") == replace(FIRM, cohorts={"vip": ("VIP", None), "new": ("New", "9")})


def test_what_is_mapped_no_more_is_an_orphan(store: Store) -> None:
    """What is mapped has all that it is mapped by now; a field of another sync with its number is left."""
    add_field(store, 2, replace(PERSON.fields[0], fresh=False))
    settle_fresh(store, 1)
    now = StoredField(2, "firm2", "p2", "m2", "VARCHAR", "id", fresh=True, orphan=False, link="crm.x", digest="hmac")
    refresh_fields(store, 1, [now])
    known, other = load_sync(store, "crm.person"), load_sync(store, "crm.firm")
    assert known is not None
    assert other is not None
    gone = [replace(field, fresh=False, orphan=True) for field in (PERSON.fields[0], PERSON.memberships[0])]
    assert (known.fields, known.memberships) == ((gone[0], now), (gone[1],))
    assert other.fields == (replace(PERSON.fields[0], fresh=False),)
    refresh_fields(store, 1, [PERSON.memberships[0]])
    again = load_sync(store, "crm.person")
    assert again is not None
    assert again.memberships == PERSON.memberships
    assert [field.orphan for field in again.fields] == [True, True]


@pytest.mark.parametrize(("number", "table"), [(0, "snap_1"), (1, "members_1")])
def test_values_that_do_not_fit_a_new_type_are_null(store: Store, number: int, table: str) -> None:
    """In what is acknowledged and in what is on its way; the type is remembered for that field of that sync."""
    kind = "VARCHAR" if number == 0 else "DATE"
    retype_field(store, 1, PERSON.memberships[0], "VARCHAR")
    add_field(store, 2, replace(PERSON.fields[0], ordinal=number))
    for name in (table, "after_1"):
        store.con.execute(f"INSERT INTO {STATE}.{name} (f{number}) VALUES ('7'), ('x')")
    field = replace((PERSON.fields + PERSON.memberships)[0 if number == 0 else 2], type=kind)
    retype_field(store, 1, field, "INTEGER")
    for name in (table, "after_1"):
        assert store.rows(f"SELECT f{number} FROM {STATE}.{name} ORDER BY 1") == [(7,), (None,)]
    kinds = dict(store.rows(f"SELECT (sync_id, ordinal), type FROM {STATE}.fields"))
    assert [key for key, found in kinds.items() if found == "INTEGER"] == [(1, number)]


BY_SYNC = ("remote", "pending", "rejected", "unmatched", "waiting_links", "opted_out", "marks", "habits", "approvals")


def per_sync(store: Store) -> dict[str, list[str]]:
    """Return of which syncs there are rows, by table."""
    return {table: [row[0] for row in store.rows(f"SELECT sync FROM {STATE}.{table} ORDER BY 1")] for table in BY_SYNC}


def test_a_sync_is_renamed_or_dropped_with_all_that_it_has(store: Store) -> None:
    """Every table that names it, and no other sync; an approval is a person's word and stays."""
    for table in BY_SYNC:
        store.con.execute(f"INSERT INTO {STATE}.{table} (sync) VALUES ('crm.person'), ('crm.firm')")
    for sync in (1, 2):
        set_cohort(store, sync, "vip", "VIP", None)
    add_field(store, 2, PERSON.fields[0])
    rename_sync(store, "crm.person", "crm.who")
    assert per_sync(store) == {table: ["crm.firm", "crm.who"] for table in BY_SYNC}
    renamed = load_sync(store, "crm.who")
    assert renamed == replace(PERSON, sync="crm.who", cohorts={"vip": ("VIP", None)})
    drop_sync(store, renamed)
    assert per_sync(store) == {
        table: ["crm.firm"] if table != "approvals" else ["crm.firm", "crm.who"] for table in BY_SYNC
    }
    assert known_syncs(store) == (replace(FIRM, fields=PERSON.fields[:1], cohorts={"vip": ("VIP", None)}),)
    assert {row[0] for row in store.rows(TABLES)} == {"snap_2", "members_2", "after_2"}


# --- marks, habits, quotas --------------------------------------------------------------------------------------------


def test_marks_are_replaced_as_a_whole(store: Store) -> None:
    """By sync; whoever has none reads all, and so does whoever forgets them, one or all."""
    first = Marks("v1", NOON, {"model.a": 1, "model.b": 2})
    save_marks(store, "a", Marks("v0", NOON, {"model.z": 9}))
    save_marks(store, "b", first)
    save_marks(store, "a", first)
    assert (load_marks(store, "a"), load_marks(store, "b"), load_marks(store, "c")) == (first, first, None)
    forget_marks(store, "a")
    assert (load_marks(store, "a"), load_marks(store, "b")) == (None, first)
    save_marks(store, "a", first)
    forget_marks(store)
    assert (load_marks(store, "a"), load_marks(store, "b")) == (None, None)


def test_the_oldest_habits_go(store: Store) -> None:
    """Four hundred runs of a sync are kept, oldest first; another sync's are its own."""
    assert KEPT == 400
    save_habit(store, "other", "r0", {"rows": 0}, whole=False)
    store.con.execute(
        f"INSERT INTO {STATE}.habits SELECT 'a', 'r' || i, TIMESTAMPTZ '2020-01-01 00:00:00+00' + i * INTERVAL 1 DAY, "
        f"true, '{{\"n\": ' || i || '}}' FROM range({KEPT - 1}) t(i)"
    )
    save_habit(store, "a", "r", {"n": 1_000, "joins": 2}, whole=False)
    assert len(load_habits(store, "a")) == KEPT
    save_habit(store, "a", "r", {"n": 1_001}, whole=True)
    found = load_habits(store, "a")
    assert [habit.counts["n"] for habit in found] == [*range(1, KEPT - 1), 1_000, 1_001]
    assert found[-2:] == (
        Habit(NOON + timedelta(minutes=1), False, {"n": 1_000, "joins": 2}),
        Habit(NOON + timedelta(minutes=2), True, {"n": 1_001}),
    )  # fmt: skip
    assert load_habits(store, "other") == (Habit(NOON, False, {"rows": 0}),)


def test_quotas_are_kept_by_account(store: Store) -> None:
    """What a run used of a limit replaces what was used of it; other limits and accounts keep theirs."""
    assert read_usage(store) == {}
    write_usage(store, {})
    assert store.rows(f"SELECT 1 FROM {STATE}.meta WHERE name = 'usage'") == []
    write_usage(store, {"a": {"day": ((1.5, 2), (2.0, 3))}, "b": {"day": ((1.0, 1),)}})
    write_usage(store, {"a": {"hour": ((3.0, 4),)}})
    write_usage(store, {"b": {"day": ((5.0, 6),)}})
    assert read_usage(store) == {
        "a": {"day": ((1.5, 2), (2.0, 3)), "hour": ((3.0, 4),)},
        "b": {"day": ((5.0, 6),)},
    }


def test_what_still_counts_of_a_quota() -> None:
    """Of this account and limit, what is younger than its span: not what is just as old."""
    used: Used = {"a": {"day": ((10.0, 1), (10.5, 2), (12.0, 4)), "hour": ((12.0, 8),)}, "b": {"day": ((12.0, 16),)}}
    limit = Limit("day", 100, 10.0)
    assert spent(used, "a", limit, 20.0) == 6
    assert spent(used, "c", limit, 20.0) == 0
    assert spent({"a": {}}, "a", limit, 20.0) == 0


def test_migrations_are_done_in_order() -> None:
    """Each in a transaction of its own that also notes it; what is done is not done again."""
    said: list[str] = []
    names = list(MIGRATIONS)
    assert migrate(said.append, frozenset(names[:-2])) == names[-2:]
    wanted: list[Any] = []
    for name in names[-2:]:
        wanted += ["BEGIN", *(statement.format(s=STATE) for statement in MIGRATIONS[name])]
        wanted += [f"INSERT INTO {STATE}.meta VALUES ('migration', '{name}')", "COMMIT"]
    assert said == wanted

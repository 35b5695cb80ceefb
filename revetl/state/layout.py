"""What state knows about each sync: its tables, its fields' slots, its relations and account."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from revetl.state.reading import Reads
from revetl.state.schema import STATE
from revetl.state.store import Store

BY_SYNC = ("syncs", "remote", "pending", "rejected", "unmatched", "waiting_links", "opted_out", "marks", "habits")


@dataclass(frozen=True, slots=True)
class StoredField:
    """One field that was ever mapped in a sync; ``orphan``: configuration names it no more."""

    ordinal: int
    field: str
    property: str
    model: str
    type: str
    pii: str | None
    fresh: bool
    orphan: bool
    link: str | None = None  # the sync that a link points to
    cohort: str | None = None  # whose memberships carry it; None: records do
    digest: str | None = None  # how its values are hashed; None: they are in clear


@dataclass(frozen=True, slots=True)
class StoredSync:
    """A sync as state knows it."""

    id: int
    sync: str
    keys: tuple[str, ...]
    normalise: str
    wire_version: int
    relations: Mapping[str, str]  # unique id → relation
    account: str | None
    flow: str  # digest of mapping and wire format
    last_rows: int
    fields: tuple[StoredField, ...] = ()  # of records
    memberships: tuple[StoredField, ...] = ()  # of memberships
    cohorts: Mapping[str, tuple[str, str | None]] = None  # type: ignore[assignment]  # name → (label, remote id)
    manifest_at: datetime | None = None  # when the manifest of the last run was made
    key_columns: tuple[str, ...] | None = None  # of the base model in the last run; None: an older revetl's

    def key_text(self, alias: str = "") -> str:
        """Return SQL of a key's text over the key columns of this sync's tables; ``alias`` ends in a dot."""
        return text_of_key(f"{alias}k{n}" for n in range(len(self.keys)))


def text_of_key(columns: Iterable[str]) -> str:
    """Return SQL of a key's text, a JSON array, out of its columns."""
    parts = " || ',' || ".join(f"to_json({column})" for column in columns)
    return f"'[' || {parts} || ']'"


def load_sync(store: Reads, sync: str) -> StoredSync | None:
    """Return what is known about a sync, None before its first run."""
    found = store.rows(
        "SELECT id, sync, keys, normalise, wire_version, relations, account, flow, last_rows, manifest_at, "
        f"key_columns FROM {STATE}.syncs WHERE sync = ?",
        [sync],
    )
    if not found:
        return None
    ident, name, keys, normalise, version, relations, account, flow, last_rows, made, columns = found[0]
    rows = store.rows(
        "SELECT ordinal, field, property, model, type, pii, fresh, orphan, link, cohort, digest "
        f"FROM {STATE}.fields WHERE sync_id = ? ORDER BY ordinal",
        [ident],
    )
    fields = [StoredField(*row) for row in rows]
    cohorts = store.rows(f"SELECT cohort, label, remote_id FROM {STATE}.cohorts WHERE sync_id = ?", [ident])
    return StoredSync(
        ident, name, tuple(keys), normalise, version, json.loads(relations), account, flow, last_rows,
        tuple(field for field in fields if field.cohort is None),
        tuple(field for field in fields if field.cohort is not None),
        {row[0]: (row[1], row[2]) for row in cohorts}, made, tuple(columns) if columns else None,
    )  # fmt: skip


def known_syncs(store: Reads) -> tuple[StoredSync, ...]:
    """Return every sync that state knows, by name."""
    names = [row[0] for row in store.rows(f"SELECT sync FROM {STATE}.syncs ORDER BY sync")]
    return tuple(found for name in names if (found := load_sync(store, name)))


def next_id(store: Store) -> int:
    """Return the number that the next new sync gets."""
    return int(store.one(f"SELECT coalesce(max(id), 0) + 1 FROM {STATE}.syncs"))


def make_tables(store: Store, sync: StoredSync) -> None:
    """Make the typed tables of a new sync and its row; without primary keys, which cost more than they guard."""
    keys = ", ".join(f"k{n} {kind}" for n, kind in enumerate(sync.keys))
    store.con.execute(f"CREATE TABLE {STATE}.snap_{sync.id} ({keys}, m VARCHAR)")
    store.con.execute(f"CREATE TABLE {STATE}.members_{sync.id} ({keys}, cohort VARCHAR)")
    store.con.execute(f"CREATE TABLE {STATE}.after_{sync.id} (seq BIGINT, {keys}, m VARCHAR)")
    store.con.execute(
        f"INSERT INTO {STATE}.syncs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
        [sync.id, sync.sync, list(sync.keys), sync.normalise, sync.wire_version, json.dumps(dict(sync.relations)),
         sync.account, sync.flow, sync.last_rows],
    )  # fmt: skip


def _tables(field: StoredField) -> tuple[str, str]:
    """Return the tables that have a column of a field: what is acknowledged, and what is on its way."""
    return ("snap" if field.cohort is None else "members"), "after"


def add_field(store: Store, sync_id: int, field: StoredField) -> None:
    """Give a field its slot: a column of nulls in what is acknowledged and in the outbox's values."""
    for table in _tables(field):
        store.con.execute(f"ALTER TABLE {STATE}.{table}_{sync_id} ADD COLUMN f{field.ordinal} {field.type}")
    store.con.execute(
        f"INSERT INTO {STATE}.fields VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [sync_id, field.ordinal, field.field, field.property, field.model, field.type, field.pii, field.fresh, False,
         field.link, field.cohort, field.digest],
    )  # fmt: skip


def retype_field(store: Store, sync_id: int, field: StoredField, kind: str) -> None:
    """Give a field another type; values that do not fit become null and are sent again."""
    ordinal = field.ordinal
    for table in _tables(field):
        store.con.execute(
            f"ALTER TABLE {STATE}.{table}_{sync_id} ALTER COLUMN f{ordinal} TYPE {kind} "
            f"USING TRY_CAST(f{ordinal} AS {kind})"
        )
    store.con.execute(f"UPDATE {STATE}.fields SET type = ? WHERE sync_id = ? AND ordinal = ?", [kind, sync_id, ordinal])


def refresh_fields(store: Store, sync_id: int, mapped: Sequence[StoredField]) -> None:
    """Record which slots are mapped now, from which property and model; the others are orphans."""
    store.con.execute(f"UPDATE {STATE}.fields SET orphan = true WHERE sync_id = ?", [sync_id])
    names = "field", "property", "model", "pii", "link", "fresh", "digest"
    lists = [[getattr(field, name) for field in mapped] for name in ("ordinal", *names)]
    store.con.execute(
        f"UPDATE {STATE}.fields AS s SET orphan = false, {', '.join(f'{name} = n.{name}' for name in names)} FROM "
        f"(SELECT {', '.join(f'unnest(?) AS {name}' for name in ('ordinal', *names))}) n "
        "WHERE s.sync_id = ? AND s.ordinal = n.ordinal",
        [*lists, sync_id],
    )


def set_sync(store: Store, sync_id: int, **values: object) -> None:
    """Change columns of a sync's row."""
    names = ", ".join(f"{name} = ?" for name in values)
    store.con.execute(f"UPDATE {STATE}.syncs SET {names} WHERE id = ?", [*values.values(), sync_id])


def set_cohort(store: Store, sync_id: int, cohort: str, label: str, remote_id: str | None) -> None:
    """Remember under which label and remote id a cohort stands there."""
    store.con.execute(f"DELETE FROM {STATE}.cohorts WHERE sync_id = ? AND cohort = ?", [sync_id, cohort])
    store.con.execute(f"INSERT INTO {STATE}.cohorts VALUES (?, ?, ?, ?)", [sync_id, cohort, label, remote_id])


def settle_fresh(store: Store, sync_id: int) -> None:
    """Mark every field as acknowledged once: from now on its differences are data."""
    store.con.execute(f"UPDATE {STATE}.fields SET fresh = false WHERE sync_id = ?", [sync_id])


def drop_sync(store: Store, sync: StoredSync) -> None:
    """Forget a sync altogether; its ledger stays."""
    with store.transaction():
        for table in ("snap", "members", "after"):
            store.con.execute(f"DROP TABLE IF EXISTS {STATE}.{table}_{sync.id}")
        for table in ("fields", "cohorts"):
            store.con.execute(f"DELETE FROM {STATE}.{table} WHERE sync_id = ?", [sync.id])
        for table in BY_SYNC:
            store.con.execute(f"DELETE FROM {STATE}.{table} WHERE sync = ?", [sync.sync])


def rename_sync(store: Store, old: str, new: str) -> None:
    """Carry a sync's history over to a new name (``was:``)."""
    with store.transaction():
        for table in (*BY_SYNC, "approvals"):
            store.con.execute(f"UPDATE {STATE}.{table} SET sync = ? WHERE sync = ?", [new, old])

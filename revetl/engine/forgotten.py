"""People who are forgotten are left out of what a sync would send: frozen, neither sent nor taken for gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from revetl.diff.shape import Shape
from revetl.engine.keyring import Keyring
from revetl.engine.keytext import candidates
from revetl.engine.staging import Masking
from revetl.errors import StateError
from revetl.sqltext import quote_text
from revetl.state.purging import every_key
from revetl.state.schema import STATE
from revetl.state.store import Store
from revetl.state.tombstones import Tombstone


@dataclass(frozen=True)
class Hasher:
    """How keys and identities of people become the hashes of their tombstones, in Python and in SQL."""

    ring: Keyring

    def key(self, entity: str, key: str) -> tuple[str, ...]:
        """Return the hashes of a key's text under each key of the ledger."""
        return self.ring.digests(f"{entity}\n{key}")

    def identity(self, identity: str) -> tuple[str, ...]:
        """Return the hashes of an identity's spellings under each key of the ledger."""
        return tuple(digest for form in forms(identity) for digest in self.ring.digests(form))


def forms(identity: str) -> tuple[str, ...]:
    """Return the spellings under which an identity may be compared."""
    return tuple(dict.fromkeys((identity.strip().lower(), identity.lower(), identity)))


def stone_of(
    stones: Iterable[Tombstone], hasher: Hasher, asked: str, pairs: Sequence[tuple[str, str]] = ()
) -> Tombstone | None:
    """Return the tombstone of whoever is meant: by keys found for them (entity, key), else as typed; by an identity."""
    names = set(hasher.identity(asked))
    found = {digest for entity, key in pairs for digest in hasher.key(entity, key)}
    entities = {entity for entity, _ in pairs}
    for stone in stones:
        typed = {d for key in candidates(asked) for d in hasher.key(stone.entity, key)} if not pairs else set()
        named = names & set(stone.identities) and ("@" in asked or not pairs or stone.entity in entities)
        if asked == stone.id or (found | typed) & set(stone.keys) or named:
            return stone
    return None


def leave_out(store: Store, entity: str, shape: Shape, ring: Keyring, table: str) -> int:
    """Delete rows of people who are forgotten from a temporary ``table`` with ``key`` and ``i``; return how many keys.

    A person is known by the key (in this entity), and by an identity: of this entity, or an address, which belongs to
    the same person everywhere.

    Raises:
        StateError: RVT-538, a key of the ledger is missing without which they are not recognised.
    """
    ids = [row[0] for row in store.rows(f"SELECT DISTINCT key_id FROM {STATE}.forgotten ORDER BY key_id")]
    if not ids:
        return 0
    conditions = [condition for ident in ids for condition in _matching(_key(ring, ident), ident, entity)]
    if table == "changes":
        _close_leaves(store, shape, [c for ident in ids for c in _named(_key(ring, ident), ident, entity)])
    gone = f"gone_{shape.id}"
    store.con.execute(
        f"CREATE OR REPLACE TEMP TABLE {gone} AS SELECT DISTINCT c.key FROM {shape.temp(table)} c "
        f"WHERE {' OR '.join(conditions)}"
    )
    store.con.execute(f"DELETE FROM {shape.temp(table)} WHERE key IN (SELECT key FROM {gone})")
    return int(store.one(f"SELECT count(*) FROM {gone}"))


def keys_left(
    store: Store, ring: Keyring, entities: Mapping[str, str], only: str | None = None
) -> dict[str, list[str]]:
    """Return the keys, by sync, of people who are forgotten and of whom state or ledger has something (again).

    ``entities``: sync → entity; ``only``: of this tombstone.

    Raises:
        StateError: RVT-538, a key of the ledger is missing without which they are not recognised.
    """
    mine = "true" if only is None else f"id = {quote_text(only)}"
    ids = [row[0] for row in store.rows(f"SELECT DISTINCT key_id FROM {STATE}.forgotten WHERE {mine} ORDER BY key_id")]
    found: dict[str, list[str]] = {}
    for sync, entity in sorted(entities.items()) if ids else ():
        conditions = [f"{_keyed(_key(ring, ident), entity)} IN ({_stones(ident, 'key')} AND {mine})" for ident in ids]
        asked = f"SELECT key FROM ({every_key(store, sync)}) c WHERE {' OR '.join(conditions)} ORDER BY key"
        if keys := [str(row[0]) for row in store.rows(asked)]:
            found[sync] = keys
    return found


def _close_leaves(store: Store, shape: Shape, named: Sequence[str]) -> None:
    """Let records that are gone leave, memberships too, without a call where they stood at a forgotten address.

    They were erased there. The change names nobody, and ends what was in doubt about them.
    """
    changes = shape.temp("changes")
    store.con.execute(
        f"UPDATE {changes} AS c SET local = 'forgotten', m = NULL, i = NULL WHERE c.op IN ('leave', 'part') "
        f"AND c.key IN (SELECT key FROM {changes} WHERE op = 'leave') AND ({' OR '.join(named)})"
    )


def _key(ring: Keyring, ident: str) -> bytes:
    key = ring.find(ident)
    if key is None:
        raise StateError(
            "RVT-538",
            f"people are forgotten whom only key {ident} of the ledger knows, and it is not here",
            kept="nothing was sent: they might have been",
            hint="restore the key, or name it under ledger.old_keys; see `revetl forget --list`",
        )
    return key


def _stones(ident: str, kind: str) -> str:
    return f"SELECT hash FROM {STATE}.forgotten WHERE key_id = {quote_text(ident)} AND kind = '{kind}'"


def _keyed(key: bytes, entity: str) -> str:
    """Return SQL of the hash of a row ``c``'s key."""
    return Masking("hash", key).hmac(quote_text(entity) + " || chr(10) || c.key")


def _matching(key: bytes, ident: str, entity: str) -> Sequence[str]:
    mine = f"{_keyed(key, entity)} IN ({_stones(ident, 'key')})"  # which has its entity in it
    return (mine, *_named(key, ident, entity))


def _named(key: bytes, ident: str, entity: str) -> Sequence[str]:
    """Return conditions on the identity of a row ``c``."""
    mask, anywhere = Masking("hash", key), _stones(ident, "identity")
    return (
        f"{mask.hmac('c.i')} IN ({anywhere} AND entity = {quote_text(entity)})",
        f"(contains(c.i, '@') AND {mask.hmac('lower(trim(c.i))')} IN ({anywhere}))",
    )

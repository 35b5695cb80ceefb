"""People of the world who are forgotten between two runs, as `revetl forget` does it once the destination is done."""

from __future__ import annotations

from dataclasses import dataclass, field

from revetl.engine.forgotten import Hasher
from revetl.engine.keyring import Keyring
from revetl.state.purging import purge
from revetl.state.store import Store
from revetl.state.tombstones import Tombstone, settle, write
from tests.faults.people import Model, island_of
from tests.faults.vendor import Vendor

STATE = "revetl_state"
LATE = 1000.0  # seconds, beyond any late arrival: before, `forget` says to come again


@dataclass
class Graveyard:
    """Who is forgotten: addresses and keys that must never leave again, and islands that are no longer all there."""

    emails: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)  # as JSON
    rows: set[tuple[str, int]] = field(default_factory=set)  # of the ledger, taken out with them

    stones: int = 0

    @property
    def islands(self) -> set[int]:
        """Return where somebody is missing."""
        return {island_of(email) for email in self.emails}

    def bury(self, store: Store, sync: str, key: bytes, email: str, model: Model) -> None:
        """Forget whoever has, had or may have this address: tombstone first, then state and ledger without them."""
        ring, keys, names = Keyring((key,)), self._keys(store, sync, key, email, model), [email]
        asked = f"SELECT lower(trim(m)) FROM {STATE}.snap_1 WHERE k0 IN (SELECT unnest(?)) AND m IS NOT NULL"
        names += [row[0] for row in store.rows(asked, [[text[2:-2] for text in keys]])]
        doubts = f"SELECT DISTINCT unnest(near) FROM {STATE}.pending WHERE sync = ? AND key IN (SELECT unnest(?))"
        names += [row[0] for row in store.rows(doubts, [sync, keys])]
        names += [str(row.email) for k, row in model.items() if f'["{k}"]' in keys]
        names, hasher = sorted(set(names)), Hasher(ring)
        hidden = [digest for name in names for digest in hasher.identity(name)]
        stone = Tombstone(
            f"stone-{self.stones}", store.clock(), ring.ids[0], "person",
            tuple(digest for text in keys for digest in hasher.key("person", text)), tuple(dict.fromkeys(hidden)),
        )  # fmt: skip
        self.stones += 1
        write(store, [*settle(store), stone])
        gone = "key IN (SELECT unnest(?)) OR identity IN (SELECT unnest(?)) OR before_identity IN (SELECT unnest(?))"
        known = [*names, *hidden]
        if store.directory is None:
            lost = store.rows(f"SELECT run, seq FROM {STATE}.ledger_rows WHERE {gone}", [keys, known, known])
            self.rows.update((run, seq) for run, seq in lost)
            purge(store, {sync: keys}, known, "forgotten")
        self.emails.update(names)
        self.keys.update(keys)

    def erase(self, vendor: Vendor) -> None:
        """Let the vendor erase them."""
        for email in self.emails:
            for held in (vendor.people, vendor.tags, vendor.told, vendor.links, vendor.ids, vendor.status):
                held.pop(email, None)

    def _keys(self, store: Store, sync: str, key: bytes, email: str, model: Model) -> list[str]:
        """Return the keys of everybody who has to do with an address, sorted."""
        found = {f'["{k}"]' for k, row in model.items() if row.email == email}
        if store.one(f"SELECT count(*) FROM {STATE}.syncs WHERE id = 1"):
            found |= {f'["{row[0]}"]' for row in store.rows(f"SELECT k0 FROM {STATE}.snap_1 WHERE m = ?", [email])}
        doubts = f"SELECT key FROM {STATE}.pending WHERE sync = ? AND list_contains(near, ?)"
        found |= {row[0] for row in store.rows(doubts, [sync, email])}
        if store.directory is None:
            names = [email, *Hasher(Keyring((key,))).identity(email)]
            asked = f"SELECT DISTINCT key FROM {STATE}.ledger_rows WHERE identity IN (SELECT unnest(?))"
            found |= {row[0] for row in store.rows(asked, [names])}
        return sorted(found)

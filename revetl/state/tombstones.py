"""Who must never be sent again: keyed hashes of keys and identities, in state and in a file beside the head.

Each of the two brings the other back, and the head says how many there must be: neither a lost state nor a lost file
brings anybody back. A shared state has them alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from revetl.errors import StateError
from revetl.state.files import replace_file
from revetl.state.journal import insert_rows
from revetl.state.reading import Reads
from revetl.state.schema import STATE
from revetl.state.store import Store

FILE = "tombstones.json"
_COLUMNS = "id, ts, key_id, entity, kind, hash"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """One person who is forgotten: HMACs, under the key ``key_id``, of their keys in an entity and their identities."""

    id: str
    at: datetime
    key_id: str
    entity: str
    keys: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()

    def with_more(self, other: Tombstone) -> Tombstone:
        """Return it with the hashes of another one of the same person."""
        keys, names = dict.fromkeys((*self.keys, *other.keys)), dict.fromkeys((*self.identities, *other.identities))
        return replace(self, keys=tuple(keys), identities=tuple(names))


def read_tombstones(directory: Path) -> tuple[Tombstone, ...]:
    """Return the tombstones of the file, none where there is no file.

    Raises:
        StateError: RVT-536, it cannot be read.
    """
    try:
        found = json.loads((directory / FILE).read_bytes())["people"]
        return tuple(
            Tombstone(
                **{**one, "at": datetime.fromisoformat(one["at"]), "keys": tuple(one["keys"]),
                   "identities": tuple(one["identities"])}
            )
            for one in found
        )  # fmt: skip
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StateError(
            "RVT-536",
            f"{FILE} cannot be read ({type(error).__name__}): it says who is forgotten",
            kept="nothing was sent",
            hint="restore it; or move it away: the state has the same, and the head knows how many there are",
        ) from None


def known(reads: Reads | None, directory: Path) -> tuple[Tombstone, ...]:
    """Return everybody who is forgotten, by a state that can be read (None: none can) and the file in ``directory``.

    Raises:
        StateError: RVT-536, the file cannot be read.
    """
    return _sorted(_both(_inside(reads) if reads is not None else (), read_tombstones(directory)))


def settle(store: Store) -> tuple[Tombstone, ...]:
    """Return everybody who is forgotten; what only one of state and file has is given to the other.

    Raises:
        StateError: RVT-536, the file cannot be read; RVT-537, fewer are left than the head says.
    """
    inside = _inside(store)
    beside = read_tombstones(store.directory) if store.directory is not None else ()
    both = _both(inside, beside)
    if len(both) < store.forgotten:
        raise StateError(
            "RVT-537",
            f"{store.forgotten} people are forgotten, but only {len(both)} are still known to be",
            kept="nothing was sent: the others would be",
            hint=f"restore {FILE} or state.duckdb from a backup",
        )
    found = _sorted(both)
    there = store.directory is not None and not store.owned
    if {o.id: o for o in inside} != both or (there and {o.id: o for o in beside} != both):
        write(store, found)
    if store.directory is not None and store.owned:  # of a state that lay here before: a stale one would outlive a lift
        (store.directory / FILE).unlink(missing_ok=True)
    return found


def _both(*parts: Sequence[Tombstone]) -> dict[str, Tombstone]:
    both: dict[str, Tombstone] = {}
    for one in (one for part in parts for one in part):
        both[one.id] = both[one.id].with_more(one) if one.id in both else one
    return both


def _sorted(both: Mapping[str, Tombstone]) -> tuple[Tombstone, ...]:
    return tuple(sorted(both.values(), key=lambda one: (one.at, one.id)))


def write(store: Store, everybody: Sequence[Tombstone]) -> None:
    """Make these the tombstones: first the file, then state, then the head's number of them."""
    if store.directory is not None and not store.owned:
        told = [{**asdict(one), "at": one.at.isoformat()} for one in everybody]
        text = json.dumps({"version": 1, "people": told}, indent=1)
        replace_file(store.directory / FILE, text.encode())
    store.crash("after_tombstone_file")
    rows = [
        [one.id, one.at, one.key_id, one.entity, kind, digest]
        for one in everybody
        for kind, digests in (("key", one.keys), ("identity", one.identities))
        for digest in digests
    ]
    with store.transaction():
        store.con.execute(f"DELETE FROM {STATE}.forgotten")
        insert_rows(store, f"{STATE}.forgotten", rows)
    store.forgotten = len(everybody)
    store.advance_head(store.head.run if store.head else "forget")


def _inside(store: Reads) -> tuple[Tombstone, ...]:
    found: dict[str, Tombstone] = {}
    for ident, at, key, entity, kind, digest in store.rows(f"SELECT {_COLUMNS} FROM {STATE}.forgotten ORDER BY rowid"):
        one = Tombstone(
            ident, at, key, entity, *(((digest,), ()) if kind == "key" else ((), (digest,)))
        )  # fmt: skip
        found[ident] = found[ident].with_more(one) if ident in found else one
    return tuple(found.values())

"""Everything that state knows of an entity, carried over from its old keys to new ones; and former keys in the ledger.

Nothing is sent for it, and nothing ends: records, memberships, ids there, doubts and rejections are another key's from
then on. The ledger keeps what left under the key that it had, and a row for each key that changed: its new key, and the
old one as reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from revetl.sqltext import quote_text
from revetl.state import ledger
from revetl.state.layout import StoredSync, set_sync, text_of_key
from revetl.state.marks import forget_marks
from revetl.state.reading import Reads
from revetl.state.schema import STATE
from revetl.state.store import Store

REKEY = "rekey"  # the operation of such rows in the ledger
MAP = "temp.main.rekey"  # a0… and old: the former key and its text; k0… and new: the new one
FLAG = "rekeyed"  # the name, in state, of whether the ledger has any such row

_BY_KEY = ("remote", "pending", "rejected", "unmatched", "opted_out")
_ROWS = ", ".join(f"NULL::VARCHAR AS {name}" for name in ("cohort", "identity", "before_identity", '"values"'))


@dataclass(frozen=True, slots=True)
class Counted:
    """What becomes of a sync's keys: so many get another, stay as they are, or have no counterpart (some of them)."""

    moved: int
    same: int
    left: int
    sample: tuple[str, ...] = ()


def names(letter: str, keys: Sequence[object]) -> tuple[str, ...]:
    """Return the names of key columns, such as k0 and k1."""
    return tuple(f"{letter}{n}" for n in range(len(keys)))


Columns = Sequence[tuple[str, str]]  # name and DuckDB type


def make_map(store: Store, rows: str, old: Columns, new: Columns) -> tuple[int, int, int]:
    """Make the map of old to new keys from ``rows`` (SQL to select from); names of columns come as SQL.

    Return how much of it says nothing: rows without a new key, old keys of several new ones, new keys of several old.
    """
    a, k = names("a", old), names("k", new)
    pairs = [f"TRY_CAST({column} AS {kind}) AS {name}" for (column, kind), name in zip(old, a, strict=True)]
    pairs += [f"CAST({column} AS {kind}) AS {name}" for (column, kind), name in zip(new, k, strict=True)]
    store.con.execute(
        f"CREATE OR REPLACE TEMP TABLE rekey AS SELECT DISTINCT *, {text_of_key(a)} AS old, {text_of_key(k)} AS new "
        f"FROM (SELECT {', '.join(pairs)} FROM {rows}) WHERE {' AND '.join(f'{name} IS NOT NULL' for name in a)}"
    )
    twice = [f"SELECT count(*) FROM (SELECT 1 FROM {MAP} GROUP BY {by} HAVING count(*) > 1)" for by in ("old", "new")]
    null = f"SELECT count(*) FROM {MAP} WHERE new IS NULL"
    nulls, split, met = store.rows(f"SELECT ({null}), ({twice[0]}), ({twice[1]})")[0]
    return int(nulls), int(split), int(met)


def _held(sync: StoredSync) -> str:
    """Return a SELECT of every key of which a record or membership stands there, or may stand."""
    text = sync.key_text()
    return (
        f"SELECT {text} AS key FROM {STATE}.snap_{sync.id} UNION SELECT {text} FROM {STATE}.members_{sync.id} "
        f"UNION SELECT key FROM {STATE}.pending WHERE sync = {quote_text(sync.sync)}"
    )


def count(store: Store, sync: StoredSync) -> Counted:
    """Return what :func:`carry` would do to a sync."""
    moved, same, left, sample = store.rows(
        "SELECT count(*) FILTER (WHERE r.new <> h.key), count(*) FILTER (WHERE r.new = h.key), "
        "count(*) FILTER (WHERE r.new IS NULL), list(h.key ORDER BY h.key) FILTER (WHERE r.new IS NULL)[1:5] "
        f"FROM ({_held(sync)}) h LEFT JOIN {MAP} r ON r.old = h.key"
    )[0]
    return Counted(moved, same, left, tuple(sample or ()))


def carry(store: Store, sync: StoredSync, keys: Sequence[str], columns: Sequence[str]) -> None:
    """Give every key of a sync its new one, of these types; what has none is forgotten. The caller commits it."""
    fields, members = [(f.ordinal, f.type) for f in sync.fields], [(f.ordinal, f.type) for f in sync.memberships]
    _typed(store, sync, "snap", keys, [("m", "VARCHAR"), *((f"f{n}", kind) for n, kind in fields)])
    _typed(store, sync, "members", keys, [("cohort", "VARCHAR"), *((f"f{n}", kind) for n, kind in members)])
    after = [("m", "VARCHAR"), *((f"f{n}", kind) for n, kind in sorted([*fields, *members]))]
    _typed(store, sync, "after", keys, after, [("seq", "BIGINT")])
    name = quote_text(sync.sync)
    for table in _BY_KEY:
        store.con.execute(f"DELETE FROM {STATE}.{table} WHERE sync = {name} AND key NOT IN (SELECT old FROM {MAP})")
    for table in (*_BY_KEY, "erasures"):
        store.con.execute(
            f"UPDATE {STATE}.{table} AS t SET key = r.new FROM {MAP} r "
            f"WHERE t.sync = {name} AND t.key = r.old AND r.new <> r.old"
        )
    store.con.execute(f"DELETE FROM {STATE}.refused WHERE sync = {name}")
    store.con.execute(f"DELETE FROM {STATE}.waiting_links WHERE sync = {name} OR target = {name}")
    forget_marks(store, sync.sync)
    set_sync(store, sync.id, keys=list(keys), key_columns=list(columns))


def _typed(store: Store, sync: StoredSync, table: str, keys: Sequence[str], more: Columns, first: Columns = ()) -> None:
    """Make a table of the sync anew, by the new keys; ``first`` stands before them."""
    old, new, rest = names("k", sync.keys), names("k", keys), [name for name, _ in (*first, *more)]
    same = " AND ".join(f"r.a{n} = s.{k}" for n, k in enumerate(old))
    columns = ", ".join((*new, *rest))
    store.con.execute(
        f"CREATE OR REPLACE TEMP TABLE carried AS SELECT {', '.join(f'r.{k}' for k in new)}, "
        f"{', '.join(f's.{name}' for name in rest)} FROM {STATE}.{table}_{sync.id} s JOIN {MAP} r ON {same}"
    )
    store.con.execute(f"DROP TABLE {STATE}.{table}_{sync.id}")
    typed = [f"{name} {kind}" for name, kind in (*first, *zip(new, keys, strict=True), *more)]
    store.con.execute(f"CREATE TABLE {STATE}.{table}_{sync.id} ({', '.join(typed)})")
    store.con.execute(f"INSERT INTO {STATE}.{table}_{sync.id} ({columns}) SELECT {columns} FROM temp.main.carried")


def note(store: Store, sync: StoredSync) -> None:
    """Gather the rows of the ledger for the keys of a sync that :func:`carry` is going to change."""
    store.con.execute("CREATE TEMP TABLE IF NOT EXISTS rekeyed (sync VARCHAR, key VARCHAR, old VARCHAR)")
    store.con.execute(
        f"INSERT INTO rekeyed SELECT {quote_text(sync.sync)}, r.new, r.old FROM ({_held(sync)}) h "
        f"JOIN {MAP} r ON r.old = h.key AND r.new <> r.old"
    )


def write_down(store: Store, run: str) -> None:
    """Write what :func:`note` gathered as the ledger's file of a run, and the run; the caller commits it."""
    now, first = store.clock(), store.last_seq()
    rows = int(store.one("SELECT count(*) FROM rekeyed"))
    file = None
    if rows and store.ledger is not None:
        select = (
            f"SELECT {quote_text(run)} AS run, {first} + row_number() OVER (ORDER BY sync, key) AS seq, "
            f"{quote_text(now.isoformat())}::TIMESTAMPTZ AS \"time\", sync, key, '{REKEY}' AS op, '{REKEY}' AS cause, "
            f"{_ROWS}, 'local' AS outcome, NULL::VARCHAR AS code, old AS reason, NULL::INTEGER AS http_status, "
            "NULL::VARCHAR AS request_id FROM temp.main.rekeyed"
        )
        file = ledger.put_file(store, store.ledger, run, select)
        store.set_meta("seq", str(first + rows))
        store.set_meta(FLAG, "yes")
        ledger.append(store, run, file)
    store.con.execute(
        f"INSERT INTO {STATE}.runs (run, started_at, closed_at, exit_code, file) VALUES (?, ?, ?, ?, ?)",
        [run, now, now, 0, file],
    )


@dataclass(frozen=True, slots=True)
class Span:
    """Between which numbers of the ledger (``since`` included) a key of a sync was that of who is asked about."""

    sync: str
    key: str
    since: int
    until: int | None  # None: still


def spans(reads: Reads, rows: str, keys: Sequence[str]) -> tuple[Span, ...]:
    """Return the spans of keys that got another one, former ones included; none where none of them ever did.

    ``rows``: SQL of the ledger's rows.
    """
    came = _turns(reads, rows, keys, "key")
    return tuple(span for sync, key in came if key in set(keys) for span in _back(came, sync, key))


Turns = dict[tuple[str, str], list[tuple[int, str]]]


def _turns(reads: Reads, rows: str, keys: Sequence[str], by: str) -> Turns:
    """Return (sync, key) → when it came from which other key (``by`` is key) or became which one (``by`` is reason)."""
    found, todo, other = Turns(), set(keys), "reason" if by == "key" else "key"
    if not todo or not reads.one(f"SELECT value FROM {STATE}.meta WHERE name = ?", [FLAG]):
        return found
    seen = set[str]()
    # all that one run turned, it turned at once
    turned = f"SELECT *, min(seq) OVER (PARTITION BY run) AS first FROM ({rows}) WHERE op = '{REKEY}'"
    sql = f"SELECT sync, {by}, {other}, first FROM ({turned}) WHERE {by} IN (SELECT unnest(?)) ORDER BY first"
    while todo:
        seen |= todo
        some = reads.rows(sql, [sorted(todo)])
        for sync, key, its, seq in some:
            found.setdefault((sync, key), []).append((seq, its))
        todo = {its for _, _, its, _ in some} - seen
    return found


def _back(came: Turns, sync: str, key: str) -> list[Span]:
    found, until = list[Span](), None
    while True:
        turns = [turn for turn in came.get((sync, key), ()) if until is None or turn[0] < until]
        if not turns:
            return [*found, Span(sync, key, 0, until)]
        found.append(Span(sync, key, turns[-1][0], until))
        until, key = turns[-1]


def present(reads: Reads, rows: str, flows: Sequence[tuple[str, str, int]]) -> list[str]:
    """Return, for each (sync, key, number of a row of the ledger), the key that it has now."""
    went = _turns(reads, rows, list(dict.fromkeys(key for _, key, _ in flows)), "reason")
    return [_forth(went, *flow) for flow in flows]


def _forth(went: Turns, sync: str, key: str, seq: int) -> str:
    while True:
        turn = next((turn for turn in went.get((sync, key), ()) if turn[0] > seq), None)
        if turn is None:
            return key
        seq, key = turn


def within(spans: Sequence[Span], keys: Sequence[str]) -> tuple[str, list[object]]:
    """Return SQL, with its values, of whether a row of the ledger is about one of the keys or was when it was sent."""
    sql, values = "key IN (SELECT unnest(?))", list[object]([list(keys)])
    if not spans:
        return sql, values
    changed = sorted({(span.sync, span.key) for span in spans if span.key in set(keys)})
    sql += " AND (sync || chr(10) || key) NOT IN (SELECT unnest(?))"
    values.append([f"{sync}\n{key}" for sync, key in changed])
    for span in spans:
        sql += " OR (sync = ? AND key = ? AND seq >= ?" + ("" if span.until is None else " AND seq < ?") + ")"
        values += [span.sync, span.key, span.since, *([] if span.until is None else [span.until])]
    return f"({sql})", values

"""The close of a run: ledger file, chain, snapshot, pending and rejected keys, in an order that a crash cannot hurt.

1. ``final`` (temporary): one outcome per change; what was never acknowledged is *unknown*.
2. the ledger file, by rename; the same file again if a crash comes before 3
3. one transaction: chain entry, snapshot, members, remote ids, pending, rejected; the outbox is emptied
4. checkpoint, then the head

The same close runs at the next start for a run that was killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from revetl.sqltext import quote_text
from revetl.state import ledger, merging, optouts, refusals
from revetl.state.journal import REPEATED
from revetl.state.layout import StoredField, StoredSync, load_sync
from revetl.state.outbox import leave_running
from revetl.state.schema import STATE
from revetl.state.store import Store
from revetl.types import CONSENT, EMPTY

# What the close must know of a change: all but its bodies, which the ledger takes from the outbox itself.
KEPT = ("run", "seq", "sync", "key", "op", "cohort", "m", "i", "bi", "local")


@dataclass(frozen=True, slots=True)
class Closing:
    """What the close of a run needs to know beside its outbox."""

    late_apply: Mapping[str, float]  # sync → seconds
    exit_code: int = 0
    summary: str = ""
    crashed: bool = False  # True: acknowledgements are all there will be, the rest is unknown
    identity: Callable[[str], str] = str  # SQL of how the ledger keeps an identity, from SQL of it
    opted_out: Mapping[str, frozenset[str]] = EMPTY  # sync → codes of refusals that say that the person opted out
    seal: Callable[[str, str], str] | None = None  # (record, body) → the record with its personal values encrypted


def close_run(store: Store, run: str, closing: Closing) -> None:
    """Close ``run``; safe to repeat from any point at which the process was killed."""
    leave_running(store, run)
    _final(store, run, "unknown" if closing.crashed else "waiting")
    store.crash("before_ledger")
    file = ledger.write_file(store, run, closing.identity, closing.seal)
    store.crash("after_ledger")
    syncs = [load_sync(store, row[0]) for row in store.rows("SELECT DISTINCT sync FROM final ORDER BY sync")]
    with store.transaction():
        if file is None:
            store.tick()
        else:
            ledger.append(store, run, file)
        for sync in syncs:
            if sync is not None:
                _apply(store, run, sync, closing.late_apply.get(sync.sync, 900.0))
                optouts.refused(store, sync.sync, closing.opted_out.get(sync.sync, frozenset()))
        for table in ("outbox", "acks", "exceptions", "remote_new", "started", "jobs", "kept"):
            store.con.execute(f"DELETE FROM {STATE}.{table} WHERE run = ?", [run])
        store.con.execute(
            f"UPDATE {STATE}.runs SET closed_at = ?, exit_code = ?, file = ?, summary = ? WHERE run = ?",
            [store.clock(), closing.exit_code, file, closing.summary, run],
        )
    store.crash("after_apply")
    if store.directory is not None:
        store.con.execute(f"CHECKPOINT {STATE}")
    store.advance_head(run)
    store.crash("after_close")


def _final(store: Store, run: str, unsettled: str) -> None:
    """Make ``final``: the run's changes, each with its outcome."""
    store.run_all(
        [
            f"CREATE OR REPLACE TEMP TABLE final AS SELECT {', '.join(f'o.{column}' for column in KEPT)}, "
            f"coalesce(e.status, CASE WHEN a.hi >= o.seq THEN a.status WHEN o.local IS NOT NULL THEN 'local' END, "
            f"'{unsettled}') AS status, e.code, e.reason, coalesce(e.ts, a.ts, r.started_at) AS ts, "
            "coalesce(e.http_status, CASE WHEN a.hi >= o.seq THEN a.http_status END) AS http_status, "
            "coalesce(e.request_id, CASE WHEN a.hi >= o.seq THEN a.request_id END) AS request_id, "
            "n.remote_id AS new_id, n.created AS new_created, r.started_at, k.kept "
            f"FROM {STATE}.outbox o JOIN {STATE}.runs r USING (run) "
            f"LEFT JOIN {STATE}.exceptions e ON e.run = o.run AND e.seq = o.seq "
            f"LEFT JOIN {STATE}.kept k ON k.run = o.run AND k.seq = o.seq "
            f"LEFT JOIN {STATE}.remote_new n ON n.run = o.run AND n.seq = o.seq "
            f"ASOF LEFT JOIN {STATE}.acks a ON a.run = o.run AND a.lo <= o.seq "
            f"WHERE o.run = '{run}'",
        ]
    )
    if store.one("SELECT count(*) FROM final WHERE status = 'local'"):
        _dependent(store)


def _dependent(store: Store) -> None:
    """Let a local change stand only if what it depends on was delivered.

    That is its key's other changes, and the record, or the membership, to which an identity was handed over.
    """
    for (name,) in store.rows("SELECT DISTINCT sync FROM final WHERE local = 'handed_over' ORDER BY sync"):
        sync = load_sync(store, name)
        if sync is not None:
            _heirless(store, sync, quote_text(name))
    store.run_all(
        [
            "CREATE OR REPLACE TEMP TABLE undone AS SELECT DISTINCT sync, key, op, cohort, i FROM final "
            "WHERE status NOT IN ('delivered', 'local')",
            "UPDATE final SET status = 'waiting' WHERE local = 'handed_over' AND op = 'part' AND status = 'local' "
            "AND (sync, cohort, i) IN (SELECT (sync, cohort, i) FROM undone WHERE op = 'join')",
            "UPDATE final SET status = 'waiting' WHERE status = 'local' AND "
            "((op = 'upsert' AND (sync, key) IN (SELECT (sync, key) FROM undone WHERE op = 'identity')) OR "
            "(op = 'leave' AND (sync, key) IN (SELECT (sync, key) FROM final WHERE op = 'part' "
            "AND status NOT IN ('delivered', 'local'))) OR "
            "(local = 'handed_over' AND op = 'leave' AND (sync, i) IN "
            "(SELECT (sync, i) FROM undone WHERE op IN ('identity', 'upsert'))))",
        ]
    )


def _heirless(store: Store, sync: StoredSync, name: str) -> None:
    """Let nothing be handed over to who does not stand there yet: its own change may not even be of this run."""
    store.run_all(
        [
            f"CREATE OR REPLACE TEMP TABLE heir AS SELECT i, cohort FROM final WHERE sync = {name} "
            "AND op IN ('identity', 'upsert', 'join') AND status = 'delivered' UNION SELECT s.i, m.cohort "
            f"FROM ({merging.standing(sync)}) s "
            f"LEFT JOIN ({merging.members(sync)}) m USING (key) "
            f"WHERE s.i IN (SELECT i FROM final WHERE sync = {name} AND local = 'handed_over') "
            f"AND s.key NOT IN (SELECT key FROM final WHERE sync = {name} AND op IN ('identity', 'leave'))",
            f"UPDATE final AS f SET status = 'waiting' WHERE sync = {name} AND local = 'handed_over' "
            "AND status = 'local' AND NOT EXISTS "
            "(SELECT 1 FROM heir h WHERE h.i = f.i AND (f.op = 'leave' OR h.cohort = f.cohort))",
        ]
    )


def _apply(store: Store, run: str, sync: StoredSync, late_apply: float) -> None:
    """Move one sync's snapshot forward by what was delivered, and remember what was not."""
    name = sync.sync.replace("'", "''")
    done = f"(SELECT * FROM final WHERE sync = '{name}' AND status IN ('delivered', 'local'))"
    ops = frozenset(row[0] for row in store.rows(f"SELECT DISTINCT op FROM {done}"))
    renamed = "identity" in ops
    if renamed:
        merging.find_strangers(store, sync, name)
        merging.find_shared(store, sync, name)
    _records(store, run, sync, done, ops)
    if not ops.isdisjoint({"join", "part", "leave"}):
        _members(store, run, sync, done)
    _remote(store, name, done)
    _pending(store, run, sync, name, late_apply)
    _follow(store, name)
    if renamed:
        merging.left_behind(store, sync, name)
        merging.doubt_shared(store, sync, name)
        merging.hand_over(store, sync, name)
    refusals.keep(store, run, sync, name)
    store.con.execute(
        f"DELETE FROM {STATE}.after_{sync.id} WHERE seq NOT IN (SELECT seq FROM {STATE}.outbox WHERE run <> '{run}')"
    )


def _keys(sync: StoredSync, text: str) -> str:
    return ", ".join(f"CAST({text}->>'$[{n}]' AS {kind}) AS k{n}" for n, kind in enumerate(sync.keys))


def _same(sync: StoredSync, left: str, right: str) -> str:
    return " AND ".join(f"{left}.k{n} = {right}.k{n}" for n in range(len(sync.keys)))


def _records(store: Store, run: str, sync: StoredSync, done: str, ops: frozenset[str]) -> None:
    snap, ks = f"{STATE}.snap_{sync.id}", ", ".join(f"k{n}" for n in range(len(sync.keys)))
    match_slots = [f.ordinal for f in sync.fields if not f.orphan]
    columns = ["m", *(f"f{n}" for n in sorted(match_slots))]
    orphans = [f"f{f.ordinal}" for f in sync.fields if f.orphan]
    # the identity moved even where the fields' own change was refused
    moved = (
        f"UPDATE {snap} AS s SET m = d.m FROM (SELECT {_keys(sync, 'key')}, arg_max(m, seq) AS m FROM {done} "
        f"WHERE op = 'identity' GROUP BY key) d WHERE {_same(sync, 's', 'd')}"
    )
    landed = [
        f"CREATE OR REPLACE TEMP TABLE landed AS SELECT a.seq, {ks} FROM {STATE}.after_{sync.id} a "
        f"JOIN {done} d ON d.seq = a.seq AND d.op = 'upsert'",
        *_orphaned(run, sync.fields, ks, f"{snap} JOIN landed d USING ({ks})"),
        f"DELETE FROM {snap} AS s USING landed d WHERE {_same(sync, 's', 'd')}",
        f"INSERT INTO {snap} ({', '.join([ks, *columns, *orphans])}) SELECT {ks}, "
        f"{', '.join([*(f'a.{c}' for c in columns), *(f'o.{c}' for c in orphans)])} FROM {STATE}.after_{sync.id} a "
        f"SEMI JOIN landed USING (seq){f' LEFT JOIN orphaned o USING ({ks})' if orphans else ''}",
    ]
    left = (
        f"DELETE FROM {snap} AS s USING (SELECT {_keys(sync, 'key')} FROM {done} WHERE op = 'leave') d "
        f"WHERE {_same(sync, 's', 'd')}"
    )
    steps = {"identity": [moved], "upsert": landed, "leave": [left]}
    store.run_all([statement for op, statements in steps.items() if op in ops for statement in statements])


def _orphaned(run: str, fields: Sequence[StoredField], keys: str, rows: str) -> list[str]:
    """Return the statement that keeps what fields hold that are mapped no more, but for what this run cleared."""
    orphans = [field for field in fields if field.orphan]
    if not orphans:
        return []
    names = "json_keys(coalesce(b.body, '{}')) || json_keys(coalesce(b.links, '{}'))"
    held = "".join(
        f", CASE WHEN NOT list_contains({names}, {quote_text(field.field)}) THEN f{field.ordinal} END f{field.ordinal}"
        for field in orphans
    )
    outbox = f"JOIN {STATE}.outbox b ON b.run = {quote_text(run)} AND b.seq = d.seq"
    return [f"CREATE OR REPLACE TEMP TABLE orphaned AS SELECT {keys}{held} FROM {rows} {outbox}"]


def _members(store: Store, run: str, sync: StoredSync, done: str) -> None:
    members, ks = f"{STATE}.members_{sync.id}", ", ".join(f"k{n}" for n in range(len(sync.keys)))
    name = quote_text(sync.sync)
    undone = (
        f"SELECT key, cohort FROM final WHERE sync = {name} AND op = 'join' AND status NOT IN ('delivered', 'local')"
    )
    # a no that was said in two places stands once both have it
    moved = (
        f"(SELECT {_keys(sync, 'key')}, cohort, op, max(seq) AS seq FROM {done} WHERE op IN ('join', 'part') "
        f"AND (key, cohort) NOT IN ({undone}) GROUP BY key, cohort, op)"
    )
    fields = "".join(f", f{field.ordinal}" for field in sync.memberships if not field.orphan)
    orphans = "".join(f", f{field.ordinal}" for field in sync.memberships if field.orphan)
    carried = f"LEFT JOIN (SELECT seq{fields} FROM {STATE}.after_{sync.id}) a ON a.seq = d.seq " if fields else ""
    carried += f"LEFT JOIN orphaned o USING ({ks}, cohort)" if orphans else ""
    store.run_all(
        [
            *_orphaned(run, sync.memberships, f"{ks}, cohort", f"{members} JOIN {moved} d USING ({ks}, cohort)"),
            f"DELETE FROM {members} AS s USING {moved} d WHERE {_same(sync, 's', 'd')} AND s.cohort = d.cohort",
            f"INSERT INTO {members} ({ks}, cohort{fields}{orphans}) SELECT {ks}, cohort{fields}{orphans} "
            f"FROM {moved} d {carried} "
            "WHERE op = 'join'",
            f"DELETE FROM {members} AS s USING (SELECT {_keys(sync, 'key')} FROM {done} WHERE op = 'leave') d "
            f"WHERE {_same(sync, 's', 'd')} AND NOT {_NO.format('s')}",  # a no outlasts the record
        ]
    )


def _remote(store: Store, name: str, done: str) -> None:
    """Remember ids, and whether revetl created the record: once true it stays so until the record is gone.

    It is gone, too, where the answer to a plain upsert names another record that was there before.
    """
    other = (  # if no rename may have brought ours there
        "any_value(r.remote_id) <> arg_max(d.new_id, d.seq) AND bool_or(d.op = 'upsert' AND d.new_created = false) "
        f"AND bool_and(d.op <> 'identity') AND d.key NOT IN (SELECT key FROM {STATE}.pending WHERE sync = '{name}')"
    )
    store.run_all(
        [
            "CREATE OR REPLACE TEMP TABLE ids AS SELECT sync, key, remote_id, created FROM (SELECT d.sync, d.key, "
            "any_value(r.remote_id) AS known_id, any_value(r.created) AS known, "
            "coalesce(arg_max(d.new_id, d.seq), any_value(r.remote_id)) AS remote_id, "
            f"CASE WHEN {other} THEN false "
            "ELSE coalesce(bool_or(r.created), false) OR coalesce(bool_or(d.new_created), false) END AS created "
            f"FROM {done} d LEFT JOIN {STATE}.remote r ON r.sync = d.sync AND r.key = d.key "
            "WHERE d.op IN ('upsert', 'identity', 'join') AND d.status = 'delivered' "
            "GROUP BY d.sync, d.key HAVING bool_or(d.op = 'upsert') OR max(d.new_id) IS NOT NULL) "
            "WHERE remote_id IS DISTINCT FROM known_id OR created IS DISTINCT FROM known",
            f"DELETE FROM {STATE}.remote AS r USING ids i WHERE r.sync = i.sync AND r.key = i.key",
            f"INSERT INTO {STATE}.remote SELECT * FROM ids",
            f"DELETE FROM {STATE}.remote AS r USING (SELECT key FROM {done} WHERE op = 'leave' "
            f"AND status = 'delivered') d WHERE r.sync = '{name}' AND r.key = d.key",
        ]
    )


# Of a change ``f``, what it is in doubt about; of a doubt ``p`` and changes ``q``, that they are about the same.
_KIND = "CASE WHEN f.op IN ('join', 'part') THEN 'join' ELSE 'upsert' END"
_SAME = "p.sync = q.sync AND p.key = q.key AND p.op = q.kind AND p.cohort IS NOT DISTINCT FROM q.cohort"
# Nothing is ever said against a no: one that arrives late, after another that was acknowledged, changes nothing.
_NO = "coalesce(starts_with({0}.cohort, " + quote_text(CONSENT) + "), false)"
_ENDED = "arg_max(f.op IN ('leave', 'part'), f.seq) AS ended"


def _answered(store: Store, name: str, late_apply: float) -> None:
    """Clear doubts that got their clean answer, and note of the others what was asserted last."""
    clean = (
        f"SELECT f.sync, f.key, {_KIND} AS kind, f.cohort, max(f.started_at) AS started_at FROM final f "
        f"WHERE f.sync = '{name}' GROUP BY ALL "
        "HAVING bool_and(status IN ('delivered', 'local')) AND bool_or(op <> 'identity')"
    )
    if not store.one(f"SELECT count(*) FROM {STATE}.pending WHERE sync = '{name}'"):
        return
    store.run_all(
        [
            f"DELETE FROM {STATE}.pending AS p USING ({clean}) q WHERE {_SAME} "
            f"AND ({_NO.format('p')} OR q.started_at >= p.since + INTERVAL ({late_apply}) SECONDS) "
            "AND NOT EXISTS (SELECT 1 FROM final f "
            f"WHERE f.sync = '{name}' AND f.status NOT IN ('delivered', 'local') "
            "AND (list_contains(p.near, f.i) OR list_contains(p.near, f.bi)))",
            f"UPDATE {STATE}.pending AS p SET ended = q.ended FROM (SELECT f.sync, f.key, {_KIND} AS kind, f.cohort, "
            f"{_ENDED} FROM final f WHERE f.sync = '{name}' AND f.status IN ('delivered', 'local', 'unknown') "
            f"GROUP BY ALL) q WHERE {_SAME}",
        ]
    )


def _pending(store: Store, run: str, sync: StoredSync, name: str, late_apply: float) -> None:
    """Keep keys of unknown outcome dirty until a run that began ``late_apply`` later gets a clean answer."""
    parts = [
        f"CASE WHEN coalesce(a.f{f.ordinal}, s.f{f.ordinal}) IS NOT NULL THEN {f.ordinal} END" for f in sync.fields
    ]
    parts += [f"CASE WHEN a.f{f.ordinal} IS NOT NULL THEN {f.ordinal} END" for f in sync.memberships]
    touched = ", ".join(parts)
    points = ", ".join(
        f"CASE WHEN a.f{f.ordinal} IS NOT NULL THEN {{'n': {f.ordinal}, 'id': a.f{f.ordinal}}} END"
        for f in sync.fields
        if f.link is not None
    )
    _answered(store, name, late_apply)
    repeated = f"f.code = '{REPEATED}' AND NOT {_NO.format('f')}"
    doubtful = f"f.sync = '{name}' AND (f.status = 'unknown' OR ({repeated}))"
    if not store.one(f"SELECT count(*) FROM final f WHERE {doubtful}"):
        return
    store.run_all(
        [
            f"CREATE OR REPLACE TEMP TABLE doubt AS SELECT f.sync, f.key, {_KIND} AS kind, f.cohort, "
            f"max(f.ts) AS since, '{run}' AS run, "
            f"list_distinct(flatten(list(list_filter(CAST([{touched}] AS INTEGER[]), "
            "lambda n: n IS NOT NULL)))) AS touched, "
            "list({'m': f.m, 'i': f.i}) AS tried, list_filter(list_distinct(list(f.i) || list(f.bi)), "
            "lambda i: i IS NOT NULL) AS near, "
            f"list_distinct(flatten(list(list_filter(CAST([{points}] AS STRUCT(n INTEGER, id VARCHAR)[]), "
            f"lambda p: p IS NOT NULL)))) AS linked, {_ENDED} FROM final f "
            f"LEFT JOIN {STATE}.after_{sync.id} a ON a.seq = f.seq "
            f"LEFT JOIN (SELECT *, {sync.key_text()} AS key FROM {STATE}.snap_{sync.id}) s "
            "ON s.key = f.key AND f.op = 'identity' "
            f"WHERE {doubtful} GROUP BY ALL",
            "UPDATE doubt AS q SET touched = list_distinct(q.touched || p.touched), "
            "tried = list_distinct(q.tried || p.tried), near = list_distinct(q.near || p.near), "
            "linked = list_distinct(q.linked || coalesce(p.linked, [])) "
            f"FROM {STATE}.pending p WHERE {_SAME}",
            f"DELETE FROM {STATE}.pending AS p USING doubt q WHERE {_SAME}",
            f"INSERT INTO {STATE}.pending SELECT * FROM doubt",
        ]
    )


def _follow(store: Store, name: str) -> None:
    """Let doubts follow records that were renamed: what a lost request may have left there moves along."""
    if not store.one(f"SELECT count(*) FROM {STATE}.pending WHERE sync = '{name}'"):
        return
    moved = f"FROM final WHERE sync = '{name}' AND op = 'identity' AND status IN ('delivered', 'unknown')"
    store.con.execute(  # where it may stand by now, if it came to be at all
        f"UPDATE {STATE}.pending AS p SET tried = [{{'m': q.m, 'i': q.i}}] "
        f"|| list_filter(p.tried, lambda t: t.i <> q.i) FROM (SELECT DISTINCT key, m, i {moved}) q "
        f"WHERE p.sync = '{name}' AND p.key = q.key"
    )
    store.con.execute(
        f"WITH RECURSIVE r AS (SELECT bi, i {moved} UNION SELECT r.bi, m.i FROM r JOIN ({moved}) m ON m.bi = r.i) "
        f"UPDATE {STATE}.pending AS p SET near = list_distinct(p.near || q.more) FROM (SELECT o.key, o.op, o.cohort, "
        f"list(r.i) AS more FROM (SELECT *, unnest(near) AS n FROM {STATE}.pending WHERE sync = '{name}') o "
        "JOIN r ON r.bi = o.n GROUP BY ALL) q "
        f"WHERE p.sync = '{name}' AND p.key = q.key AND p.op = q.op AND p.cohort IS NOT DISTINCT FROM q.cohort"
    )

"""How many members each cohort had at each destination over time, counted back from what is acknowledged now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from revetl.state.flowlog import asked, relation
from revetl.state.layout import known_syncs
from revetl.state.views import View

Sizes = Mapping[tuple[str, str], tuple[tuple[datetime, int], ...]]

# A membership that was asserted again is no new one: of a key's joins and parts, only those that turn it count.
_TURNS = """
SELECT sync, cohort, run, max("time") AS moment, sum(CASE op WHEN 'join' THEN 1 ELSE -1 END) AS more FROM (
  SELECT *, lag(op) OVER (PARTITION BY sync, cohort, key ORDER BY seq) AS prior FROM ({flows})
  WHERE op IN ('join', 'part') AND outcome = 'delivered' AND NOT open
) WHERE op IS DISTINCT FROM prior GROUP BY sync, cohort, run HAVING more <> 0 ORDER BY sync, cohort, moment
"""


def cohort_sizes(view: View) -> Sizes:
    """Return (sync, cohort) → moments, oldest first, and the members from each on; the last is the size now.

    Memberships that were taken as they stood, by ``adopt``, are in all of it: nobody knows since when they are there.

    Raises:
        StateError: RVT-521, the ledger cannot be read.
    """
    if not view.readable:
        return {}
    now: dict[tuple[str, str], int] = {}
    for sync in known_syncs(view):
        rows = view.rows(f"SELECT cohort, count(*) FROM revetl_state.members_{sync.id} GROUP BY cohort")
        now |= {(sync.sync, cohort): count for cohort, count in rows}
    turns: dict[tuple[str, str], list[tuple[datetime, int]]] = {}
    for sync_name, cohort, _, at, more in asked(view, _TURNS.format(flows=relation(view)), []):
        turns.setdefault((sync_name, cohort), []).append((at, int(more)))
    found = {}
    for pair, steps in turns.items():
        size, sizes = now.get(pair, 0), []
        for at, more in reversed(steps):
            sizes.append((at, size))
            size -= more
        found[pair] = tuple(reversed(sizes))
    return found

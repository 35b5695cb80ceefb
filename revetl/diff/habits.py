"""What a sync's runs are like: how much of each kind changes as a rule, and from where on it is unusual.

Counts of earlier runs are judged by their median and by how far they lie from it in the middle (the median absolute
deviation), so that one odd run makes no rule; what happened twice before, such as a weekly batch, is not unusual.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median

from revetl.diff.shape import STATE, Shape
from revetl.sqltext import quote_text
from revetl.types import CONSENT, Habit

FEWEST = 7  # earlier runs; fewer say nothing
WIDTH = 10 * 1.4826  # ten standard deviations, were the counts normally distributed
SEEN = 2  # times what was seen twice

WORDS = {
    "leaves": "records would leave",
    "changes": "known records would change",
    "new": "records would be new",
    "joins": "would become members",
    "parts": "members would leave",
}
OF_RECORDS = ("leaves", "changes", "new")
OF_MEMBERS = ("joins", "parts")
ALL_READ = ("leaves", "parts")  # of these, a run that did not read all rows knows nothing


@dataclass(frozen=True, slots=True)
class Usual:
    """What earlier runs had of a kind: how much as a rule, how much at most, and how much is not unusual now."""

    runs: int
    rule: int
    most: int
    allowed: int


def name(kind: str, cohort: str | None = None) -> str:
    """Return how the count of a kind is called, of a cohort where it is about members."""
    return kind if cohort is None else f"{kind} {cohort}"


def again(shape: Shape) -> str:
    """Return SQL: whether change ``c`` only asserts a LEAVE or PART once more that a run had let go of before.

    What came of that is not known for sure, so it goes again; it is no further loss. A record whose last assertion was
    that it be there is none of these, whatever the doubt: a model that was emptied by mistake is held.
    """
    op = "CASE WHEN p.op = 'join' THEN 'part' ELSE 'leave' END"
    mine = f"p.sync = {quote_text(shape.sync)} AND p.ended"
    return (
        f"((c.key, c.op, coalesce(c.cohort, '')) IN (SELECT (p.key, {op}, coalesce(p.cohort, '')) "
        f"FROM {STATE}.pending p WHERE {mine}))"
    )


def kind(shape: Shape) -> str:
    """Return SQL of what kind a change ``c`` is; null: of none that is counted. Mapping and retries are no habit."""
    known = f"c.key IN (SELECT key FROM {shape.temp('delta')} WHERE known)"
    stays = f"c.key NOT IN (SELECT key FROM {shape.temp('changes')} WHERE op = 'leave')"
    return (
        "CASE WHEN c.verdict IS NOT NULL OR c.local IS NOT DISTINCT FROM 'handed_over' THEN NULL "
        f"WHEN {again(shape)} THEN NULL WHEN c.op = 'leave' THEN 'leaves' WHEN c.cause <> 'data' THEN NULL "
        f"WHEN c.op = 'upsert' AND c.local IS NULL THEN CASE WHEN {known} THEN 'changes' ELSE 'new' END "
        f"WHEN c.op IN ('join', 'part') AND NOT starts_with(c.cohort, {quote_text(CONSENT)}) AND {stays} "
        "THEN c.op || 's' END"
    )


def counting(shape: Shape) -> str:
    """Return a SELECT of kind, cohort and count."""
    return (
        f"SELECT * FROM (SELECT {kind(shape)} AS kind, c.cohort, count(*) AS n FROM {shape.temp('changes')} c "
        "GROUP BY ALL) WHERE kind IS NOT NULL"
    )


def names(cohorts: Sequence[str], *, whole: bool) -> list[tuple[str, str | None]]:
    """Return the kinds, with their cohorts, that a run can count."""
    found: list[tuple[str, str | None]] = [(one, None) for one in OF_RECORDS]
    found += [(one, cohort) for one in OF_MEMBERS for cohort in cohorts]
    return [(one, cohort) for one, cohort in found if whole or one not in ALL_READ]


def usual(kind: str, cohort: str | None, earlier: Sequence[Habit], now: datetime) -> Usual | None:
    """Return what is usual of a kind, None where too few runs tell; ``earlier``: oldest first.

    Where more time than usual went by since the last of them, as after an outage, as much more is not unusual.
    """
    called = name(kind, cohort)
    seen = [one for one in earlier if called in one.counts and (one.whole or kind not in ALL_READ)]
    if len(seen) < FEWEST:
        return None
    counts = sorted(one.counts[called] for one in seen)
    middle = median(counts)
    spread = median(abs(count - middle) for count in counts)
    gap = median((after.at - before.at).total_seconds() for before, after in pairwise(seen))
    late = (now - seen[-1].at).total_seconds() / gap if gap > 0 else 1.0
    allowed = max(middle + WIDTH * spread, SEEN * counts[-2]) * max(late, 1.0)
    return Usual(len(seen), math.ceil(middle), counts[-1], math.ceil(allowed))

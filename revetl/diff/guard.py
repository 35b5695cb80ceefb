"""Guards: what is held back before the first call, and how much of it there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from revetl.diff import habits
from revetl.diff.shape import STATE, Shape
from revetl.sqltext import quote_text
from revetl.types import Habit, Limits, ModelRef, SyncPlan


@dataclass(frozen=True, slots=True)
class Watch:
    """One guard over the changes of a sync: which ones it counts, out of how many, and how many may go."""

    guard: str
    where: str  # SQL over a row ``c`` of changes
    total: str  # SELECT of one number
    limit: Limits
    reason: str
    cohort: str | None = None
    also: str = ""  # SQL over ``c``: what is held together with it (``{held}`` stands for the held keys' table)


def watches(plan: SyncPlan, shape: Shape) -> Sequence[Watch]:
    """Return the guards of a sync; without a snapshot there is nothing to compare with."""
    if not shape.stored:
        return ()
    known = shape.size()
    found = [
        Watch("max_leave", f"c.op = 'leave' AND NOT {habits.again(shape)}", known, plan.guards.max_leave,
              "records would leave", also=_BELONGS["leaves"]),
        Watch("max_change", "c.op = 'upsert' AND c.cause = 'data' AND c.local IS NULL AND c.key IN "
              f"(SELECT key FROM {shape.temp('delta')} WHERE known)", known, plan.guards.max_change,
              "known records would change"),
    ]  # fmt: skip
    for cohort in plan.cohorts:
        members = shape.size(cohort.name)
        stays = f"c.key NOT IN (SELECT key FROM {shape.temp('changes')} WHERE op = 'leave')"
        where = f"c.op = 'part' AND c.cohort = {quote_text(cohort.name)} AND {stays} AND NOT {habits.again(shape)}"
        found.append(
            Watch("max_leave", where, members, cohort.guards.max_leave, f"members would leave {cohort.label}",
                  cohort=cohort.name)
        )  # fmt: skip
    found += [_joined_watch(plan, shape, ref, known) for ref in plan.joined]
    found += [
        _null_watch(plan, shape, slot.ordinal, slot.field, known)
        for slot in shape.slots
        if slot.stored and slot.property
    ]
    return [watch for watch in found if not watch.limit.off]


def _joined_watch(plan: SyncPlan, shape: Shape, ref: ModelRef, known: str) -> Watch:
    """Return the guard over known records that lose their row of a joined model, and all its values with it."""
    ordinals = [slot.ordinal for slot in shape.slots if slot.model == ref.unique_id and slot.stored]
    gone = " AND ".join([f"f{n} IS NULL" for n in ordinals] or ["false"])
    had = " OR ".join([f"b{n} IS NOT NULL" for n in ordinals] or ["false"])
    lost = f"c.op = 'upsert' AND c.key IN (SELECT key FROM {shape.temp('delta')} WHERE known AND {gone} AND ({had}))"
    return Watch("max_leave", lost, known, plan.guards.max_leave, f"records would lose their row of {ref.model}")


def _null_watch(plan: SyncPlan, shape: Shape, ordinal: int, field: str, known: str) -> Watch:
    turned = (
        f"c.op = 'upsert' AND c.key IN (SELECT key FROM {shape.temp('delta')} "
        f"WHERE known AND f{ordinal} IS NULL AND b{ordinal} IS NOT NULL)"
    )
    return Watch("max_null", turned, known, plan.guards.max_null, f"values of {field} would turn null")


def unusual(
    plan: SyncPlan, shape: Shape, counts: Mapping[str, int], earlier: Sequence[Habit], now: datetime
) -> Iterator[Watch]:
    """Yield a guard for each kind of change of which a run has more than is usual."""
    floors = {cohort.name: cohort.guards.unusual for cohort in plan.cohorts}
    labels = {cohort.name: cohort.label for cohort in plan.cohorts}
    for kind, cohort in habits.names(tuple(floors), whole=shape.whole):
        floor = plan.guards.unusual if cohort is None else floors[cohort]
        known = habits.usual(kind, cohort, earlier, now)
        if floor.off or known is None or counts.get(habits.name(kind, cohort), 0) <= known.allowed:
            continue
        where = f"({habits.kind(shape)}) = {quote_text(kind)}"
        where += "" if cohort is None else f" AND c.cohort = {quote_text(cohort)}"
        words = habits.WORDS[kind] + ("" if cohort is None else f" {'of ' if kind == 'joins' else ''}{labels[cohort]}")
        rule = f"{words} (as a rule {known.rule}, at most {known.most} in {known.runs} earlier runs)"
        yield Watch(
            f"unusual_{kind}", where, shape.size(cohort), Limits(floor.share, max(floor.rows or 0, known.allowed)),
            rule, cohort=cohort, also=_BELONGS.get(kind, ""),
        )  # fmt: skip


_BELONGS = {  # what makes no sense without it
    "leaves": "c.op = 'part' AND c.key IN (SELECT key FROM {held})",
    "new": "c.op = 'join' AND c.early IS NOT TRUE AND c.key IN (SELECT key FROM {held})",
}


def hold(shape: Shape, watch: Watch, number: int) -> list[str]:
    """Return statements that collect the guarded keys in ``held``; the caller decides whether they are taken out."""
    return [
        f"CREATE OR REPLACE TEMP TABLE held_{shape.id}_{number} AS SELECT c.key, c.op, c.cohort "
        f"FROM {shape.temp('changes')} c WHERE c.verdict IS NULL AND c.local IS DISTINCT FROM 'handed_over' "
        f"AND ({watch.where})"
    ]


def held_count(shape: Shape, number: int, guard: str) -> str:
    """Return a SELECT of rows, hash and a sample of the held keys.

    The hash names exactly this set of changes, of this sync, held by this guard: what may leave one tool says nothing
    of another.
    """
    about = quote_text(f"{shape.sync} {guard} ")
    return (
        f"SELECT count(*), md5({about} || coalesce(string_agg(key || '/' || op || '/' || coalesce(cohort, ''), ' ' "
        f"ORDER BY key, op, cohort), '')), list(key ORDER BY key)[1:5] FROM held_{shape.id}_{number}"
    )


def take_out(shape: Shape, watch: Watch, number: int) -> list[str]:
    """Return statements that remove held changes, and what belongs to them, from the run."""
    held, changes = f"held_{shape.id}_{number}", shape.temp("changes")
    out = [
        f"DELETE FROM {changes} AS c USING {held} h WHERE h.key = c.key AND h.op = c.op "
        "AND h.cohort IS NOT DISTINCT FROM c.cohort"
    ]
    if watch.also:
        out.append(f"DELETE FROM {changes} AS c WHERE {watch.also.format(held=held)}")
    return out


def refused_subset(shape: Shape, number: int, digest: str) -> str:
    """Return a SELECT of whether every held change is among those of an approved refusal."""
    return (
        f"SELECT count(*) = 0 FROM held_{shape.id}_{number} h ANTI JOIN {STATE}.refused r "
        f"ON r.hash = {quote_text(digest)} AND r.key = h.key AND r.op = h.op "
        "AND r.cohort IS NOT DISTINCT FROM h.cohort"
    )

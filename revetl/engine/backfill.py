"""A backfill takes at most its share of a day's quota: the rest of it waits for the next runs."""

from __future__ import annotations

from dataclasses import replace

from revetl.diff.verdicts import RANKS
from revetl.engine.lanes import Line
from revetl.engine.survey import Survey
from revetl.state.store import Store
from revetl.state.usage import Used, spent
from revetl.types import Cause, Op


def trim(survey: Survey, line: Line, store: Store, used: Used, share: float, now: float) -> Survey:
    """Return the survey with no more backfill than ``share`` of what is left of the smallest quota; the rest stays.

    A backfill is numbered last, so that what is taken out is the end of the sync's changes.
    """
    limits = survey.destination.limits(line.settings)
    quotas = [limit for limit in limits if limit.kind == "quota" and limit.default_cost]
    action = survey.destination.actions.get(Op.UPSERT)
    if not quotas or action is None:
        return survey
    left = min(limit.allowance - spent(used, line.lane.account, limit, now) for limit in quotas)
    action = action.for_many(survey.preview.changes)
    rows = int(left * share / action.calls(action.max_records)) * action.max_records
    table, last = survey.shape.temp("changes"), RANKS[Cause.MAPPING]
    cut = store.one(f"SELECT seq FROM {table} WHERE rank = {last} ORDER BY seq LIMIT 1 OFFSET {rows}")
    if cut is None:
        return survey
    gone = int(store.one(f"SELECT count(*) FROM {table} WHERE seq >= {cut}"))
    store.con.execute(f"DELETE FROM {table} WHERE seq >= {cut}")
    note = f"{gone} changes of the backfill wait: it may take {share:.0%} of the quota that is left today"
    preview = replace(survey.preview, notes=(*survey.preview.notes, note))
    return replace(survey, preview=preview, span=(survey.span[0], cut - 1), trimmed=gone)

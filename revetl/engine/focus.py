"""A question about one field or one cohort of a key, within ``why``. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from revetl.engine.reasons import Case, Reason, pressing
from revetl.engine.times import moment
from revetl.state.flowlog import Flow
from revetl.types import Op, SyncPlan


@dataclass(frozen=True, slots=True)
class Focus:
    """``field``: the destination's name of it, or the column's; ``cohort``: the model's name, or its label there."""

    field: str | None = None
    cohort: str | None = None

    def within(self, plan: SyncPlan | None) -> Focus:
        """Return the same question in the names of one sync: its fields, its cohorts' models."""
        if plan is None:
            return self
        fields = {found.property: found.field for found in plan.fields} | {f.field: f.field for f in plan.fields}
        labels = {cohort.label: cohort.name for cohort in plan.cohorts} | {c.name: c.name for c in plan.cohorts}
        return replace(
            self, field=fields.get(self.field or "", self.field), cohort=labels.get(self.cohort or "", self.cohort)
        )

    def about(self, flow: Flow, match_field: str | None) -> bool:
        """Return whether a flow concerns what is asked for; everything does where nothing is asked for."""
        if self.field is None and self.cohort is None:
            return True
        if self.cohort is not None and flow.cohort == self.cohort:
            return True
        renames = flow.op == Op.IDENTITY and self.field == match_field
        return self.field is not None and (renames or self.field in (flow.values or {}))


def focused(case: Case, focus: Focus) -> Reason | None:
    """Return the reason for the field or cohort asked for; None where the key's own reason is the answer."""
    if focus.field is None and focus.cohort is None:
        return None
    if case.at is None and any(True for _ in pressing(case)):
        return None
    return _field(case, focus.field) if focus.field is not None else _cohort(case, focus.cohort or "")


def _field(case: Case, name: str) -> Reason | None:
    found = case.belief.fields.get(name)
    if found is not None:
        return Reason("since", f"{name} stands there since {moment(found.since)} (run {found.run})")
    plan = case.plan
    mapped = {f.field for f in plan.fields} | {c.field for c in plan.constants} if plan is not None else set()
    if name not in mapped:
        return Reason("not_mapped", f"{name} is not mapped in {case.sync}", f"revetl ls -s {case.sync}")
    if not case.belief.there:
        return None
    if case.presence is not None and case.presence.values.get(name, "") is None:
        return Reason("null", f"{name} is null in the model, and a null clears only what was delivered before")
    return Reason("never_carried", f"no delivered change of this key carried {name}")


def _cohort(case: Case, name: str) -> Reason | None:
    stays = [stay for stay in case.belief.memberships if stay.cohort == name]
    if stays and stays[-1].until is None:
        return Reason("member", f"a member of {name} since {moment(stays[-1].since)} (run {stays[-1].run})")
    if stays:
        last = stays[-1]
        left = f"its leave was acknowledged at {moment(last.until)} (run {last.until_run})"
        return Reason("parted", f"a member of {name} from {moment(last.since)}; {left}")
    if name not in {cohort.name for cohort in case.plan.cohorts} if case.plan is not None else False:
        return Reason("not_mapped", f"{name} is no cohort of {case.sync}", f"revetl ls -s {case.sync}")
    if name in case.state.cohorts and case.at is None:
        return Reason("adopted", f"a member of {name}, taken as it stood there")
    found = case.presence
    if found is not None and found.wanted and name not in found.cohorts:
        return Reason("not_in_cohort", f"it is not in {name}, and no run ever made it a member")
    return None

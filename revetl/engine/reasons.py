"""Why a key stands at a destination as it stands, or why nothing was sent: always one reason. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from revetl.engine.belief import Belief
from revetl.engine.presence import Presence
from revetl.engine.times import moment
from revetl.state.flowlog import Flow
from revetl.state.onekey import KeyState
from revetl.types import OnLeave, SyncPlan


@dataclass(frozen=True, slots=True)
class Reason:
    """The end of an answer. ``code`` is stable, for programs; ``hint`` is what to type next."""

    code: str
    text: str
    hint: str = ""


@dataclass(frozen=True)
class Case:
    """Everything that is known about one key of one sync."""

    sync: str
    plan: SyncPlan | None  # None: revetl.yml and meta name the sync no more
    stored: bool  # state knows the sync
    readable: bool  # the state could be read
    flows: Sequence[Flow]  # of the key, oldest first, up to ``at``
    later: Sequence[Flow]  # and after it
    belief: Belief
    state: KeyState
    presence: Presence | None
    stopped: str | None = None  # what held the whole sync in its last run
    at: datetime | None = None
    running: bool = False  # a run holds the state
    pid: int | None = None  # of that run's process
    note: str = ""  # why the models were not asked
    pruned: bool = False  # older flows were taken out of the ledger
    forgotten: datetime | None = None  # since when nothing of the person may be sent


def reason_of(case: Case) -> Reason:
    """Return the reason, the most pressing one of several."""
    if case.forgotten is not None and (case.at is None or case.at >= case.forgotten):
        since = moment(case.forgotten)
        text = f"the person is forgotten since {since}: erased where they were sent, and never sent again"
        return Reason("forgotten", text, "revetl forget KEY --lift lets them be sent again")
    if case.at is not None:
        return _then(case)
    return next(pressing(case), None) or _opted_out(case) or _settled(case)


def _opted_out(case: Case) -> Reason | None:
    if case.state.opted_out is None:
        return None
    since = moment(case.state.opted_out)
    return Reason("opted_out", f"the person opted out there, known since {since}: revetl never brings anybody back")


def _then(case: Case) -> Reason:
    """Return the reason for a moment in the past: the flows alone know."""
    after = case.later[0] if case.later else None
    until = f"; the next change came at {moment(after.time)} (run {after.run})" if after else "; nothing changed since"
    when = moment(case.at)
    if not case.flows:
        if after is not None:
            return Reason("not_yet_sent", f"nothing had been sent by {when}{until}")
        now = next(pressing(case), None) or _settled(case)
        return Reason(now.code, f"nothing was ever sent; now: {now.text}", now.hint)
    last = case.flows[-1]
    if last.outcome in {"delivered", "local"}:
        return Reason("as_of", f"at {when} it stood as run {last.run} had left it at {moment(last.time)}{until}")
    return Reason(last.outcome, f"at {when} a change was not through: {_outcome(last)}{until}")


def _outcome(flow: Flow) -> str:
    what = {
        "rejected": "it had been rejected",
        "unknown": "its outcome was unknown",
        "waiting": "it was waiting",
        "open": "it had no answer yet",
    }.get(flow.outcome, flow.outcome)
    why = ": ".join(part for part in (flow.code, flow.reason) if part)
    return f"{what} since {moment(flow.time)} (run {flow.run})" + (f", {why}" if why else "")


def pressing(case: Case) -> Iterator[Reason]:
    """Yield what keeps the key from being settled, the most pressing first."""
    running = next((flow for flow in reversed(case.flows) if flow.open), None)
    if running is not None:
        yield _open(case, running)
    for refusal in case.state.rejected:
        since = (
            f"rejected since {moment(refusal.since)} ({refusal.attempts} {'try' if refusal.attempts == 1 else 'tries'})"
        )
        again = f"tried again when its value changes, or at {moment(refusal.next_at)}"
        text = f"its {refusal.op} is {since}: {refusal.code}: {refusal.reason}; {again}"
        yield Reason("rejected", text, f"revetl errors --retry -s {case.sync}")
    for doubt in case.state.doubts:
        where = f"in run {doubt.run} is unknown since {moment(doubt.since)}"
        yield Reason("unknown", f"the outcome of its {doubt.op} {where}: the next run sends it again", _again(case))
    yield from _held(case)
    last = case.flows[-1] if case.flows else None
    if last is not None and last.outcome == "waiting":
        yield Reason("waiting", f"{_outcome(last)}; the next run sends it", _again(case))


def _again(case: Case) -> str:
    return f"revetl sync -s {case.sync}"


def _held(case: Case) -> Iterator[Reason]:
    done = max((flow.time for flow in case.flows if flow.outcome == "delivered"), default=None)
    for held in case.state.held:
        if done is None or held.since > done:
            cohort = f" of {held.cohort}" if held.cohort else ""
            yield Reason(
                "held", f"its {held.op}{cohort} is held by guard {held.code} since {moment(held.since)}",
                f"revetl sync -s {case.sync} --approve {held.reason}",
            )  # fmt: skip
            return
    if case.stopped is not None and not _agrees(case):
        yield Reason("held", f"the whole sync is held: {case.stopped}", "revetl status")


def _agrees(case: Case) -> bool:
    """Return whether nothing of the key is left to send, as far as the models were asked."""
    return case.state.known and case.presence is not None and case.presence.wanted and not _differing(case)


def _open(case: Case, flow: Flow) -> Reason:
    how = f"is running{f' (pid {case.pid})' if case.pid else ''}" if case.running else "never closed"
    answer = {"open": "has no answer yet", "delivered": "is delivered", "local": "needs no call"}.get(
        flow.outcome, f"is {flow.outcome}"
    )
    hint = "revetl status" if case.running else f"revetl sync -s {case.sync} closes it and settles the rest"
    return Reason("open", f"run {flow.run} {how}; its {flow.op} of this key {answer}", hint)


def _settled(case: Case) -> Reason:
    """Return the reason where nothing presses: the model, the sync, or that all is as it should be."""
    if case.state.known or (not case.readable and case.belief.there):
        return next(_wishes(case), None) or _unchanged(case)
    return next(_absent(case), None) or _never(case)


def _absent(case: Case) -> Iterator[Reason]:
    """Yield why no record of it is acknowledged."""
    if case.plan is None:
        yield Reason("not_mapped", f"{case.sync} is not mapped any more", f"revetl retire {case.sync}")
        return
    if case.belief.left is not None:
        yield Reason("left", f"it left the model; settled there at {moment(case.belief.left)}")
    found = case.presence
    if found is not None and not found.in_model:
        yield Reason("not_in_model", f"it is not in {case.plan.base.model}")
    if found is not None and found.excluded_by:
        yield Reason("excluded", f"it is excluded by {', '.join(found.excluded_by)}")
    if found is not None and found.missing_audience:
        yield Reason("not_in_audience", f"it is not in the audience: {', '.join(found.missing_audience)}")
    if (found is None and case.state.unmatched) or (found is not None and not found.has_match):
        yield Reason("unmatched", f"it has no {case.plan.match_property}, by which {case.sync} finds records")


def _never(case: Case) -> Reason:
    if case.readable and not case.stored:
        return Reason("never_synced", f"{case.sync} has never run", f"revetl sync --first {case.sync}")
    if case.presence is not None:
        text = "it came into the model after the last run: the next run sends it"
        return Reason("new", text, _again(case))
    asked = f" ({case.note})" if case.note else ""
    text = f"no run ever sent it: it was in no model or audience of {case.sync} when runs read them{asked}"
    return Reason("never_sent", text)


def _wishes(case: Case) -> Iterator[Reason]:
    """Yield how the models differ now from what was acknowledged."""
    found, again = case.presence, _again(case)
    if case.plan is None:
        text = f"{case.sync} is not mapped any more; what is there stays"
        yield Reason("not_mapped", text, f"revetl retire {case.sync}")
        return
    if found is None:
        return
    ends = "is kept there" if case.plan.on_leave is OnLeave.KEEP else f"gets {case.plan.leaving}"
    then = f"with the next run it {ends}"
    if not found.in_model:
        yield Reason("not_in_model", f"it is not in {case.plan.base.model} any more: {then}", again)
    if found.excluded_by:
        yield Reason("excluded", f"it is excluded by {', '.join(found.excluded_by)} now: {then}", again)
    if found.missing_audience:
        gone = ", ".join(found.missing_audience)
        yield Reason("not_in_audience", f"it is not in the audience any more ({gone}): {then}", again)
    if found.in_model and not found.has_match:
        yield Reason("unmatched", f"it has no {case.plan.match_property} any more: nothing of it is sent")
    if differing := _differing(case):
        what = ", ".join(differing)
        yield Reason("changed", f"the models changed since the last run ({what}): the next run sends it", again)
    for link in case.state.links:
        text = f"delivered, but for its link {link.field}: {link.target} has no record of {link.key} there yet"
        yield Reason("link_waits", text, f"revetl why '{link.key}' --to {link.target}")


def _differing(case: Case) -> tuple[str, ...]:
    found = case.presence
    if found is None or case.plan is None or not case.state.known:
        return ()
    fields = [name for name, value in found.values.items() if value != case.state.values.get(name)]
    return (*fields, *sorted(set(found.cohorts) ^ set(case.state.cohorts)))


def _unchanged(case: Case) -> Reason:
    last = next((flow for flow in reversed(case.flows) if flow.outcome == "delivered"), None)
    if last is None and case.pruned:
        return Reason("pruned", "delivered, and unchanged since; its flows are older than the record is kept")
    if last is None:
        return Reason("adopted", "taken as it stood there; no change of it was sent since")
    return Reason("unchanged", f"delivered, and unchanged since {moment(last.time)} (run {last.run})")

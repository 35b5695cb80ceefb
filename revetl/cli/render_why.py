"""Answers of ``why`` → rich. Personal values are known by their HMAC alone, and shown as dots."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from revetl.cli.render import RUN_ID, hint, note, row, table, title
from revetl.cli.words import clean
from revetl.engine.belief import FieldBelief
from revetl.engine.sealing import hidden
from revetl.engine.times import moment
from revetl.engine.why import Answer, Origin, Step, SyncAnswer
from revetl.types import CONSENT, HIDDEN, JSON


def answer(found: Answer, *, timeline: bool = False) -> Iterator[RenderableType]:
    """Yield what each sync's destination believed, side by side where there are several, and why."""
    if found.at is not None:
        yield Text(f"at {moment(found.at, local=True)} ({moment(found.at)})")
    if timeline:
        yield from _timeline(found)
    else:
        yield from _side_by_side(found)
        for one in found.syncs:
            yield from _sync(one)
    yield from (note(text) for text in found.notes)


def _timeline(found: Answer) -> Iterator[RenderableType]:
    """Yield the flows of all syncs in the order of their times, oldest first."""
    steps = [(step.flow.time, step.flow.seq, one, step) for one in found.syncs for step in one.steps]
    for _, _, one, step in sorted(steps, key=lambda found: found[:2]):
        yield from _step(step, f"{one.sync} {one.key} ")
    if not steps:
        yield Text("nothing was ever sent")


def _side_by_side(found: Answer) -> Iterator[RenderableType]:
    """Yield one table of several destinations: what each believed of the person."""
    known = [one for one in found.syncs if one.belief.fields or one.belief.memberships]
    if len(known) < 2:
        return
    made = table("", *(f"{one.sync} {one.key}" for one in known))
    row(made, "there since", *(moment(one.belief.since) if one.belief.there else "not there" for one in known))
    for name in sorted({name for one in known for name in one.belief.fields}):
        row(made, name, *(shown(one.belief.fields[name]) if name in one.belief.fields else "" for one in known))
    for name in sorted({name for one in known for name in one.belief.cohorts}):
        row(made, name, *("member" if name in one.belief.cohorts else "" for one in known))
    yield made


def _sync(found: SyncAnswer) -> Iterator[RenderableType]:
    yield Text("")
    yield title(f"{found.sync} {found.key or ''}".rstrip())
    yield from _belief(found)
    for step in found.steps:
        yield from _step(step)
    yield Text.assemble(("reason: ", "bold"), clean(found.reason.text))
    if found.reason.hint:
        yield hint(found.reason.hint)


def _belief(found: SyncAnswer) -> Iterator[RenderableType]:
    belief = found.belief
    if not (belief.fields or belief.memberships):
        return
    made = table("field or cohort", "value", "since", "first carried by")
    for name in sorted(belief.fields):
        one = belief.fields[name]
        row(made, name, shown(one), moment(one.since), _origin(found.introduced.get(("field", name))))
    for stay in belief.memberships:
        value = (
            "withdrawn"
            if stay.cohort.startswith(CONSENT)
            else "member"
            if stay.until is None
            else f"member until {moment(stay.until)}"
        )
        first = _origin(found.introduced.get(("cohort", stay.cohort)))
        row(made, stay.cohort, value, moment(stay.since), first, style="" if stay.until is None else "dim")
    yield made


def shown(found: FieldBelief) -> str:
    """Return a field's value as people may see it."""
    return HIDDEN if found.hidden else spelt(found.value)


def spelt(value: JSON) -> str:
    """Return a wire value: text as it is, other values as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _origin(found: Origin | None) -> str:
    if found is None:
        return ""
    return f"commit {found.git_commit[:12]}" if found.git_commit else f"run {found.run[:RUN_ID]}"


def _step(step: Step, whose: str = "") -> Iterator[RenderableType]:
    """Yield one flow: what it was, and what it was made from. A bullet marks what still stood."""
    flow = step.flow
    values = [f"{name}={HIDDEN if hidden(value) else spelt(value)}" for name, value in (flow.values or {}).items()]
    what = ", ".join([*([flow.cohort] if flow.cohort else []), *values])
    outcome = ": ".join(part for part in (flow.outcome, flow.code) if part)
    mark = "•" if step.standing else " "
    head = f"{mark} {moment(flow.time)}  {clean(whose)}{clean(flow.op)} {clean(what)}"
    yield Text(f"{head} ({clean(flow.cause)}): {clean(outcome)}")
    sources = (("commit", step.git_commit), ("dbt", step.dbt_invocation))
    told = [f"{kind} {clean(source[:12])}" for kind, source in sources if source]
    told += [f"{clean(m.model)}{f'.v{clean(m.version)}' if m.version else ''} {m.checksum[:8]}" for m in step.models]
    made = ", ".join(told)
    run = f"{clean(flow.run)}{' (open)' if flow.open else ''}"
    yield Text(f"    run {run}{', ' + made if made else ''}", style="dim")

"""Who is told what of a finished run: only what began or ended since a channel was last told.

A condition of a sync is *failing*, *held*, *rejected* (a share of its rows), *quota* (nearly gone) or *stale*. What a
channel was told stands in state; what it could not be told, it is told by the next run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

from revetl.config import resolve_text
from revetl.config.notify import Channel, EmailSpec, SlackSpec, WebhookSpec
from revetl.engine.ages import built_at, verdict
from revetl.engine.lanes import line_of
from revetl.engine.networking import network
from revetl.engine.session import Session
from revetl.engine.workspace import Workspace
from revetl.errors import ConfigError
from revetl.send import notices
from revetl.state.schema import STATE
from revetl.state.store import Store
from revetl.state.usage import Used, read_usage, spent
from revetl.types import JSON, Problem, RunResult, Severity, SyncPlan, SyncResult

SCHEMA_VERSION = 1
MAX_LINES = 50  # of one notice; more are counted

Condition = tuple[str, str]  # sync, what


@dataclass(frozen=True, slots=True)
class Turn:
    """A condition that began or ended. ``since``: when it was first told, ISO 8601."""

    sync: str
    what: str
    began: bool
    text: str
    since: str


@dataclass(frozen=True)
class Notice:
    """What one channel is told of a run."""

    project: str
    target: str
    run: str
    turns: tuple[Turn, ...]

    def lines(self) -> Iterator[str]:
        """Yield it for people."""
        for turn in self.turns[:MAX_LINES]:
            yield (
                f"{turn.sync}: {turn.what}: {turn.text}"
                if turn.began
                else (f"{turn.sync}: no longer {turn.what} (since {turn.since})")
            )
        if len(self.turns) > MAX_LINES:
            yield f"and {len(self.turns) - MAX_LINES} more"

    @property
    def title(self) -> str:
        """Return one line of how many conditions began and ended."""
        began = sum(turn.began for turn in self.turns)
        return f"revetl {self.project} ({self.target}): {began} began, {len(self.turns) - began} ended"

    def document(self) -> dict[str, JSON]:
        """Return it for programs."""
        changes: list[JSON] = [
            {"sync": t.sync, "what": t.what, "state": "began" if t.began else "ended", "text": t.text, "since": t.since}
            for t in self.turns
        ]
        return {
            "schema_version": SCHEMA_VERSION, "project": self.project, "target": self.target, "run": self.run,
            "changes": changes,
        }  # fmt: skip


def tell(session: Session, result: RunResult) -> tuple[Problem, ...]:
    """Tell every channel what changed with this run; return a warning for each that could not be told.

    A rehearsal tells nobody.
    """
    workspace, store = session.workspace, session.store
    channels = workspace.config.notify.channels
    if not channels or workspace.options.sandbox:
        return ()
    now, told = session.clock(), _told(store)
    found = conditions(workspace, store, result, now)
    syncs = {one.sync for one in result.syncs}
    problems = []
    for channel in channels:
        name = _name(channel)
        mine = {pair: text for pair, text in found.items() if pair[1] in channel.on}
        known = told.get(name, {})
        turns = _turns(mine, known, syncs, now)
        if not turns:
            continue
        notice = Notice(workspace.project.name, workspace.target, result.run, turns)
        fault = deliver(channel, notice, workspace)
        if fault is None:
            told[name] = _after(known, turns)
        else:
            problems.append(_untold(channel, fault))
    store.set_meta("alerts", json.dumps({name: [[*k, v] for k, v in sorted(c.items())] for name, c in told.items()}))
    return tuple(problems)


def _untold(channel: Channel, fault: str) -> Problem:
    what = f"a change of condition could not be told by {channel.type}: {fault}"
    return Problem("RVT-622", what, "the next run tells it; see notify: in revetl.yml", severity=Severity.WARNING)


def _told(store: Store) -> dict[str, dict[Condition, str]]:
    text = store.one(f"SELECT value FROM {STATE}.meta WHERE name = 'alerts'")
    known = json.loads(text) if text else {}
    return {name: {(sync, what): since for sync, what, since in rows} for name, rows in known.items()}


def _name(channel: Channel) -> str:
    """Return what a channel is known by in state: its type and a hash of where it leads, references unresolved."""
    place = f"{channel.host} {channel.to}" if isinstance(channel, EmailSpec) else channel.url
    return f"{channel.type}/{hashlib.sha256(place.encode()).hexdigest()[:12]}"


def _turns(
    found: Mapping[Condition, str], known: Mapping[Condition, str], syncs: Iterable[str], now: datetime
) -> tuple[Turn, ...]:
    ran = set(syncs)
    began = [Turn(*pair, began=True, text=text, since=now.isoformat()) for pair, text in found.items()
             if pair not in known]  # fmt: skip
    ended = [
        Turn(*pair, began=False, text="", since=since)
        for pair, since in known.items()
        if pair[0] in ran and pair not in found
    ]
    return tuple(sorted([*began, *ended], key=lambda turn: (turn.sync, turn.what)))


def _after(known: Mapping[Condition, str], turns: Iterable[Turn]) -> dict[Condition, str]:
    after = dict(known)
    for turn in turns:
        if turn.began:
            after[turn.sync, turn.what] = turn.since
        else:
            del after[turn.sync, turn.what]
    return after


# --- conditions ------------------------------------------------------------------------------------------------------


def conditions(workspace: Workspace, store: Store, result: RunResult, now: datetime) -> Mapping[Condition, str]:
    """Return every condition that holds after a run, with a text for people."""
    plans = {plan.name: plan for plan in workspace.resolved.syncs}
    refused = dict(store.rows(f"SELECT sync, count(*) FROM {STATE}.rejected GROUP BY sync"))
    used, rules = read_usage(store), workspace.config.notify
    found: dict[Condition, str] = {}
    for one in result.syncs:
        if one.error:
            found[one.sync, "failing"] = one.error
        if one.held:
            found[one.sync, "held"] = "; ".join(f"{held.guard}: {held.reason}" for held in one.held)
        count = refused.get(one.sync, 0)
        if one.rows and count / one.rows >= rules.rejected:
            found[one.sync, "rejected"] = f"{count} rejected changes, {one.rows} records; revetl errors {one.sync}"
        if (plan := plans.get(one.sync)) is not None:
            found |= {(one.sync, what): text for what, text in _of_plan(workspace, plan, one, used, now)}
    return found


def _of_plan(
    workspace: Workspace, plan: SyncPlan, one: SyncResult, used: Used, now: datetime
) -> Iterator[tuple[str, str]]:
    age = waited(workspace, plan, one, now)
    if (how := verdict(plan.freshness, age)) is not None and age is not None:
        yield "stale", f"{how}: {age / 60:.0f} minutes from the build of its models to the acknowledgement"
    for name, share in _spent(workspace, plan, used, now.timestamp()):
        if share >= workspace.config.notify.quota:
            yield "quota", f"{share:.0%} of {name} is used"


def waited(workspace: Workspace, plan: SyncPlan, one: SyncResult, now: datetime) -> float | None:
    """Return the seconds from build to acknowledgement, up to now where something is still to be sent; None: none."""
    if one.waiting or one.unknown or one.held or one.error:
        return max(0.0, (now - built_at(workspace, plan)).total_seconds())
    return one.lag.p95 if one.lag else None


def _spent(workspace: Workspace, plan: SyncPlan, used: Used, now: float) -> Iterator[tuple[str, float]]:
    destination = workspace.registry[plan.type]
    try:
        line = line_of(workspace, plan, destination, None)
    except ConfigError:  # it could not run either, which is told as failing
        return
    for limit in destination.limits(line.settings):
        if limit.kind == "quota":
            yield limit.name, spent(used, line.lane.account, limit, now) / limit.allowance


# --- channels --------------------------------------------------------------------------------------------------------


def deliver(channel: Channel, notice: Notice, workspace: Workspace) -> str | None:
    """Tell one channel; return None once it took the notice, else why not."""

    def plain(text: str) -> str:
        return resolve_text(text, workspace.options.env, where=f"notify {channel.type}")

    try:
        if isinstance(channel, SlackSpec):
            return notices.post(plain(channel.url), {"text": _slack(notice)}, way=network(workspace))
        if isinstance(channel, WebhookSpec):
            token = plain(channel.token) if channel.token else None
            return notices.post(plain(channel.url), notice.document(), token, network(workspace))
        return _mailed(channel, notice, plain)
    except ConfigError as error:
        return error.what


def _slack(notice: Notice) -> str:
    """Return the notice as Slack reads text: three characters are escaped (docs.slack.dev, formatting message text)."""
    text = "\n".join([f"*{notice.title}*", *(f"• {line}" for line in notice.lines())])
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _mailed(channel: EmailSpec, notice: Notice, plain: Callable[[str], str]) -> str | None:
    message = EmailMessage()
    message["Subject"] = notice.title
    message["From"] = plain(channel.sender)
    message["To"] = ", ".join(map(plain, channel.to))
    message.set_content("\n".join([*notice.lines(), "", f"run {notice.run}"]))
    login = (plain(channel.user), plain(channel.password)) if channel.user and channel.password else None
    return notices.mail(plain(channel.host), channel.port, channel.tls, login, message)

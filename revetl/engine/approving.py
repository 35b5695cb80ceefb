"""``approve``: a person lets through what a guard holds, up to a number of rows, for a span of time, with a reason."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Sequence
from datetime import timedelta
from difflib import get_close_matches

from pydantic_core import PydanticCustomError

from revetl.config.guards import parse_span
from revetl.engine.session import Clock, open_session, utc_now
from revetl.engine.workspace import Workspace
from revetl.errors import UsageError
from revetl.state.approvals import Approval, Approvals
from revetl.types import Problem, Severity

# What counts rows needs a bound; what stops a whole sync has none.
UNUSUAL = ("unusual_leaves", "unusual_changes", "unusual_new", "unusual_joins", "unusual_parts")
COUNTING = ("max_leave", "max_change", "max_null", *UNUSUAL)
GUARDS = (*COUNTING, "types", "tests", "min_rows", "max_age", "older_manifest", "partial_build", "similar_keys")
# What stops a sync and is released otherwise.
OTHERWISE = {
    "first": "revetl adopt SYNC, or revetl sync --first SYNC",
    "key": "mend the model's key and run dbt build",
    "key_column": "revetl rekey ENTITY --from OLD_COLUMN, or name the key in the model as it was",
    "key_type": "revetl rekey ENTITY, or cast the key in the model to the type it had",
    "relations": "revetl sync -s SYNC --rebase-relations",
    "account": "restore the credentials, or give the other account a target of its own",
}
LONGEST = timedelta(days=30)


def whoami() -> str:
    """Return who runs this process and where: ``user@host``."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no name for this user id, as in some containers
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def span_of(text: str) -> timedelta:
    """Return how long an approval holds: ``90m``, ``24h``, ``7d``.

    Raises:
        UsageError: RVT-862, no span of time, none at all, or longer than 30 days.
    """
    try:
        span = timedelta(seconds=parse_span(text))
    except (PydanticCustomError, OverflowError):
        span = timedelta(0)
    if not timedelta(0) < span <= LONGEST:
        raise UsageError(
            "RVT-862", f"'{text[:20]}' is no span of time for an approval", hint="such as 24h; 30d at most"
        )
    return span


def approve(  # noqa: PLR0913 - what an approval consists of
    workspace: Workspace,
    sync: str,
    guard: str,
    *,
    reason: str,
    up_to: int | None = None,
    span: str = "24h",
    cohort: str | None = None,
    who: str | None = None,
    clock: Clock = utc_now,
) -> Approval:
    """Record an approval; the run that stays within it uses it up.

    Raises:
        UsageError: RVT-862 to RVT-865: span, guard, sync or bound cannot be used.
        TryLater: RVT-502, a run works on the target.
    """
    _check(workspace, sync, guard, up_to, reason, cohort)
    length = span_of(span)
    with open_session(workspace, clock=clock, warehouse=False) as session:
        return session.approvals.add(
            sync, guard, cohort=cohort, up_to=up_to, span=length, who=who or whoami(), reason=reason.strip()
        )


def strange(approvals: Approvals, hashes: Sequence[str]) -> tuple[Problem, ...]:
    """Return a warning for each hash of ``--approve`` by which nothing was refused within a day."""
    return tuple(
        Problem(
            "RVT-867",
            f"--approve {digest[:40]}: nothing that was refused within 24 hours has this hash; it lets nothing through",
            "`revetl plan` shows what is held, with its hash",
            severity=Severity.WARNING,
        )
        for digest in hashes
        if not approvals.known(digest)
    )


def _check(workspace: Workspace, sync: str, guard: str, up_to: int | None, reason: str, cohort: str | None) -> None:
    if guard in OTHERWISE:
        raise UsageError("RVT-863", f"{guard} is not released by an approval", hint=OTHERWISE[guard])
    if guard not in GUARDS:
        raise UsageError("RVT-863", f"there is no guard {guard[:40]}", hint=_near(guard, GUARDS))
    plans = {plan.name: plan for plan in workspace.resolved.syncs}
    if sync not in plans:
        raise UsageError("RVT-864", f"there is no sync {sync[:80]}", hint=_near(sync, tuple(plans)))
    cohorts = tuple(found.name for found in plans[sync].cohorts)
    if cohort is not None and cohort not in cohorts:
        raise UsageError("RVT-864", f"{sync} has no cohort {cohort[:80]}", hint=_near(cohort, cohorts))
    if guard in COUNTING and up_to is None:
        raise UsageError("RVT-865", f"{guard} counts rows: say how many may go", hint="--up-to ROWS")
    if not reason.strip():
        raise UsageError("RVT-865", "an approval needs a reason", hint='--reason "…"')


def _near(word: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else f"one of: {', '.join(known) or 'none'}"

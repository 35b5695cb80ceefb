"""Fields made at destinations on a person's word: ``debug --create-fields``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from random import Random

from revetl.engine import creating, remote
from revetl.engine.debugging import PATIENCE, DebugFinding, Silent
from revetl.engine.lanes import line_of
from revetl.engine.networking import wire_of
from revetl.engine.session import open_session
from revetl.engine.workspace import Options, load
from revetl.errors import RevetlError
from revetl.send.sender import Sender
from revetl.send.wire import Wire
from revetl.state.layout import load_sync


def create_fields(options: Options, wanted: Sequence[DebugFinding], *, wire: Wire | None = None) -> list[DebugFinding]:
    """Make what ``debug`` found missing; return what became of it, sync by sync.

    A sync that ran before must still open the account it belongs to: no field is made in somebody else's.

    Raises:
        RevetlError: the project or the state cannot be used.
    """
    workspace = load(options)
    plans = {plan.name: plan for plan in workspace.resolved.syncs}
    done: list[DebugFinding] = []
    with open_session(workspace, warehouse=False, anew=True) as session, closing(wire or wire_of(workspace)) as line:
        sender = Sender(line, Silent(), random=Random(), deadline=line.monotonic() + PATIENCE)  # noqa: S311 - jitter
        for finding in wanted:
            plan = plans[finding.sync]
            destination, stored = workspace.registry[plan.type], load_sync(session.store, plan.name)
            name = f"{plan.name}: created fields"
            try:
                own = line_of(workspace, plan, destination, None)
                if stored is not None:
                    remote.pin_account(session.store, plan, own, destination, sender, stored)
                context = remote.context_of(plan, own, stored)
                made = creating.make(plan, destination, context, finding.creatable, partial(sender.call, own.lane))
            except RevetlError as error:
                done.append(DebugFinding(name, False, f"{error.what} · {error.kept}", error.hint, error.code))  # noqa: FBT003
                continue
            listed = ", ".join(f"{field.name} ({field.type})" for field in made)
            done.append(DebugFinding(name, True, listed))  # noqa: FBT003
    return done

"""``revetl forget``: a person erased everywhere, and never sent again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from revetl.cli.asking import agreed, yes_option
from revetl.cli.common import Call, common
from revetl.cli.opening import opened, sandbox_option
from revetl.errors import UsageError

if TYPE_CHECKING:
    from revetl.engine.forgetting import Forgotten, Meant
    from revetl.engine.workspace import Workspace


@click.command("forget")
@click.argument("key", required=False)
@common
@sandbox_option
@click.option("--entity", help="Of which entity KEY is a key, where several have it.")
@click.option("--reason", default="", help="Why, for the receipt; write nothing personal here.")
@click.option("--dry-run", is_flag=True, help="Only show where something of the person stands.")
@click.option("--incomplete", is_flag=True, help="Go on although a destination must be seen to by hand.")
@click.option("--resume", is_flag=True, help="Go on with erasures that failed or were interrupted.")
@click.option("--lift", is_flag=True, help="Let the person be sent again.")
@click.option("--list", "listing", is_flag=True, help="Show who is forgotten, by the ids of their tombstones.")
@click.option("--check", type=click.Path(dir_okay=False, path_type=Path), help="Check this receipt's signature.")
@yes_option
def command(call: Call, key: str | None, **given: Any) -> int:
    """Erase a person at every destination that the record names, purge state and record, and never send them again.

    KEY is a key of the model, a composite one as a JSON array ('[4,"eu"]'), or an e-mail address. Exit 1 where
    something is left to do; the receipt says what.
    """
    workspace = opened(call, models=True, sandbox=given["sandbox"])
    if given["check"]:
        return _check(call, workspace, given["check"])
    if given["listing"]:
        return _list(call, workspace)
    if given["resume"]:
        return _forget(call, workspace, None, given)
    if key is None:
        raise UsageError("RVT-100", "say who is meant", kept="nothing was changed", hint="revetl forget KEY")
    return _lift(call, workspace, key, given) if given["lift"] else _ask(call, workspace, key, given)


def _ask(call: Call, workspace: Workspace, key: str, given: dict[str, Any]) -> int:
    """Show who is meant and where they stand; forget them once somebody agreed.

    Raises:
        UsageError: RVT-857, not everything can be done from here; RVT-804, nobody can be asked.
    """
    from revetl.cli import render_forget
    from revetl.engine.forgetting import look, meant

    who = (meant if given["dry_run"] else look)(workspace, key, given["entity"])
    if given["dry_run"]:
        call.screen.show(*render_forget.preview(who))
        call.screen.document("forget", dry_run=True, exit_code=0, **_meant(who))
        return 0
    call.screen.say("\n".join(render_forget.lines(who)))
    by_hand = sorted({place.sync for place in who.places if place.how != "open"})
    if by_hand and not given["incomplete"]:
        raise UsageError(
            "RVT-857", f"not everything can be done from here: {', '.join(by_hand)}", kept="nothing was changed",
            hint=f"revetl forget --dry-run {key} says why; --incomplete goes on with the rest",
        )  # fmt: skip
    if not agreed(call, "Erase all of it, for good?", yes=given["yes"], kept="nothing was changed"):
        return 0
    return _forget(call, workspace, who, given)


def _meant(who: Meant) -> dict[str, Any]:
    keys = [{"sync": one.sync, "key": one.key, "sent": one.sent} for one in who.found]
    since = who.stone.at if who.stone else None
    return {"keys": keys, "places": who.places, "forgotten_since": since, "notes": who.notes}


def _forget(call: Call, workspace: Workspace, who: Meant | None, given: dict[str, Any]) -> int:
    from revetl.cli import render_forget
    from revetl.engine.approving import whoami
    from revetl.engine.forgetting import forget

    done = forget(workspace, who, by=whoami(), reason=given["reason"])
    code = 0 if all(one.complete for one in done) else 1
    for one in done:
        call.screen.show(*render_forget.forgotten(one))
    if not done:
        call.screen.say("no erasure is unfinished")
    call.screen.document("forget", forgotten=[_told(one) for one in done], exit_code=code)
    return code


def _told(one: Forgotten) -> dict[str, Any]:
    return {
        "id": one.id, "complete": one.complete, "destinations": one.places, "purged": one.purged,
        "receipt": one.receipt, "notes": one.notes,
    }  # fmt: skip


def _lift(call: Call, workspace: Workspace, key: str, given: dict[str, Any]) -> int:
    from revetl.engine.forgetting import lift

    kept = "nothing was changed"
    if not agreed(call, "Let the person be sent again?", yes=given["yes"], kept=kept):
        return 0
    done = lift(workspace, key, given["entity"])
    call.screen.say(f"no longer forgotten, the next sync may send them: {', '.join(one.id for one in done)}")
    call.screen.document("forget", lifted=done, exit_code=0)
    return 0


def _list(call: Call, workspace: Workspace) -> int:
    from revetl.cli import render_forget
    from revetl.engine.glimpse import glimpse

    with glimpse(workspace) as seen:
        known = seen.forgotten(workspace.state_dir)
    call.screen.show(*render_forget.stones(known))
    call.screen.document("forget", people=known, exit_code=0)
    return 0


def _check(call: Call, workspace: Workspace, path: Path) -> int:
    from revetl.engine.keyring import keyring
    from revetl.engine.receipts import check_receipt

    found = check_receipt(path, keyring(workspace))
    call.screen.say(f"the receipt of {found['at']} is as it was signed (key {found['signature']['key_id']})")
    call.screen.document("forget", receipt=found, exit_code=0)
    return 0

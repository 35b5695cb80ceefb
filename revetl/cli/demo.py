"""``revetl demo``: the whole job on this machine, told scene by scene."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from revetl.cli.common import Call, voiced

if TYPE_CHECKING:
    from revetl.engine.demo import Scene


@click.command("demo")
@click.option(
    "--dir", "directory", type=click.Path(file_okay=False, path_type=Path), default=Path("revetl-demo"),
    show_default=True, help="Where the project goes: a new or empty directory, or that of an earlier demo.",
)  # fmt: skip
@voiced
def command(call: Call, directory: Path) -> int:
    """Build a small shop with dbt, sync it to stand-ins of Mailchimp and HubSpot, change it, sync again.

    Nothing leaves this machine. Each scene checks that it went as it tells; exit 2 where one did not.
    """
    import os
    import time

    from revetl.cli import render_demo
    from revetl.engine.demo import staged
    from revetl.engine.shop import open_shop

    began = time.monotonic()
    shop = open_shop(directory, dict(os.environ))
    call.screen.show(*render_demo.opening(shop.root))
    told: list[Scene] = []
    with staged(shop, call.screen.say) as story:
        for scene in story.scenes():
            told.append(scene)
            call.screen.show(*render_demo.scene(scene, len(told)))
    _judge(told)
    call.screen.show(*render_demo.ending(directory, told, time.monotonic() - began))
    call.screen.document(
        "demo", directory=str(shop.root), exit_code=0,
        scenes=[{"title": scene.title, "commands": scene.commands, "proofs": scene.proofs} for scene in told],
    )  # fmt: skip
    return 0


def _judge(told: list[Scene]) -> None:
    """Refuse a story that went another way; ``RevetlError`` RVT-874."""
    from revetl.errors import RevetlError

    wrong = [f"{scene.title}: {proof.text}" for scene in told for proof in scene.proofs if not proof.holds]
    if wrong:
        raise RevetlError("RVT-874", f"not so: {'; '.join(wrong)}", kept="the project and its state stand as they are",
                          hint="report it with the output above")  # fmt: skip

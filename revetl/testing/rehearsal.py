"""For the CI of a project that is synced: rehearse it before stand-ins, and look at what they were sent.

with rehearse("shop") as play:
assert play.sync().exit_code == 0
assert "one@post.example.net" in play.records("hubspot.customer")
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from revetl.engine.rehearsing import Rehearsal, SentCall, SentRecord, rehearsal
from revetl.engine.workspace import Options

__all__ = ["Rehearsal", "SentCall", "SentRecord", "rehearse"]


@contextmanager
def rehearse(project: Options | str | PathLike[str] = "") -> Iterator[Rehearsal]:
    """Rehearse a built dbt project for the block: its models, its revetl.yml and its guards, before empty accounts.

    Every destination that names the target is its stand-in, or, where there is none, somebody who accepts everything;
    no secret is needed. Nothing of it is left in the project.

    Raises:
        RevetlError: the project cannot be used.
    """
    options = project if isinstance(project, Options) else Options(project_dir=Path(project))
    with rehearsal(options) as found:
        yield found

"""What the commands that read or mend a target's state share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from revetl.cli.common import Call

if TYPE_CHECKING:
    from revetl.engine.workspace import Workspace

sandbox_option = click.option("--sandbox", is_flag=True, help="The state of rehearsals (sync --sandbox).")


def opened(call: Call, *, models: bool = False, **more: Any) -> Workspace:
    """Return the project of the target whose state is meant.

    Where the target is named, the profile is needed only to ask the ``models``, and may be missing for that.

    Raises:
        ConfigError: neither the command line nor the profile says which target is meant.
    """
    from revetl.engine.workspace import load
    from revetl.errors import ConfigError

    options = call.options(**more)
    if not (options.target or options.env.get("DBT_TARGET")):
        return load(options)
    if not models:
        return load(options, profile=False)
    try:
        return load(options)
    except ConfigError as error:
        call.screen.say(f"the models cannot be asked: {error.what}", code=error.code, level="warn")
        return load(options, profile=False)


def when(text: str | None) -> datetime | None:
    """Return the moment that an option names, in UTC.

    Raises:
        UsageError: RVT-851.
    """
    from revetl.engine.times import parse_moment

    return None if text is None else parse_moment(text, datetime.now(UTC))

"""The options of ``plan`` and ``sync`` that say how much may leave."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from revetl.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])


def read_keys(_: click.Context, __: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Return ``--keys``: one a line of a file or of stdin (``-``), or listed with commas.

    Raises:
        UsageError: RVT-801, it cannot be read or names no key (which must not come to mean all of them).
    """
    if text is None:
        return ()
    try:
        if text == "-":
            found = sys.stdin.read().splitlines()
        elif _is_file(text):
            found = Path(text).read_text(encoding="utf-8").splitlines()
        else:
            found = [text] if text.startswith("[") else text.split(",")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("RVT-801", f"--keys cannot be read: {error}", kept="nothing was sent") from None
    keys = tuple(dict.fromkeys(key.strip() for key in found if key.strip()))
    if not keys:
        raise UsageError("RVT-801", "--keys names no key", kept="nothing was sent", hint="--keys FILE, - or k1,k2")
    return keys


def read_asked(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    """Return ``--keys`` as :func:`read_keys`; those of a file or of stdin are all that is read of the models.

    Raises:
        UsageError: RVT-801, as there.
    """
    context.params["partial"] = text is not None and (text == "-" or _is_file(text))  # one option, two wishes
    return read_keys(context, parameter, text)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long, or a zero byte: no file's name
        return False


def read_span(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    """Return ``--deadline`` in seconds: a number of them, or such as ``90s``, ``20m``, ``2h``.

    Raises:
        UsageError: RVT-801.
    """
    if text is None:
        return None
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    digits, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        found = float(digits) * unit
    except ValueError:
        found = 0.0
    if not 0 < found < 1e9:
        raise UsageError("RVT-801", f"--deadline is no length of time: {text[:40]}", hint="--deadline 20m")
    return found


def canary(function: F) -> F:
    """Give a command the options that narrow a run, and those that say what counts as fine."""
    decorated: Any = function
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--limit", type=click.IntRange(min=1), help="Only the first so many keys of each sync."),
    click.option("--keys", callback=read_asked, metavar="FILE|-|K1,K2",
                 help="Only these keys. From a file or stdin (-), no others are read."),
    click.option("--retry", is_flag=True, help="Send rejected rows again now."),
    click.option("--sandbox", is_flag=True, help="Rehearse: local stand-ins take the place of all destinations."),
    click.option("--results", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
                 help="A further run_results.json."),
    click.option("--rebase-relations", is_flag=True, help="Accept that models moved to another database or schema."),
    click.option("--approve", multiple=True, metavar="HASH", help="Let what this refusal named go, once."),
)  # fmt: skip

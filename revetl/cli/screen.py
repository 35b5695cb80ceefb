"""Where words and results go: stdout holds the result, stderr the words; one console each, colour only where wanted."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import IO

import orjson
from rich.console import Console, RenderableType

from revetl.cli.words import clean
from revetl.types import JSON

SCHEMA_VERSION = 1
_WIDE = 120  # columns, where the output is no terminal and nothing says how wide it is


@dataclass(frozen=True, slots=True)
class Screen:
    """The two consoles of a command and what they are for.

    ``output``: text or json, the form of the result. ``log_format``: text or json, the form of words. ``quiet``: no
    words but errors.
    """

    out: Console
    err: Console
    output: str = "text"
    log_format: str = "text"
    quiet: bool = False
    color: bool = True

    @property
    def wants_json(self) -> bool:
        """Return whether the result is one JSON document."""
        return self.output == "json"

    def show(self, *things: RenderableType) -> None:
        """Write parts of the result; nothing where the result is a document."""
        if not self.wants_json:
            for thing in things:
                self.out.print(thing, soft_wrap=bool(getattr(thing, "no_wrap", False)))

    def paste(self, *texts: RenderableType) -> None:
        """Write text that people copy: no line of it is ever wrapped; nothing where the result is a document."""
        if not self.wants_json:
            for text in texts:
                self.out.print(text, soft_wrap=True)

    def document(self, command: str, **parts: JSON) -> None:
        """Write the result as one document, where that is wanted; dataclasses, paths and sets are fine in it."""
        if not self.wants_json:
            return
        whole = {"schema_version": SCHEMA_VERSION, "command": command, **parts}
        write_bytes(orjson.dumps(whole, default=plain, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS) + b"\n")

    def say(self, text: str, *, code: str = "", level: str = "info", data: JSON = None) -> None:
        """Write words for people, or one log line; warnings and errors also where ``quiet`` is wanted."""
        if self.quiet and level == "info":
            return
        if self.log_format == "json":
            sys.stderr.write(self.line(text, code=code, level=level, data=data) + "\n")
            sys.stderr.flush()
        else:
            self.err.print(clean(text), style={"warn": "yellow", "error": "red"}.get(level, ""), soft_wrap=True)

    def line(self, text: str, *, code: str = "", level: str = "info", data: JSON = None) -> str:
        """Return words as one line in the form that is wanted, without its end."""
        if self.log_format == "text":
            return clean(text)
        from revetl.cli.logs import line

        return line(text, code=code, level=level, data=data)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave the end to the one place where commands end."""
        raise BrokenPipeError


def make_screen(*, output: str = "text", log_format: str = "text", color: bool = True, quiet: bool = False) -> Screen:
    """Return the screen of this process."""
    return Screen(console(sys.stdout, color=color), console(sys.stderr, color=color), output, log_format, quiet, color)


def console(file: IO[str], *, color: bool = True, width: int | None = None) -> Console:
    """Return a console that takes text literally: no markup, no emoji names, nothing guessed to be highlighted.

    NO_COLOR (https://no-color.org) and FORCE_COLOR are honoured by rich; without colour no escape is written at all.
    """
    import os

    plain_wanted = not color or bool(os.environ.get("NO_COLOR"))
    if width is None and not os.environ.get("COLUMNS") and not file.isatty():
        width = _WIDE
    return _Console(
        file=file, markup=False, emoji=False, highlight=False, soft_wrap=False, width=width, no_color=plain_wanted,
        color_system=None if plain_wanted else "auto", legacy_windows=False,
    )  # fmt: skip


def write_bytes(content: bytes) -> None:
    """Write to stdout as UTF-8, whatever the terminal's encoding."""
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.write(content.decode())
    else:
        sys.stdout.flush()
        buffer.write(content)
    sys.stdout.flush()


def plain(value: object) -> JSON:
    """Return what orjson cannot write by itself as something it can."""
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from decimal import Decimal
    from pathlib import PurePath

    if isinstance(value, Mapping):
        return {str(key): inner for key, inner in value.items()}
    if isinstance(value, AbstractSet):
        return sorted(value, key=str)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, PurePath | Decimal):
        return str(value)
    raise TypeError(type(value).__name__)

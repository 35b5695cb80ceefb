"""How errors end: a code, what happened, what was kept, what to type next; never a traceback on the screen."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from revetl.cli.screen import Screen, make_screen
from revetl.cli.words import clean
from revetl.errors import RevetlError, UsageError

INTERRUPTED = 130  # 128 + SIGINT
_ELSEWHERE = {  # options that dbt and other tools have, and what does that here
    "--dry-run": "revetl plan shows what would leave, and sends nothing",
    "--full-refresh": "revetl verify --repair finds what differs there, and lets the next sync send it again",
    "--models": "-s, --select",
}


def report(error: BaseException, words: Sequence[str]) -> int:
    """Say what went wrong and return the exit code; ``words`` is the command line that led here."""
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        sys.stderr.write("stopped\n")
        return INTERRUPTED
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    found = understood(error, words)
    show(found, _screen(words), next((word for word in words if not word.startswith("-")), ""))
    return found.exit_code


def understood(error: BaseException, words: Sequence[str]) -> RevetlError:
    """Return any error as one of ours; one that nobody foresaw leaves its traceback in a file."""
    if isinstance(error, RevetlError):
        return error
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "revetl"
        hint = _ELSEWHERE.get(getattr(error, "option_name", ""), f"{path} --help")
        return UsageError("RVT-100", error.format_message().rstrip("."), hint=hint)
    where = write_traceback(error, project_dir(words))
    what = f"something unexpected happened inside revetl: {type(error).__name__}: {error}"
    kept = "what was sent is recorded; the same command may be run again"
    hint = f"report it with {where}" if where else "report it"
    return RevetlError("RVT-899", clean(what, 300), kept=kept, hint=hint)


def show(error: RevetlError, screen: Screen, command: str) -> None:
    """Write an error to stderr, and as the result's document where one is wanted."""
    parts = {"code": error.code, "what": error.what, "kept": error.kept, "hint": error.hint}
    screen.document(command, error=parts, exit_code=error.exit_code)
    if screen.log_format == "json":
        screen.say(str(error), code=error.code, level="error", data=parts)
        return
    from rich.text import Text

    head = Text.assemble((f"error[{error.code}]", "bold red"), " ", clean(error.what))
    screen.err.print(head, soft_wrap=True)
    for label, text in (("kept", error.kept), ("hint", error.hint)):
        if text:
            screen.err.print(Text.assemble((f"{label}: ", "bold"), clean(text)), soft_wrap=True)


def write_traceback(error: BaseException, root: Path) -> Path | None:
    """Write the traceback below the project's ``.revetl/logs/``, for its owner alone; return where.

    Where there is no project it goes to the system's temporary directory; None where it cannot be written.
    """
    from revetl.state.files import replace_file

    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}.log"
    try:
        path = _logs(root) / name
        replace_file(path, "".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace"))
    except (OSError, RevetlError):  # the disk may be what failed; the message still comes
        return None
    return path


def _logs(root: Path) -> Path:
    from revetl.state.files import private_directory

    if not (root / "dbt_project.yml").is_file():
        return Path(tempfile.mkdtemp(prefix="revetl-"))
    private_directory(root / ".revetl")
    return private_directory(root / ".revetl" / "logs")


def project_dir(words: Sequence[str]) -> Path:
    """Return the project that a command line is about, also where it could not be understood."""
    from revetl.cli.common import nearest_project

    for word, following in zip(words, (*words[1:], ""), strict=True):
        if word == "--project-dir" and following:
            return Path(following)
        if word.startswith("--project-dir="):
            return Path(word.partition("=")[2])
    return nearest_project(Path.cwd())


def _screen(words: Sequence[str]) -> Screen:
    def said(option: str, value: str) -> bool:
        joined = " ".join(words)
        return f"{option} {value}" in joined or f"{option}={value}" in joined

    return make_screen(
        output="json" if said("--output", "json") else "text",
        log_format="json" if said("--log-format", "json") else "text",
        color="--no-color" not in words,
    )

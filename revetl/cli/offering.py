"""Meta for people's YAML: shown as a diff, asked about, and only then written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.text import Text

from revetl.cli.common import Call
from revetl.cli.words import clean
from revetl.engine.metaedit import UnfitError, diff, with_meta
from revetl.errors import UsageError

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


@dataclass(frozen=True, slots=True)
class Edited:
    """A file of the project as it is and as it would be; ``before`` is empty where there is none yet."""

    path: Path
    shown: str
    before: str
    after: str

    @property
    def diff(self) -> str:
        """Return the change as ``patch -p1`` takes it."""
        return diff(self.before, self.after, self.shown)


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be added to files, and what a person has to add: file, lines, and why."""

    edits: tuple[Edited, ...]
    by_hand: tuple[tuple[str, str, str], ...]

    @property
    def diff(self) -> str:
        """Return all changes as one patch."""
        return "".join(edit.diff for edit in self.edits)


def offer(root: Path, metas: Sequence[tuple[str, str]]) -> Offer:
    """Return the edits that say ``metas`` (file of the project, lines as `revetl init` shows them)."""
    edits: dict[str, Edited] = {}
    by_hand = []
    for file, lines in metas:
        shown = file if file.endswith((".yml", ".yaml")) else str(Path(file).with_suffix(".yml"))
        try:
            edit = edits.get(shown) or _read(root, shown, new=shown != file)
            edits[shown] = Edited(edit.path, shown, edit.before, with_meta(edit.after, lines))
        except UnfitError as error:
            by_hand.append((shown, lines, str(error)))
    changed = tuple(edit for edit in edits.values() if edit.before != edit.after)
    return Offer(changed, tuple(by_hand))


def _read(root: Path, shown: str, *, new: bool) -> Edited:
    """Return a file as it is.

    Raises:
        UnfitError: it lies outside of the project, is not there though it should be, or cannot be read.
    """
    path = root / shown
    if not path.resolve().is_relative_to(root.resolve()):
        raise UnfitError("it lies outside of the project")
    try:
        before = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        if not new:
            raise UnfitError("it is not there") from None
        before = ""
    except (OSError, UnicodeDecodeError):
        raise UnfitError("it cannot be read as UTF-8 text") from None
    return Edited(path, shown, before, before)


def settle(call: Call, found: Offer, *, asks: bool, write: bool) -> bool:
    """Show what would be added, ask, and write it; return whether the files say it now.

    Without anybody to ask, files change only where ``write`` says so.
    """
    for file, lines, why in found.by_hand:
        call.screen.say(f"{file}: {why}; a person has to add the meta", level="warn")
        call.screen.paste(f"add to {file}:", "", lines)
    for edit in found.edits:
        call.screen.paste(*(Text(clean(line), style=_STYLES.get(line[:1], "")) for line in edit.diff.splitlines()))
    if not found.edits:
        return not found.by_hand
    names = ", ".join(edit.shown for edit in found.edits)
    if not write and not (asks and click.confirm(f"Change {names} so?", err=True)):
        how = "left as it is" if asks else "left as it is: --write makes this change, and so does patch -p1"
        call.screen.say(f"{names}: {how}", level="warn")
        return False
    for edit in found.edits:
        _write(edit)
        call.screen.show(f"changed {edit.shown}" if edit.before else f"wrote {edit.shown}")
    return not found.by_hand


def _write(edit: Edited) -> None:
    """Write a file.

    Raises:
        UsageError: RVT-801, it cannot be written; RVT-809, somebody has changed it meanwhile.
    """
    try:
        now = edit.path.read_bytes().decode("utf-8", "replace") if edit.path.exists() else ""
        if now != edit.before:
            raise UsageError(
                "RVT-809", f"{edit.shown} was changed meanwhile", kept="it is as it was left", hint="revetl init again"
            )
        edit.path.write_bytes(edit.after.encode("utf-8"))
    except OSError as error:
        what = f"{edit.shown} cannot be written: {error.strerror}"
        raise UsageError("RVT-801", what, hint="check its rights") from None

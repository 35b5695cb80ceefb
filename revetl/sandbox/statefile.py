"""The file in which a rehearsal lives between processes: the dumps of its stand-ins, readable by their owner alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import orjson

from revetl.errors import StateError
from revetl.sandbox.core import Sandbox
from revetl.types import JSON


def read(path: Path, sandboxes: Iterable[Sandbox]) -> None:
    """Load what ``path`` keeps of ``sandboxes``; a missing file or entry leaves one as it is.

    ``StateError`` RVT-683 where the file is not one of these.
    """
    kept = _kept(path)
    for one in sandboxes:
        if one.name in kept:
            one.load(kept[one.name])


def write(path: Path, sandboxes: Iterable[Sandbox]) -> None:
    """Replace the dumps of ``sandboxes`` in ``path`` at once: a reader sees the old file or the new one.

    What it keeps of others stays: a run of one destination must not empty the accounts of the rest.
    ``StateError`` RVT-683 where the file is not one of these.
    """
    dumped = orjson.dumps({**_kept(path), **{one.name: one.dump() for one in sandboxes}})
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, spare = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(dumped)
            file.flush()
            os.fsync(file.fileno())
        Path(spare).replace(path)
    except BaseException:
        Path(spare).unlink(missing_ok=True)
        raise


def _kept(path: Path) -> dict[str, dict[str, JSON]]:
    try:
        kept = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except orjson.JSONDecodeError as broken:
        kept, why = None, str(broken)
    else:
        why = "it holds no dumps"
    if not isinstance(kept, dict) or not all(isinstance(one, dict) for one in kept.values()):
        hint = f"delete {path} to rehearse from empty accounts"
        raise StateError("RVT-683", f"{path} cannot be read: {why}.", kept="Nothing was loaded.", hint=hint)
    return kept

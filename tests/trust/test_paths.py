"""Names that become directories or files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from revetl.config.specs import is_name, is_target
from revetl.errors import TryLater
from revetl.send.files import parts_of
from revetl.state.lock import holder, locked
from revetl.types.paths import file_name, is_file_name

CLIMBING = [
    "..",
    ".",
    "../x",
    "a/../../b",
    "/etc",
    "a/b",
    "a\\b",
    "c:x",
    "~",
    "",
    " ",
    "a\0",
    "a\n",
    ".hidden",
    "-x",
    "a" * 64,
]


@pytest.mark.parametrize("name", CLIMBING)
def test_names_of_directories_are_plain(name: str) -> None:
    """A target names a directory of state, a sync one of files: neither can climb, hide, or look like an option."""
    assert not is_target(name)
    assert not is_name(name)


DEVICES = ["con", "CON", "Nul", "aux", "prn", "com1", "LPT9", "com0", "nul.x", "con.a.b"]
REFUSED = ["", ".", "..", "a.", "a ", 'a"', "a?", "a*", "a<b", "a>b", "a|b", "a:b", "a/b", "a\\b", "a\n", "aux .x"]
FINE = ["console", "connect", "a.con", "_con", "nulls", "com10", "lpt", "-con-", "dev", "a b", "ä", "+con"]


@pytest.mark.parametrize("name", [*DEVICES, *REFUSED])
def test_what_windows_refuses_is_no_name_of_a_file(name: str) -> None:
    """Devices, whatever follows their first dot, ends that are cut off, and characters: none goes into a path."""
    assert not is_file_name(name)


@pytest.mark.parametrize("name", [*DEVICES, "a.", "a?", "a|b", "a:b", "a\\b", "..", "a\n"])
def test_a_destination_writes_under_no_such_name(name: str) -> None:
    """Where a destination names such a file, the call fails before anything is made."""
    with pytest.raises(ValueError, match=r"Windows refuses|leads out"):
        parts_of(f"folder/{name}/x")


@pytest.mark.parametrize("name", FINE)
def test_what_only_looks_like_it_is_fine(name: str) -> None:
    """Names that only begin or end like a device stay as they are."""
    assert (is_file_name(name), file_name(name), parts_of(f"{name}/x")) == (True, name, (name, "x"))


@pytest.mark.parametrize("name", DEVICES)
def test_a_device_becomes_a_file_that_nothing_else_can_be(name: str) -> None:
    """The sign before it is one that no target, destination or sync may have in its name."""
    assert is_file_name(file_name(name))
    assert not is_target(file_name(name))
    assert not is_name(file_name(name))


@contextmanager
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the lock be taken as on Windows: a byte that one handle has, no other may."""
    taken: set[int] = set()

    def locking(handle: int, mode: int, count: int) -> None:
        assert (mode, count) == (2, 1)
        if taken - {handle}:
            raise PermissionError(13, "Permission denied")
        taken.add(handle)

    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))
        patched.setattr(sys, "platform", "win32")
        yield


def test_the_lock_of_windows_excludes_and_can_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a stand-in of msvcrt: who holds it is told, and the second one is told to try later."""
    path = tmp_path / "lock"
    with windows(monkeypatch), locked(path, "2026-01-01T00:00:00"):
        assert holder(path)["started_at"] == "2026-01-01T00:00:00"
        assert path.stat().st_size < 100
        with pytest.raises(TryLater, match="since 2026-01-01T00:00:00"), locked(path, "later"):
            pass

"""Locks and directories of a state: its owner's alone, and one run's alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from revetl.errors import StateError, TryLater
from revetl.state.files import make_file, private_directory, sha256_of
from revetl.state.lock import holder, locked


def mode(path: Path) -> str:
    """Return the rights on a path."""
    return oct(path.stat().st_mode & 0o777)


def test_a_directory_is_its_owners_alone(tmp_path: Path) -> None:
    """It is made with its parents, and shut where it stood open; one that is shut stays as it is."""
    made = private_directory(tmp_path / "a" / "b")
    assert (mode(made), private_directory(made)) == ("0o700", made)
    made.chmod(0o750)
    assert mode(private_directory(made)) == "0o700"
    made.chmod(0o500)
    assert mode(private_directory(made)) == "0o500"


def test_a_link_is_no_directory(tmp_path: Path) -> None:
    """A link in its place might lead anywhere."""
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(StateError, match="is a symbolic link") as caught:
        private_directory(tmp_path / "link")
    assert caught.value.code == "RVT-501"


def test_another_users_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who owns it could read and change everything in it."""
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(StateError, match="belongs to another user"):
        private_directory(tmp_path / "x")


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    """The well-known digest of nothing, and another one of something."""
    (tmp_path / "empty").touch()
    assert sha256_of(tmp_path / "empty").startswith("e3b0c44298fc1c149afbf4c8996fb924")


def test_one_run_at_a_time(tmp_path: Path) -> None:
    """The second is told who holds the target, and since when; afterwards it is free."""
    path = tmp_path / "lock"
    with locked(path, "2026-11-20T12:00:00.123456"):
        assert holder(path) == {"pid": os.getpid(), "started_at": "2026-11-20T12:00:00.123456"}
        assert mode(path) == "0o600"
        told = rf"\(pid {os.getpid()}, since 2026-11-20T12:00:00 UTC\)"
        with pytest.raises(TryLater, match=told) as caught, locked(path, "later"):
            pass
        assert caught.value.code == "RVT-502"
    with locked(path, "x"):
        assert json.loads(path.read_text()) == {"pid": os.getpid(), "started_at": "x"}


@pytest.mark.parametrize("content", [None, b"", b"[1]", b"{"])
def test_a_lock_that_nobody_can_read_has_no_holder(tmp_path: Path, content: Any) -> None:
    """It is held all the same, by nobody knows whom."""
    if content is not None:
        (tmp_path / "lock").write_bytes(content)
    assert holder(tmp_path / "lock") == {}


def test_a_lock_that_cannot_be_taken_is_no_other_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks is an error of its own, not a wait for somebody."""
    import fcntl

    def no_locks(_handle: int, _how: int) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(OSError, match="not supported"), locked(tmp_path / "lock", "now"):
        pass


@pytest.mark.parametrize("links", [True, False])
def test_a_file_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """Who comes second leaves what is there, also where a file system has no hard links; nothing else stays behind."""
    if not links:
        monkeypatch.setattr(os, "link", Mock(side_effect=PermissionError))
    make_file(tmp_path / "key", b"first")
    make_file(tmp_path / "key", b"second")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"key": b"first"}

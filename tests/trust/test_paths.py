"""Names that become directories or files."""

from __future__ import annotations

import pytest

from revetl.config.specs import is_name, is_target

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

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revetl.cli.words import clean, many, span, spark

HOSTILE = st.text(st.characters(codec="utf-8") | st.sampled_from("\x1b\x9b\r\n\t\u202e\u2066[]0123456789;mHJ:#"))


@given(HOSTILE)
def test_clean_text_moves_no_cursor(text: Any) -> None:
    """Whatever comes in, one line of printable characters goes out, without escapes or turns of direction."""
    safe = clean(text)
    assert not {c for c in safe if unicodedata.category(c) in {"Cc", "Zl", "Zp"} or c in "\u202e\u2066"}


@given(st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="\x1b"), max_size=40))
def test_clean_leaves_ordinary_text_alone(text: Any) -> None:
    """Letters, digits, punctuation and symbols of any script stay as they are."""
    assert clean(text) == text


@pytest.mark.parametrize(
    ("dirty", "safe"),
    [
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("\x1b]8;;http://example.com\x07link\x1b]8;;\x07", "link"),
        ("one\ntwo\r\nthree", "one two  three"),
        ("\x9b2Jgone", "gone"),
        ("abc\u202edcba", "abcdcba"),
    ],
)
def test_clean_by_example(dirty: str, safe: str) -> None:
    """Colours, links, line ends, C1 controls and overrides of direction are taken out."""
    assert clean(dirty) == safe


def test_clean_cuts() -> None:
    """A limit is a number of characters, the last of which says that there was more."""
    assert clean("abcdef", 4) == "abc…"
    assert clean("abcd", 4) == "abcd"


def test_clean_breaks_workflow_commands_in_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    """In GitHub Actions no text from outside can hold a command of either form; elsewhere it stays as it is."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert "::" not in clean("::stop-commands::x")
    assert "##[" not in clean("a ##[error]b")
    assert "::" not in clean(":::::")
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert clean("a::b") == "a::b"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.96, "10.0 s"), (42, "42 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_lengths_of_time(seconds: float, words: Any) -> None:
    """Time is said as people say it."""
    assert span(seconds) == words


def test_counts() -> None:
    """One row, two rows, thousands separated."""
    assert (many(1, "row"), many(0, "row"), many(1234, "entity", "entities")) == ("1 row", "0 rows", "1,234 entities")


@pytest.mark.parametrize(
    ("numbers", "bars"),
    [
        ([], ""),
        ([3], ""),
        ([5, 5, 5], ""),
        ([0, 7], "▁█"),
        ([10, 20, 15], "▁█▅"),
        ([9, 0, 1], "█▁▂"),
        ([1] * 30 + [2], "▁" * 15 + "█"),
    ],
)
def test_a_line_of_bars_shows_how_numbers_went(numbers: list[int], bars: str) -> None:
    """The least is the lowest bar, the most the highest, the newest last; what never changed needs no line."""
    assert spark(numbers) == bars

"""YAML text is read as data: no surprises of type, no bombs, no cleverness."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from revetl.config.yamltext import MAX_BYTES, MAX_DEPTH, read_yaml
from revetl.errors import ConfigError


def read(text: str) -> Any:
    """Return the data alone."""
    return read_yaml(text, path="revetl.yml")[0]


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

Case = tuple[str, str]
# id → (text, a piece of the message)
REFUSED: dict[str, Case] = {
    "bomb": (BOMB, "1 uses an anchor or alias"),
    "alias alone": ("a: *b\n", "1 uses an anchor or alias"),
    "anchor on a key": ("&a x: 1\n", "1 uses an anchor or alias"),
    "python tag": ("a: !!python/object/apply:os.system [ls]\n", "uses the tag"),
    "any tag": ("a:\n  b: !x 1\n", "2 uses the tag '!x'"),
    "str tag": ("a: !!str 1\n", "uses the tag"),
    "deep list": ("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), "nested deeper than 32"),
    "very deep list": ("[" * 100_000, "nest"),  # newer parsers refuse it before the reader does
    "deep mapping": ("".join("  " * n + "a:\n" for n in range(60)), "nested deeper than 32"),
    "two documents": ("a: 1\n---\nb: 2\n", "2 holds more than one document"),
    "list as a key": ("? [a]\n: 1\n", "1 has a key that is not text"),
    "key twice": ("a: 1\nb: 2\na: 3\n", "says a key twice: 'a' in line 3 and line 1"),
    "keys twice, all named": ("a: 1\na: 2\nc:\n  d: 1\n  d: 2\n", "'a' in line 2 and line 1; 'd' in line 5 and line 4"),
    "tab": ("a:\n\tb: 1\n", "2 is not YAML"),
    "open brace": ("a: {b: 1\n", "is not YAML"),
    "nul": ("a: \x00\n", "is not YAML"),
    "too large": ("#" * (MAX_BYTES + 1), "larger than 1,000,000 bytes"),
    "too large in bytes": ("#" + "ü" * (MAX_BYTES // 2), "larger than 1,000,000 bytes"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_refused(case: Case) -> None:
    """Each is one readable error with a code and a line, at once, without expanding anything."""
    text, piece = case
    started = time.perf_counter()
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert caught.value.code == "RVT-102"
    assert piece in caught.value.what
    assert caught.value.hint
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"), ("no", "no"), ("yes", "yes"), ("NO", "NO"), ("true", True), ("False", False), ("null", None),
        ("~", None), ("", None), ("0", 0), ("-7", -7), ("0123", "0123"), ("1_000", "1_000"), ("0x1f", "0x1f"),
        ("12:30", "12:30"), ("2026-01-01", "2026-01-01"), ("1.5", 1.5), ("1e5", "1e5"), (".inf", ".inf"),
        ("9" * 40, "9" * 40), ("9" * 5000, "9" * 5000), ("'1'", "1"), ('"true"', "true"), ("10%", "10%"),
        ("=", "="), ("<<", "<<"),
    ],
)  # fmt: skip
def test_scalars(text: str, value: Any) -> None:
    """A bare word is what it looks like: YAML 1.1's surprises stay text."""
    found = read(f"a: {text}\n")["a"]
    assert (found, type(found)) == (value, type(value))


def test_keys_are_text() -> None:
    """`on`, `1` and `true` as keys are the text that was written."""
    assert read("on: 1\n1: 2\ntrue: 3\n") == {"on": 1, "1": 2, "true": 3}


def test_lines() -> None:
    """Each value's line is known by its path."""
    _, lines = read_yaml("a:\n  b: 1\n  c:\n    - x\n    - y: 2\n", path="p")
    assert {path: lines[path] for path in [("a",), ("a", "b"), ("a", "c", 0), ("a", "c", 1, "y")]} == {
        ("a",): 1,
        ("a", "b"): 2,
        ("a", "c", 0): 4,
        ("a", "c", 1, "y"): 5,
    }


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(plain)
def test_round_trip(value: Any) -> None:
    """What a YAML writer writes in JSON style comes back as it was."""
    text = yaml.safe_dump(value, default_style='"', default_flow_style=True, allow_unicode=True, width=10_000)
    if "!!" not in text:  # the quoted style tags what is not text
        assert read(text) == value


@given(st.text(max_size=200))
def test_any_text_is_data_or_one_error(text: str) -> None:
    """Whatever the text, it is read or refused with RVT-102; nothing else is raised."""
    try:
        read(text)
    except ConfigError as error:
        assert error.code == "RVT-102"

"""Python's search for cycles, put off while a run makes rows."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from revetl.heap import YOUNG, rarely_collected


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """Leave Python's own numbers as they were."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_what_was_set_comes_back() -> None:
    """Within the block cycles are looked for rarely; after it, also after an error, as often as before."""
    gc.set_threshold(600, 9, 8)
    within = []

    def fail() -> None:
        with rarely_collected():
            within.append(gc.get_threshold())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert within == [(YOUNG, 9, 8)]
    assert gc.get_threshold() == (600, 9, 8)


@pytest.mark.parametrize("young", [0, YOUNG * 2])
def test_who_looks_more_rarely_still_is_left_alone(young: int) -> None:
    """A host that looks never, or more rarely than we do, keeps its number."""
    gc.set_threshold(young, 9, 8)
    with rarely_collected():
        assert gc.get_threshold() == (young, 9, 8)

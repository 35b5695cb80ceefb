"""Memory while much is made and soon dropped."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 100_000
"""Objects made and not yet dropped at which Python looks for cycles among them; its own number is 700."""


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Look for cycles rarely within the block: rows are made by the thousand, hold no cycles and die by themselves.

    To look as often as Python does by itself took a fifth of the time of a run that sends much, and a tenth of what it
    takes to import a command's modules.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(YOUNG, before[0]) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)

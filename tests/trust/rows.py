"""What a row of the fault table and a row of the promises are made of."""

from __future__ import annotations

import os
from dataclasses import dataclass


def numbered(name: str, default: int) -> range:
    """Return the numbers of the cases to play, by a variable: ``8`` are the first eight, ``8:16`` the eight after them.

    So a long measurement is made in pieces, each of other cases.
    """
    first, colon, last = os.environ.get(name, str(default)).partition(":")
    return range(int(first), int(last)) if colon else range(int(first))


ROUNDS = numbered("REVETL_ROUNDS", 1)  # how often what goes by chance is tried; `make trust` tries more


@dataclass(frozen=True)
class Row:
    """One thing that goes wrong, or that somebody tries, and which tests show what revetl does then."""

    place: str
    fault: str
    does: str
    exits: str  # exit codes, with a slash between them; a dash where no run ends by it
    tests: tuple[str, ...]  # ids: file::test, or file::Class of a suite
    open: str = ""  # what no test shows yet, or what revetl does not do yet


def short(test: str) -> str:
    """Return an id without the folder that all of them begin with."""
    return test.removeprefix("tests/")

"""The whole fault table, and the ids of the tests that it and the promises stand on."""

from __future__ import annotations

from tests.trust.attacks import ATTACKS
from tests.trust.process import PROCESS
from tests.trust.promises import PROMISES
from tests.trust.source import SOURCE
from tests.trust.wire import WIRE

ROWS = (*SOURCE, *WIRE, *PROCESS, *ATTACKS)


def ids() -> list[str]:
    """Return every id once, sorted."""
    return sorted({test for one in (*ROWS, *PROMISES) for test in one.tests})


if __name__ == "__main__":
    print("\n".join(ids()))  # noqa: T201 - `make trust` hands them to pytest

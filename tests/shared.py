"""Where tests find what is too large, or not ours, to lie in the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_SHARED = Path(os.environ.get("REVETL_SHARED", ROOT.parent / "shared"))
_SPECS = Path(os.environ.get("REVETL_SPECS", _SHARED / "specs"))


def shared_path(name: str) -> Path:
    """Return a file or folder below ``REVETL_SHARED`` (``specs/…`` below ``REVETL_SPECS``), or skip the test.

    The skip becomes a failure where ``REVETL_NO_SKIP`` is set, as every skip does (``tests/conftest.py``).
    """
    path = _SPECS / name.removeprefix("specs/") if name.startswith("specs/") else _SHARED / name
    if not path.exists():
        pytest.skip(f"no {name}: REVETL_SHARED and REVETL_SPECS name no folder that has it")
    return path

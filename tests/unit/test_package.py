from __future__ import annotations

import subprocess
import sys

import pytest

import revetl


def test_importing_the_package_loads_nothing_else() -> None:
    """``import revetl`` loads no other module of ours and no library; names of the API load when they are used."""
    code = (
        "import __future__, sys, typing\nbefore = set(sys.modules)\nimport revetl\n"
        "print(sorted(set(sys.modules) - before - {'revetl'}), 'plan' in dir(revetl))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[] True"


def test_every_name_of_the_api_is_there() -> None:
    """Each name of ``__all__`` loads; a name that is none says so as Python does."""
    assert all(getattr(revetl, name) is not None for name in revetl.__all__)
    assert revetl.errors.TryLater.exit_code == 4
    with pytest.raises(AttributeError, match="plam"):
        _ = revetl.plam

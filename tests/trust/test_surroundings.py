"""What a command is surrounded by: a locale that knows no letters beyond ASCII, and no terminal."""

from __future__ import annotations

import os
import subprocess
import sys


def test_a_locale_without_letters() -> None:
    """Under LC_ALL=C, into a pipe, a command with letters and dashes beyond ASCII in its words ends well."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    env = {**plain, "LC_ALL": "C", "PYTHONPATH": os.environ.get("PYTHONPATH", ".")}
    code = "import sys; sys.argv[1:] = ['explain', 'RVT-5ö9']; from revetl.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=False, timeout=60)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"RVT-805" in done.stderr
    assert b"\x1b" not in done.stderr

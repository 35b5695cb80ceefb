from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.unit.cli.shop import Revetl, Shop


def test_stand_ins_serve_until_they_are_told_to_stop(tmp_path: Path) -> None:
    """One document says where they are; they answer there, and SIGTERM ends them with exit 0 and writes the state."""
    words = [sys.executable, "-c", "from revetl.cli import main; main()", "sandbox", "mailchimp", "--output", "json"]
    state = tmp_path / "accounts.json"
    with subprocess.Popen([*words, "--state", str(state)], stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or lines[-1] != "}\n":
            lines.append(process.stdout.readline())
            assert lines[-1], "it ended before it listened"
        told = json.loads("".join(lines))
        assert list(told["origins"]) == ["mailchimp"]
        assert httpx.get(f"{told['origins']['mailchimp']}/3.0/ping", timeout=10).status_code in {200, 401}
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert "mailchimp" in json.loads(state.read_text())


def test_an_unknown_stand_in_is_refused(revetl: Revetl, shop: Shop) -> None:
    """The error names the stand-ins that there are."""
    done = revetl("sandbox", "mailshrimp")
    assert done.exit_code == 2
    assert "mailchimp" in done.stderr

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared import ROOT
from tests.unit.cli.shop import Revetl, Shop

MAIN = "import sys; from revetl.cli import main; sys.argv[0] = 'revetl'; main()"


def complete(where: Path, words: str, **more: str) -> list[str]:
    """Return what bash would be offered for the last of ``words``."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "_REVETL_COMPLETE": "bash_complete"}
    env |= {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)} | more
    done = subprocess.run(
        [sys.executable, "-c", MAIN], cwd=where, env=env, capture_output=True, text=True, check=True, timeout=60
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_names_are_completed(revetl: Revetl, shop: Shop) -> None:
    """Commands, options, syncs and destinations (as the last check left them), types and codes."""
    assert revetl("check").exit_code == 0
    assert complete(shop.root, "revetl sy") == ["sync"]
    assert complete(shop.root, "revetl sync --fi") == ["--first"]
    assert complete(shop.root, "revetl plan -s ma") == ["mailchimp", "mailchimp.customer"]
    assert complete(shop.root, "revetl adopt mailchimp.") == ["mailchimp.customer"]
    assert complete(shop.root, "revetl init --destination hub") == ["hubspot"]
    assert complete(shop.root, "revetl explain rvt-20") == ["RVT-200", "RVT-201", "RVT-202", "RVT-203"]
    (shop.root / "target" / "revetl_flows.json").unlink()
    assert complete(shop.root, "revetl plan -s ma") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(tmp_path: Path, shell: str) -> None:
    """What README says to put into the shell's own file writes a script that names the command."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "_REVETL_COMPLETE": f"{shell}_source"}
    done = subprocess.run(
        [sys.executable, "-c", MAIN], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert "_REVETL_COMPLETE" in done.stdout
    assert f'eval "$(_REVETL_COMPLETE={shell}_source revetl)"' in (ROOT / "README.md").read_text() or shell == "fish"

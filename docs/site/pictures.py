"""The picture in README, as a terminal shows it: ``python -m docs.site.pictures`` runs the demo shop and draws it.

What is drawn is what was printed, colours and all, in 80 columns; nothing is typed in. The file loads nothing.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from revetl.engine.shop import open_shop

PICTURE = Path(__file__).parents[1] / "pictures" / "plan.svg"
COLUMNS = 80
WORDS = ["plan", "-s", "mailchimp.customer"]
_THEME = TerminalTheme(
    (24, 27, 33), (222, 226, 230),
    [(24, 27, 33), (240, 113, 120), (145, 203, 125), (235, 191, 105), (110, 170, 235), (200, 150, 235), (95, 200, 205),
     (222, 226, 230)],
    [(150, 157, 167), (240, 113, 120), (145, 203, 125), (235, 191, 105), (110, 170, 235), (200, 150, 235),
     (95, 200, 205), (255, 255, 255)],
)  # fmt: skip
_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def svg(command: str, printed: str) -> str:
    """Return a terminal's window with a command and what it printed."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "green"), (command, "bold")))
    for line in printed.rstrip("\n").split("\n"):
        console.print(Text.from_ansi(line.rstrip()), soft_wrap=True)
    drawn = console.export_svg(title="", theme=_THEME, unique_id="t")
    return _FONT.sub("", drawn).replace("Fira Code", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono")


def main() -> None:
    """Build the shop, sync it, let a day pass, and draw what is said of the next."""
    env = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    env.pop("NO_COLOR", None)
    PICTURE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        shop = open_shop(Path(folder) / "shop", env)
        shop.dbt("build")
        _said(Path(shop.root), ["sync", "--quiet"], env)
        shop.next_day()
        shop.dbt("build")
        drawn = svg(f"revetl {' '.join(WORDS)}", _said(Path(shop.root), WORDS, env))
    PICTURE.write_text(drawn, encoding="utf-8")


def _said(root: Path, words: list[str], env: dict[str, str]) -> str:
    command = [sys.executable, "-m", "revetl", *words]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode not in {0, 1, 3}:
        raise SystemExit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()

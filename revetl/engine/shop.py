"""The demo's shop: a copy of the dbt project that ships with revetl, in a directory of its own, and what is done to it.

dbt and git are run as programs, in an environment that knows nothing of the user's own dbt, git and revetl settings.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from revetl.errors import UsageError

MARKER = ".revetl-demo"
LEFT_BY_RUNS = frozenset(
    {"target", "logs", "exports", "__pycache__", ".revetl", ".git", ".user.yml", "shop.duckdb", "shop.duckdb.wal"}
)
DBT_SECONDS = 300.0
GIT_SECONDS = 30.0
FIELD = "FAVOURITE"  # a Mailchimp merge tag has at most ten characters
_COLUMN = "      - name: favourite_category"
_LINE = f"        config: {{meta: {{revetl: {{to: {{mailchimp: {FIELD}}}}}}}}}"
MAPPING = Path("models/marts/customers.yml")

Rows = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Day:
    """What happened in the shop overnight, each by the customer's number, and the addresses before and after."""

    refunded: str
    renamed: str
    gone: str
    new: str
    before: Mapping[str, str]
    after: Mapping[str, str]

    @property
    def addresses(self) -> frozenset[str]:
        """Return every address of the four, the old one of the renamed too."""
        four = (self.refunded, self.renamed, self.gone, self.new)
        return frozenset(book[who] for book in (self.before, self.after) for who in four if who in book)


@dataclass(frozen=True, slots=True)
class Build:
    """What one dbt command did: how many nodes and tests of what status. Empty for a command that runs none."""

    command: str
    counts: Mapping[str, int]

    @property
    def fine(self) -> bool:
        """Return whether every model and test went well."""
        return set(self.counts) <= {"success", "pass"}


@dataclass(frozen=True)
class Shop:
    """The shop in its directory, with the programs it needs."""

    root: Path
    env: Mapping[str, str]
    dbt_program: str
    git_program: str | None

    def dbt(self, command: str) -> Build:
        """Run ``dbt build`` or ``dbt parse``.

        Raises:
            UsageError: RVT-871, dbt failed.
        """
        words = [self.dbt_program, "--no-use-colors", command, "--project-dir", ".", "--profiles-dir", "."]
        done = self._run([*words, "--target", "dev"], DBT_SECONDS)
        if done.returncode:
            said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            raise UsageError(
                "RVT-871", f"dbt {command} failed: {' / '.join(said[-4:])[:600] or f'exit {done.returncode}'}",
                kept=f"the project stands in {self.root}",
                hint=f"look at {self.root / 'logs' / 'dbt.log'}, or: pip install --upgrade 'revetl[dbt]'",
            )  # fmt: skip
        return Build(f"dbt {command}", self._counts() if command == "build" else {})

    def _counts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for result in orjson.loads((self.root / "target" / "run_results.json").read_bytes())["results"]:
            counts[result["status"]] = counts.get(result["status"], 0) + 1
        return counts

    def commit(self, message: str) -> str | None:
        """Commit everything; return the commit, None where there is no git."""
        if self.git_program is None:
            return None
        own = (
            "user.name=revetl demo",
            "user.email=demo@example.org",
            "commit.gpgsign=false",
            f"core.hooksPath={os.devnull}",
        )
        git = [self.git_program, *(word for setting in own for word in ("-c", setting))]
        start = [] if (self.root / ".git").exists() else [[*git, "init", "--quiet", "--template="]]
        for words in (*start, [*git, "add", "--all"], [*git, "commit", "--quiet", "--message", message]):
            if self._run(words, GIT_SECONDS).returncode:
                return None
        return self._run([*git, "rev-parse", "HEAD"], GIT_SECONDS).stdout.strip() or None

    def next_day(self) -> Day:
        """Let a day pass in the seeds, and return what it brought."""
        before, refunds = self._seed("raw_customers"), set(self._seed("raw_refunds"))
        done = self._run([sys.executable, "generate.py", "--next-day"], GIT_SECONDS)
        if done.returncode:
            raise UsageError("RVT-873", f"the demo's seeds could not be written: {done.stderr.strip()[-200:]}")
        after, later = self._seed("raw_customers"), self._seed("raw_refunds")
        orders = self._seed("raw_orders")
        (refund,) = {number for number in set(later) - refunds if later[number]["order_id"] in orders}
        (renamed,) = (who for who in set(before) & set(after) if before[who]["email"] != after[who]["email"])
        (gone,), (new,) = set(before) - set(after), set(after) - set(before)
        refunded = orders[later[refund]["order_id"]]["customer_id"]
        books = ({who: row["email"] for who, row in rows.items()} for rows in (before, after))
        return Day(refunded, renamed, gone, new, *books)

    def _seed(self, name: str) -> Rows:
        with (self.root / "seeds" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return {row["id"]: row for row in csv.DictReader(file)}

    def map_property(self) -> str:
        """Add the one line that sends the favourite category to Mailchimp; return it.

        Raises:
            UsageError: RVT-873, the project is not the one that ships with revetl.
        """
        path = self.root / MAPPING
        lines = path.read_text(encoding="utf-8").splitlines()
        places = [number for number, line in enumerate(lines) if line.partition(" #")[0].rstrip() == _COLUMN]
        if len(places) != 1:
            raise UsageError("RVT-873", f"{path} does not describe favourite_category once", hint=_REINSTALL)
        lines[places[0]] = _COLUMN
        lines.insert(places[0] + 1, _LINE)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return _LINE.strip()

    def _run(self, words: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603 - programs found by name, arguments of our own
                words, cwd=self.root, env=dict(self.env), capture_output=True, text=True, check=False, timeout=seconds,
                stdin=subprocess.DEVNULL, encoding="utf-8", errors="replace",
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return subprocess.CompletedProcess(words, 1, "", f"{type(error).__name__}: {error}")


_REINSTALL = "pip install --force-reinstall revetl"


def open_shop(directory: Path, env: Mapping[str, str]) -> Shop:
    """Copy the project into ``directory``, which is new, empty, or an earlier demo's; return the shop in it.

    Raises:
        UsageError: RVT-870 there is no dbt, RVT-872 the directory is somebody else's, RVT-873 there is no project.
    """
    found = {name: value for name, value in env.items() if not name.startswith(("DBT_", "GIT_", "REVETL_"))}
    beside = f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', '')}"
    dbt = shutil.which("dbt", path=beside)
    if dbt is None:
        raise UsageError(
            "RVT-870", "the demo builds a project with dbt, and there is no dbt here",
            kept="nothing was written", hint="pip install 'revetl[dbt]'",
        )  # fmt: skip
    root = _settle(directory.absolute())
    shop = Shop(root, {**found, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}, dbt, shutil.which("git", path=beside))
    (root / ".gitignore").write_text("".join(f"{name}\n" for name in sorted(LEFT_BY_RUNS - {".git"})), encoding="utf-8")
    return shop


def project() -> Path:
    """Return the project to copy: inside an installed package, or beside the package in a checkout.

    Raises:
        UsageError: RVT-873, there is none.
    """
    package = Path(__file__).parents[1]
    for place in (package / "demo_project", package.parent / "dbt_project"):
        if (place / "dbt_project.yml").is_file():
            return place
    raise UsageError("RVT-873", "the demo's dbt project is not part of this installation", hint=_REINSTALL)


def _settle(root: Path) -> Path:
    """Make ``root`` hold a fresh copy of the project and nothing else."""
    source = project()
    if root.is_symlink() or (root.exists() and not root.is_dir()):
        raise _foreign(root, "is not a directory of its own")
    there = {path.name for path in root.iterdir()} if root.exists() else set()
    strange = there - LEFT_BY_RUNS - {MARKER, ".gitignore"} - {path.name for path in source.iterdir()}
    if there and MARKER not in there:
        raise _foreign(root, "is not empty")
    if strange or _used(root):
        raise _foreign(root, f"holds {min(strange)}" if strange else "holds the state of another target")
    if there:
        shutil.rmtree(root)
    shutil.copytree(source, root, ignore=shutil.ignore_patterns(*LEFT_BY_RUNS, "*.duckdb*"), dirs_exist_ok=True)
    (root / MARKER).write_text("`revetl demo` made this directory, and makes it anew when it runs again.\n")
    return root


def _used(root: Path) -> bool:
    """Return whether somebody went on with an earlier demo and pointed it at a real account."""
    state = root / ".revetl"
    return state.is_dir() and any(path.name not in {"dev", "dev-sandbox", "logs"} for path in state.iterdir())


def _foreign(root: Path, why: str) -> UsageError:
    return UsageError("RVT-872", f"{root} {why}", kept="nothing was written there", hint="revetl demo --dir NEW")

"""Who may import whom, and what the pure rooms may not touch."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.architecture.source import PACKAGE, Import, Source, is_ours_or_standard, package, parse
from tests.shared import ROOT

BASE = frozenset({"types", "errors", "contract", "sqltext"})
JOINERS = frozenset(
    {"run", "engine", "cli", "testing", "__main__"}
)  # these know the rooms; the rooms do not know each other
ROOMS: Mapping[str, frozenset[str]] = {
    "__init__": frozenset({"errors", "types", "engine", "run"}),  # names alone, loaded when they are used
    "types": frozenset(),
    "errors": frozenset(),
    "sqltext": frozenset({"types", "errors"}),
    "heap": frozenset(),
    "contract": frozenset({"types", "errors"}),
    "config": BASE,
    "manifest": BASE,
    "mapping": BASE | {"config"},
    "warehouse": BASE,
    "diff": BASE,
    "encode": BASE,
    "send": BASE,
    "state": BASE,
    "destinations": BASE | {"encode"},
    "sandbox": BASE,
    "docs": BASE,
}
ONLY_IN: Mapping[str, frozenset[str]] = {
    "httpx": frozenset({"send"}),
    "openlineage": frozenset({"send"}),
    "opentelemetry": frozenset({"send"}),
    "duckdb": frozenset({"warehouse", "state"}),
    "click": frozenset({"cli"}),
    "rich": frozenset({"cli"}),
    "starlette": frozenset({"sandbox", "testing"}),
    "uvicorn": frozenset({"sandbox", "testing"}),
    "snowflake": frozenset({"warehouse", "state"}),
    "adbc_driver_postgresql": frozenset({"warehouse"}),
    "psycopg": frozenset({"send", "state", "warehouse"}),
}
OPTIONAL = frozenset(
    {
        "adbc_driver_postgresql",
        "cryptography",
        "dbt",
        "hypothesis",
        "openlineage",
        "opentelemetry",
        "psycopg",
        "pytest",
        "requests",
        "snowflake",
    }
)

PURE = frozenset({"types", "contract", "manifest", "mapping", "diff", "encode", "destinations"})
IMPURE_MODULES = frozenset(
    {
        "asyncio",
        "fcntl",
        "getpass",
        "glob",
        "http",
        "http.client",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "platform",
        "random",
        "secrets",
        "select",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib.request",
        "uuid",
    }
)
IMPURE_CALLS = re.compile(
    r"open|input|print|breakpoint|(?:datetime\.)?datetime\.(?:now|utcnow|today)|(?:datetime\.)?date\.today"
    r"|(?:.*\.)?(?:read_text|read_bytes|write_text|write_bytes)"
)


def wrong_rooms(source: Source) -> Iterator[str]:
    """Yield imports of a room that this file may not know."""
    for found in source.imports():
        if found.module.startswith("."):
            yield f"{found}: write the whole name"
        for room in found.rooms:
            inside = room == source.room
            stranger = not (source.room in JOINERS or room in ROOMS.get(source.room, BASE))
            if not inside and (stranger or (room == "cli" and source.room != "__main__")):
                yield f"{found}: {source.room} does not know {room}"
            if room == "testing" and source.room != "testing":
                yield f"{found}: nothing that ships to users leans on what tests need"


def wrong_packages(source: Source) -> Iterator[str]:
    """Yield imports of packages that only some rooms may use."""
    for found in source.imports():
        allowed = ONLY_IN.get(found.top)
        as_type = found.top == "httpx" and source.room == "contract" and found.typing
        if allowed is not None and source.room not in allowed and not as_type:
            yield f"{found}: only in {', '.join(sorted(allowed))}"
        if found.top == "dbt" and not (source.name == "revetl/cli/demo.py" and found.lazy):
            yield f"{found}: dbt is read through its artefacts, and run as a program"


def impurities(source: Source) -> Iterator[str]:
    """Yield what a pure room touches of the world: clock, chance, files, network, environment."""
    for found in source.imports():
        if {found.module, found.top} & IMPURE_MODULES:
            yield f"{found}: {source.room} is pure"
        if found.top == "pathlib" and not (found.names and all(name.startswith("Pure") for name in found.names)):
            yield f"{found}: {source.room} is pure; PurePath opens nothing"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and IMPURE_CALLS.fullmatch(ast.unparse(node.func)):
            yield f"{source.name}:{node.lineno} calls {ast.unparse(node.func)}: {source.room} is pure"


def test_rooms_do_not_know_their_neighbours() -> None:
    """types, errors ← contract ← destinations; rooms know the base alone; nobody but ``python -m`` imports cli."""
    assert [line for source in package() for line in wrong_rooms(source)] == []


def test_every_room_is_known() -> None:
    """A new room is entered in the table above, with what it may import."""
    assert {source.room for source in package()} - set(ROOMS) - JOINERS == set()


def test_packages_stay_in_their_rooms() -> None:
    """httpx only in send, duckdb only where data lie, click and rich only in cli, dbt nowhere."""
    assert [line for source in package() for line in wrong_packages(source)] == []


def test_pure_rooms_touch_nothing() -> None:
    """What a pure room needs of clock, chance, files or environment comes in as an argument."""
    assert [line for source in package() if source.room in PURE for line in impurities(source)] == []


def _declared() -> set[str]:
    """Return the run-time requirements as import names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[><=\[; ]", requirement)[0].lower() for requirement in project["dependencies"]}
    return {{"pyyaml": "yaml"}.get(name, name) for name in names}


def _foreign() -> list[Import]:
    return [found for source in package() for found in source.imports() if not is_ours_or_standard(found.top)]


def test_what_is_imported_is_declared() -> None:
    """Every package that is imported stands in pyproject.toml, and optional ones are imported where needed only."""
    declared = _declared() | {"pydantic_core"}  # comes with pydantic, at the version it pins
    missing = [str(found) for found in _foreign() if found.top not in declared | OPTIONAL]
    eager = [str(f) for f in _foreign() if f.top in OPTIONAL - {"pytest", "hypothesis"} and not (f.lazy or f.typing)]
    assert (missing, eager) == ([], [])


def test_what_one_system_has_is_imported_where_it_is_used() -> None:
    """Modules that are not on every system are no reason for which revetl does not start."""
    ones = {"fcntl", "grp", "msvcrt", "pwd", "resource", "termios", "winreg"}
    assert [str(one) for source in package() for one in source.imports() if one.top in ones and not one.lazy] == []


@pytest.mark.parametrize(
    ("path", "text", "rule"),
    [
        ("diff/x.py", "from revetl.state.store import Store", wrong_rooms),
        ("send/x.py", "from revetl.cli import main", wrong_rooms),
        ("run.py", "def f():\n    import revetl.cli.sync", wrong_rooms),
        ("types.py", "from revetl import errors", wrong_rooms),
        ("mapping/x.py", "from .build import build", wrong_rooms),
        ("engine/x.py", "from revetl.testing.clock import FakeClock", wrong_rooms),
        ("destinations/x.py", "import httpx", wrong_packages),
        ("contract.py", "import httpx", wrong_packages),
        ("engine/x.py", "import duckdb", wrong_packages),
        ("engine/x.py", "def f():\n    from rich.table import Table", wrong_packages),
        ("manifest/x.py", "def f():\n    from dbt.cli.main import dbtRunner", wrong_packages),
        ("cli/demo.py", "import dbt", wrong_packages),
        ("diff/x.py", "import time", impurities),
        ("diff/x.py", "from pathlib import Path", impurities),
        ("diff/x.py", "from urllib.request import urlopen", impurities),
        ("diff/x.py", "at = datetime.now(tz=UTC)", impurities),
        ("diff/x.py", "data = open(path).read()", impurities),
        ("diff/x.py", "text = path.read_text()", impurities),
    ],
)
def test_rules_bite(path: str, text: str, rule: Callable[[Source], Iterator[str]]) -> None:
    """Each rule finds what it forbids."""
    assert len(list(rule(parse(PACKAGE / path, text)))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("contract.py", "if TYPE_CHECKING:\n    import httpx"),
        ("send/x.py", "import httpx\nfrom revetl.contract import Http"),
        ("cli/demo.py", "def f():\n    from dbt.cli.main import dbtRunner"),
        ("engine/x.py", "from revetl import __version__\nfrom revetl.state.store import Store"),
        (
            "diff/x.py",
            "from pathlib import PurePosixPath\nfrom datetime import datetime\nd = datetime.fromisoformat(x)",
        ),
    ],
)
def test_rules_let_pass(path: str, text: str) -> None:
    """No rule forbids what the design allows."""
    source = parse(PACKAGE / path, text)
    touched = impurities(source) if source.room in PURE else ()
    assert [*wrong_rooms(source), *wrong_packages(source), *touched] == []

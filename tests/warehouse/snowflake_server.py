"""A local server that speaks Snowflake's protocol (fakesnow), for the real connector and dbt-snowflake.

It needs another version of the connector than ours, so it lives in an environment of its own, made once below
``.test-envs`` (``REVETL_TEST_ENVS`` names another place). That environment has dbt-snowflake too.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snowflake import connector

from revetl.warehouse.profiles import Profile
from revetl.warehouse.sfaccess import parameters

ROOT = Path(__file__).parents[2]
PROGRAM = Path(os.environ.get("REVETL_SHARED", str(ROOT.parent / "shared"))) / "fakesnow_server.py"
# sqlglot[c]: compiled, it takes four fifths of the time
PACKAGES = ("fakesnow[server]==0.12.1", "sqlglot[c]", "dbt-snowflake>=1.10,<1.13", "orjson")


@dataclass(frozen=True)
class Server:
    """Where it listens, and the environment that has dbt-snowflake."""

    port: int
    python: Path

    @property
    def output(self) -> dict[str, object]:
        """Return a dbt profile's output for it."""
        return {
            "type": "snowflake", "account": "fakesnow", "user": "fake", "password": "canary-sf-2b9",
            "host": "127.0.0.1", "port": self.port, "protocol": "http", "role": "SYSADMIN", "warehouse": "WH",
            "database": "SHOP", "schema": "PUBLIC", "threads": 1,
        }  # fmt: skip

    @property
    def arguments(self) -> dict[str, Any]:
        """Return what the connector is called with; the server knows no roles."""
        return parameters(Profile("shop", "dev", "snowflake", {**self.output, "role": None}, ROOT / "profiles.yml"))

    def run(self, *statements: str) -> list[Any]:
        """Run statements in a session of their own; return the rows of the last."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            con = connector.connect(**self.arguments)
        with con, con.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())


def environment() -> Path:
    """Return the Python of the server's environment; it is made where it is not there."""
    place = Path(os.environ.get("REVETL_TEST_ENVS", str(ROOT / ".test-envs"))) / "snowflake"
    place.parent.mkdir(parents=True, exist_ok=True)
    done, python = place / "done", place / "bin" / "python"
    with (place.parent / "snowflake.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text() != "\n".join(PACKAGES):
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
            _install(python, "-c", str(ROOT / "constraints.txt"), *PACKAGES)
            done.write_text("\n".join(PACKAGES))
    return python


def _install(python: Path, *words: str) -> None:
    """Install by uv, where it is at hand and finds all; else by pip."""
    uv = Path(sys.executable).parent / "uv"
    fast = [str(uv), "pip", "install", "--quiet", "--python", str(python), *words]
    if not uv.exists() or subprocess.run(fast, check=False, capture_output=True).returncode:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *words], check=True, capture_output=True)


@contextmanager
def running() -> Iterator[Server]:
    """Start a server for the block."""
    python = environment()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(
        [str(python), str(PROGRAM), str(port)], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait(port, process)
            yield Server(port, python)
        finally:
            process.kill()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended at once"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server does not listen")

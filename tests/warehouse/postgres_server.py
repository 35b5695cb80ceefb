"""A real Postgres server for tests: Debian's binaries, a cluster of its own in a temporary directory, loopback only."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg


@dataclass(frozen=True)
class Server:
    """Where it listens; the superuser is ``postgres``, with the password ``canary-pg-7f3``."""

    port: int
    database: str = "postgres"

    @property
    def output(self) -> dict[str, object]:
        """Return a dbt profile's output for it."""
        return {
            "type": "postgres", "host": "127.0.0.1", "port": self.port, "user": "postgres", "dbname": self.database,
            "password": PASSWORD, "schema": "public", "threads": 1,
        }  # fmt: skip

    @property
    def variables(self) -> dict[str, str]:
        """Return what tells psql where it is."""
        return {
            "PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "postgres", "PGPASSWORD": PASSWORD,
            "PGDATABASE": self.database,
        }  # fmt: skip

    def run(self, *statements: str) -> None:
        """Run statements on a connection of their own."""
        with self.connected(self.database) as con:
            for statement in statements:
                con.execute(statement.encode())

    def create(self, database: str) -> None:
        """Make an empty database."""
        self.run(f'CREATE DATABASE "{database}"')

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def connected(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """Return a connection, every statement of which commits."""
        return psycopg.connect(self.url(database), autocommit=True)


PASSWORD = "canary-pg-7f3"


def binaries() -> Path | None:
    """Return the directory of initdb and pg_ctl, None where Postgres is not installed."""
    found = shutil.which("initdb")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return Path(found).parent if found else next((place for place in places if (place / "initdb").exists()), None)


@contextmanager
def running() -> Iterator[Server]:
    """Start a server for the block. Postgres refuses to run as root: it becomes the user ``postgres`` then."""
    bin_dir = binaries()
    assert bin_dir is not None, "install Postgres: apt-get install postgresql"
    root = Path(tempfile.mkdtemp(prefix="revetl-pg-"))
    root.chmod(0o755)
    prefix: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(root, "postgres")
        prefix = ["runuser", "-u", "postgres", "--"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    secret = root / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)

    def run(tool: str, *words: str) -> None:
        subprocess.run([*prefix, str(bin_dir / tool), "-D", str(root / "data"), *words], check=True, stdout=-3)

    run("initdb", "-A", "scram-sha-256", "-U", "postgres", "--no-sync", f"--pwfile={secret}")
    options = f"-p {port} -k {root} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("pg_ctl", "-o", options, "-w", "-l", str(root / "log"), "start")
    try:
        yield Server(port)
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(root, ignore_errors=True)

"""How the warehouse is reached where revetl.yml says it: in place of profiles.yml's output, whole."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from revetl.engine.workspace import Options, load_connection
from revetl.errors import ConfigError, RevetlError
from revetl.types import Relation
from revetl.warehouse.connection import connect, lockdown
from revetl.warehouse.source import open_source
from tests.warehouse.postgres_server import Server

OWN = """
version: 1
destinations: {hook: {targets: {prod: {url: "https://example.com/in"}}}}
warehouse:
  prod:
    type: postgres
    host: 127.0.0.1
    port: PORT
    user: only_reads
    password: "{{ env_var('READER_PASSWORD') }}"
    dbname: postgres
    schema: public
"""
PASSWORD = {"READER_PASSWORD": "canary-reader-51c2"}
PROFILES = (
    "shop: {target: TARGET, outputs: {dev: {type: duckdb, path: shop.duckdb}, prod: {type: duckdb, path: no.duckdb}}}"
)


def project(root: Path, *, target: str | None = "dev", port: int = 5432) -> Path:
    """Write a project; ``target`` is what profiles.yml chooses, None where there is none."""
    (root / "dbt_project.yml").write_text("name: shop\nprofile: shop\n", encoding="utf-8")
    (root / "revetl.yml").write_text(OWN.replace("PORT", str(port)), encoding="utf-8")
    if target is not None:
        (root / "profiles.yml").write_text(PROFILES.replace("TARGET", target), encoding="utf-8")
    return root


def options(root: Path, target: str | None = None, **env: str) -> Options:
    """Return options of which the environment is all there is."""
    return Options(project_dir=root, profiles_dir=root, target=target, env=env)


def test_a_target_that_is_not_named_goes_as_dbt_goes(tmp_path: Path) -> None:
    """Only the targets that revetl.yml names are its own; the variables of the others are not asked for."""
    found = load_connection(options(project(tmp_path)))
    assert (found.target, found.type, found.path) == ("dev", "duckdb", tmp_path / "profiles.yml")


@pytest.mark.parametrize("named", [True, False])
def test_it_stands_in_place_of_the_profile(tmp_path: Path, named: bool) -> None:
    """Whether the target is named, and no profiles.yml is there, or chosen by it: nothing of its output is left."""
    root = project(tmp_path, target=None if named else "prod")
    found = load_connection(options(root, "prod" if named else None, **PASSWORD))
    assert (found.target, found.type) == ("prod", "postgres")
    assert found.fields["password"] == PASSWORD["READER_PASSWORD"]
    assert "path" not in found.fields
    assert PASSWORD["READER_PASSWORD"] not in repr(found)


def test_a_variable_that_is_missing_is_named(tmp_path: Path) -> None:
    """The password's variable is not set: that is said, and where."""
    with pytest.raises(ConfigError, match="READER_PASSWORD") as refused:
        load_connection(options(project(tmp_path), "prod"))
    assert refused.value.code == "RVT-104"


@pytest.mark.xdist_group("postgres")
def test_a_role_that_may_only_read_is_enough(tmp_path: Path, postgres: Server) -> None:
    """A real server: the models are read as the role of revetl.yml, which can read one model and not the other."""
    postgres.run(
        "CREATE ROLE only_reads LOGIN PASSWORD 'canary-reader-51c2'",
        "CREATE TABLE public.mine (id INTEGER)", "INSERT INTO public.mine VALUES (7)",
        "CREATE TABLE public.theirs (id INTEGER)", "GRANT SELECT ON public.mine TO only_reads",
    )  # fmt: skip
    root = project(tmp_path, target=None, port=postgres.port)
    source = open_source(load_connection(options(root, "prod", **PASSWORD)), root)
    mine, theirs = (Relation("postgres", "public", name) for name in ("mine", "theirs"))
    con: duckdb.DuckDBPyConnection = connect()
    try:
        source.attach(con)
        lockdown(con)
        tables = source.tables(con, [mine, theirs], dict.fromkeys((mine, theirs), frozenset({"id"})))
        assert con.execute(f"FROM {tables.found[mine].name}").fetchall() == [(7,)]
        assert isinstance(tables.missing[theirs], RevetlError)
    finally:
        source.release(con)
        con.close()

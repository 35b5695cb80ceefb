"""A dbt project of any size, made without dbt: its artefacts written by hand, its one model filled by DuckDB."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from revetl.engine.workspace import Options

# name → (DuckDB type, value of row i, value of row i after a change): the width that the targets are stated for
COLUMNS: Mapping[str, tuple[str, str, str]] = {
    "email": ("VARCHAR", "'p' || i || '@example.org'", "email"),
    "first_name": ("VARCHAR", "'First' || (i % 5000)", "first_name"),
    "last_name": ("VARCHAR", "'Last' || (i % 40000)", "last_name"),
    "city": ("VARCHAR", "'City ' || (i % 900)", "city"),
    "plan": ("VARCHAR", "['free', 'basic', 'pro'][1 + i % 3]", "plan"),
    "orders": ("INTEGER", "i % 97", "orders + 1"),
    "revenue": ("DECIMAL(12,2)", "(i % 1000000) / 100.0", "revenue + 1"),
    "score": ("DOUBLE", "(i % 1000) / 8.0", "score + 0.5"),
    "active": ("BOOLEAN", "i % 5 <> 0", "active"),
    "first_order": ("DATE", "DATE '2020-01-01' + CAST(i % 2000 AS INTEGER)", "first_order"),
    "seen_at": ("TIMESTAMPTZ", "TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_seconds(i)", "seen_at"),
}
SCHEMA = "https://schemas.getdbt.com/dbt/manifest/v12.json"
YML = """version: 1
memory_limit: {memory}
send: {{max_in_flight: {in_flight}}}
require_tests: "off"
destinations:
  crm:
    type: {type}
    targets: {{prod: {settings}}}
    syncs:
      people:
        entity: person
        object: {object}
        match: {{{match}}}
        allow_pii: true
        guards: {{max_leave: "off", max_change: "off", max_null: "off", min_rows: 0}}
"""


def _node(name: str, meta: Any, columns: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "unique_id": f"model.bench.{name}", "resource_type": "model", "name": name, "package_name": "bench",
        "original_file_path": f"models/{name}.sql", "patch_path": "bench://models/models.yml",
        "fqn": ["bench", name], "database": "warehouse", "schema": "main", "alias": name,
        "relation_name": f'"warehouse"."main"."{name}"', "config": {"materialized": "table", "meta": meta},
        "columns": columns, "depends_on": {"nodes": []}, "raw_code": "select 1\n" * 200,
        "compiled_code": "select 1\n" * 400,
    }  # fmt: skip


def _column(name: str, to: str | None) -> dict[str, Any]:
    meta: dict[str, Any] = {} if to is None else {"revetl": {"to": {"crm": to}}}
    if name == "email" and to is not None:
        meta["revetl"]["pii"] = "email"
    return {"name": name, "config": {"meta": meta}}


@dataclass(frozen=True)
class Shop:
    """The project in ``root``. ``type``, ``settings``, ``match`` and ``names`` say where its people go, as what."""

    root: Path
    type: str = "webhook"
    object: str = "record"
    settings: str = '{url: "https://hooks.example.org/bench"}'
    match: str = "email: email"
    names: Mapping[str, str] | None = None  # our column → their field; None: all of them, by our names
    env: Mapping[str, str] = field(default_factory=dict)
    memory: str = "2GB"
    in_flight: int = 64
    others: int = 0  # further models, which nobody maps

    @property
    def warehouse(self) -> Path:
        """Return the models' database."""
        return self.root / "warehouse.duckdb"

    @property
    def state(self) -> Path:
        """Return the state's database."""
        return self.root / ".revetl" / "prod" / "state.duckdb"

    def options(self, **more: Any) -> Options:
        """Return how to run it."""
        return Options(project_dir=self.root, profiles_dir=self.root, first=("crm.people",), env=self.env, **more)

    def write(self) -> Shop:
        """Write project, profile, manifest and revetl.yml."""
        profile = {"target": "prod", "outputs": {"prod": {"type": "duckdb", "path": str(self.warehouse)}}}
        (self.root / "target").mkdir(parents=True, exist_ok=True)
        (self.root / "dbt_project.yml").write_text(json.dumps({"name": "bench", "profile": "bench"}))
        (self.root / "profiles.yml").write_text(json.dumps({"bench": profile}))
        yml = YML.format(
            type=self.type, settings=self.settings, object=self.object, match=self.match, memory=self.memory,
            in_flight=self.in_flight,
        )  # fmt: skip
        (self.root / "revetl.yml").write_text(yml)
        (self.root / "target" / "manifest.json").write_text(json.dumps(self._manifest()))
        return self

    def _manifest(self) -> dict[str, Any]:
        names = self.names if self.names is not None else {name: name for name in COLUMNS}
        meta = {"revetl": {"kind": "properties", "entity": "person", "key": "id"}}
        columns = {name: _column(name, names.get(name)) for name in ("id", *COLUMNS)}
        nodes = [_node("people", meta, columns)]
        plain = {f"c{n}": _column(f"c{n}", None) for n in range(12)}
        nodes += [_node(f"other_{n}", {}, plain) for n in range(self.others)]
        metadata = {
            "dbt_schema_version": SCHEMA, "dbt_version": "1.12.0", "generated_at": "2026-03-01T10:00:00Z",
            "invocation_id": "bench", "project_name": "bench", "adapter_type": "duckdb",
        }  # fmt: skip
        by_id = {node["unique_id"]: node for node in nodes}
        return {"metadata": metadata, "nodes": by_id, "sources": {}, "exposures": {}, "disabled": {}, "unit_tests": {}}

    def fill(self, rows: int) -> None:
        """Make the model: ``rows`` people with random keys of 16 hex digits, in random order."""
        values = ", ".join(f"CAST({value} AS {kind}) AS {name}" for name, (kind, value, _) in COLUMNS.items())
        with _open(self.warehouse) as con:
            con.execute(
                f"CREATE OR REPLACE TABLE people AS SELECT md5('key' || i)[:16] AS id, {values} "
                f"FROM range({rows}) t(i) ORDER BY hash(i)"
            )

    def change(self, share: float) -> int:
        """Change that share of the people in three of their columns; return how many."""
        parts = ", ".join(
            f"CAST({after} AS {kind}) AS {name}" for name, (kind, _, after) in COLUMNS.items() if after != name
        )
        with _open(self.warehouse) as con:
            chosen = f"hash(id || 'x') % 10000 < {round(share * 10_000)}"
            count = con.execute(f"SELECT count(*) FROM people WHERE {chosen}").fetchall()[0][0]
            con.execute(
                f"CREATE OR REPLACE TABLE people AS SELECT * FROM people WHERE NOT ({chosen}) UNION ALL "
                f"SELECT * REPLACE ({parts}) FROM people WHERE {chosen}"
            )
        return int(count)

    def deliver(self) -> None:
        """Make the snapshot what a full first sync leaves, without sending: a run of one key made the tables."""
        with _open(self.state) as con:
            con.execute(f"ATTACH '{self.warehouse}' AS source (READ_ONLY)")
            fields = con.execute("SELECT property, ordinal FROM fields ORDER BY ordinal").fetchall()
            columns = ", ".join(f"f{ordinal}" for _, ordinal in fields)
            con.execute("UPDATE fields SET fresh = false")
            con.execute("DELETE FROM snap_1")
            con.execute(
                f"INSERT INTO snap_1 (k0, m, {columns}) SELECT id, email, {', '.join(name for name, _ in fields)} "
                "FROM source.people ORDER BY id"
            )
            con.execute("CHECKPOINT")


@contextmanager
def _open(path: Path) -> Any:
    con = duckdb.connect(str(path), config={"storage_compatibility_version": "v1.4.0"})
    try:
        yield con
    finally:
        con.close()


def scan(shop: Shop) -> str:
    """Return SQL of the yardstick: every column of source and snapshot read and hashed once."""
    source = ", ".join(("id", *COLUMNS))
    return (
        f"SELECT (SELECT count(*) FROM source.people), (SELECT sum(hash({source})) FROM source.people), "
        "(SELECT count(*) FROM state.snap_1), (SELECT sum(hash(*COLUMNS(*))) FROM state.snap_1)"
    )

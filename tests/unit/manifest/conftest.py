"""Small artefacts written by hand, and the real ones where they can be found."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Build = Callable[..., bytes]

SHARED = Path(os.environ.get("REVETL_SHARED", Path(__file__).parents[4] / "shared")) / "manifests"

USERS = {
    "unique_id": "model.shop.users",
    "resource_type": "model",
    "name": "users",
    "package_name": "shop",
    "original_file_path": "models/marts/users.sql",
    "patch_path": "shop://models/schema.yml",
    "fqn": ["shop", "marts", "users"],
    "database": "db",
    "schema": "main",
    "alias": "users",
    "relation_name": '"db"."main"."users"',
    "config": {"materialized": "table", "tags": ["crm"], "meta": {"revetl": {"kind": "properties"}}},
    "columns": {"email": {"name": "email", "data_type": "varchar", "config": {"meta": {"pii": True}, "tags": ["pii"]}}},
    "depends_on": {"nodes": ["seed.shop.raw_users"]},
    "raw_code": "select 1",
}


@pytest.fixture(scope="session")
def manifest() -> Build:
    """Return a builder of a manifest: keywords replace or add keys of its one model, ``top`` keys of the document."""

    def build(top: dict[str, Any] | None = None, dbt: str = "1.12.0", **model: Any) -> bytes:
        document = {
            "metadata": {
                "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
                "dbt_version": dbt,
                "generated_at": "2026-03-01T10:00:00.5Z",
                "invocation_id": "i-1",
                "project_name": "shop",
                "adapter_type": "duckdb",
            },
            "nodes": {"model.shop.users": {**USERS, **model}},
            "sources": {},
            "exposures": {},
            "disabled": {},
            "unit_tests": {},
        }
        return json.dumps({**document, **(top or {})}).encode()

    return build


@pytest.fixture(scope="session")
def run_results() -> Build:
    """Return a builder of run results: (unique id, status, end or None) each; ``args`` and time of writing."""

    def build(
        *results: tuple[str, str, str | None],
        at: str = "2026-03-01T12:00:00Z",
        version: int = 6,
        **args: Any,
    ) -> bytes:
        schema = f"https://schemas.getdbt.com/dbt/run-results/v{version}.json"
        rows = [
            {
                "unique_id": key,
                "status": status,
                "timing": [{"name": "execute", "completed_at": end}] if end else [],
                "message": None,
            }
            for key, status, end in results
        ]
        metadata = {"dbt_schema_version": schema, "generated_at": at, "invocation_id": "i-2"}
        return json.dumps({"metadata": metadata, "results": rows, "args": {"which": "build", **args}}).encode()

    return build


@pytest.fixture(scope="session")
def real() -> Callable[[str], bytes]:
    """Return a reader of real artefacts by the beginning of their name; it skips where they are not at hand."""

    def read(name: str) -> bytes:
        path = SHARED / f"{name}.json.gz"
        if not path.exists():
            pytest.skip(f"no real artefact {name}: REVETL_SHARED names no folder that has it")
        return gzip.decompress(path.read_bytes())

    return read

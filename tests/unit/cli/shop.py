"""A project small enough to read at a glance."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

Revetl = Callable[..., Result]

YML = """
version: 1
destinations:
  mailchimp:
    type: mailchimp
    targets:
      dev: sandbox
      prod: {api_key: "{{ env_var('MC_KEY') }}", list_id: a1}
    syncs:
      customer: {entity: customer, match: {email_address: email}, allow_pii: [email], audience: [subscribers]}
"""


def column(name: str, **revetl: Any) -> dict[str, Any]:
    """Return a column of a manifest; keywords are its revetl meta."""
    return {"name": name, "description": "", "config": {"meta": {"revetl": revetl} if revetl else {}, "tags": []}}


def model(name: str, revetl: dict[str, Any], *columns: dict[str, Any]) -> dict[str, Any]:
    """Return a model of a manifest."""
    return {
        "unique_id": f"model.shop.{name}", "resource_type": "model", "name": name, "package_name": "shop",
        "original_file_path": f"models/{name}.sql", "patch_path": f"shop://models/{name}.yml", "fqn": ["shop", name],
        "database": "shop", "schema": "main", "alias": name, "relation_name": f'"shop"."main"."{name}"',
        "config": {"materialized": "table", "tags": [], "meta": {"revetl": revetl} if revetl else {}},
        "columns": {c["name"]: c for c in columns}, "depends_on": {"nodes": []}, "raw_code": "select 1",
    }  # fmt: skip


def manifest(*models: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest of these models."""
    return {
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "dbt_version": "1.12.0",
            "generated_at": "2026-03-01T10:00:00Z", "invocation_id": "i-1", "project_name": "shop",
            "adapter_type": "duckdb",
        },
        "nodes": {m["unique_id"]: m for m in models}, "sources": {}, "exposures": {}, "disabled": {}, "unit_tests": {},
    }  # fmt: skip


def customers(*columns: dict[str, Any]) -> dict[str, Any]:
    """Return the model that says who exists; further columns may be added."""
    meta = {"kind": "properties", "entity": "customer", "key": "customer_id"}
    email = column("email", pii="email", to={"mailchimp": "email_address"})
    return model("customers", meta, column("customer_id"), email, *columns)


def subscribers() -> dict[str, Any]:
    """Return a cohort that limits the audience."""
    meta = {"kind": "cohort", "entity": "customer", "key": "customer_id", "label": "Subscribers", "to": ["mailchimp"]}
    return model("subscribers", meta, column("customer_id"))


class Shop:
    """A dbt project on disk whose manifest and revetl.yml tests rewrite."""

    def __init__(self, root: Path) -> None:
        """Write a sound project to ``root``."""
        self.root = root
        (root / "dbt_project.yml").write_text("name: shop\nprofile: shop\n")
        profile = "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n"
        (root / "profiles.yml").write_text(profile)
        self.yml(YML)
        self.manifest(customers(column("band", to={"mailchimp": "BAND"})), subscribers())

    def yml(self, text: str) -> None:
        """Write revetl.yml."""
        (self.root / "revetl.yml").write_text(text)

    def manifest(self, *models: dict[str, Any], directory: str = "target") -> Path:
        """Write a manifest; return its directory."""
        (self.root / directory).mkdir(exist_ok=True)
        (self.root / directory / "manifest.json").write_text(json.dumps(manifest(*models)))
        return self.root / directory

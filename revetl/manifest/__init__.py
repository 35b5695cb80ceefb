"""dbt's artefacts, as bytes, turned into the nouns of :mod:`revetl.types`: no file is opened and no clock read here.

The formats are dbt's own JSON schemas (https://schemas.getdbt.com); the versions read are listed where they are read.
"""

from __future__ import annotations

from revetl.manifest.catalog import read_catalog
from revetl.manifest.project import read_manifest
from revetl.manifest.results import read_run_results, read_sources

__all__ = ["read_catalog", "read_manifest", "read_run_results", "read_sources"]

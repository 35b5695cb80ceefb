"""catalog.json → the columns and types that the warehouse had when ``dbt docs generate`` ran."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from revetl.manifest.artifact import read_artifact
from revetl.types import EMPTY

VERSIONS: Final[Mapping[int, str]] = MappingProxyType({1: "dbt 0.19 and later, Fusion"})


def read_catalog(data: bytes, path: str, since: datetime | None = None) -> Mapping[str, Mapping[str, str]]:
    """Return unique id → column → the warehouse's type, names spelt as the warehouse spells them.

    A catalog that was written before ``since``, when the manifest was, says nothing of what that describes.

    Raises:
        ManifestError: RVT-201 if it is no catalog, RVT-202 if its schema version is unknown.
    """
    artifact = read_artifact(data, path, "catalog", VERSIONS)
    if since is not None and artifact.generated_at < since:
        return EMPTY
    body = artifact.body
    found: dict[str, Mapping[str, str]] = {}
    for section in ("nodes", "sources"):
        for key, part in body.parts(section):
            found[key] = {name: column.text("type") for name, column in part.parts("columns")} or EMPTY
    return found

"""Where meta stands, by the version of dbt that wrote the manifest.

Read off manifests of one project written by dbt 1.8, 1.9, 1.10, 1.11, 1.12, 1.12 with its Rust parser, and Fusion:
dbt >= 1.10 keeps ``meta`` and ``config.meta`` of a node equal; 1.8 and 1.9 leave an exposure's ``meta`` empty where
only ``config.meta`` was written, and keep a column's two apart; everything that says it is dbt 2 (Fusion, and the Rust
parser inside core) fills ``column.meta`` with the *model's* meta where the column has none of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from revetl.manifest.part import Part
from revetl.types import JSON, Column

_MAJOR = re.compile(r"\d{1,6}")


def inherits_column_meta(metadata: Part) -> bool:
    """Return whether this manifest's ``column.meta`` may be the model's: dbt 2 and later.

    Raises:
        ManifestError: RVT-201, the manifest does not say which dbt wrote it.
    """
    version = metadata.text("dbt_version")
    major = _MAJOR.match(version)
    if major is None:
        raise metadata.bad(f"{version[:40]!r} is not a version of dbt", "dbt_version")
    return int(major[0]) >= 2


def node_meta(node: Part) -> Mapping[str, JSON]:
    """Return the meta of a node, source or exposure: ``config.meta`` unless empty, else ``meta``.

    Raises:
        ManifestError: RVT-201, it is no object or nested too deep.
    """
    return node.part("config").free("meta") or node.free("meta")


def read_columns(node: Part, *, inherits: bool) -> Mapping[str, Column]:
    """Return the columns that the node's YAML describes, by name.

    Raises:
        ManifestError: RVT-201, a column is not shaped like one.
    """
    columns = (_column(name, part, inherits=inherits) for name, part in node.parts("columns"))
    return {column.name: column for column in columns}


def _column(name: str, part: Part, *, inherits: bool) -> Column:
    config = part.part("config")
    own = config.free("meta")
    return Column(
        name=part.text("name", name),
        data_type=part.maybe("data_type"),
        description=part.text("description"),
        meta=own if own or inherits else part.free("meta"),
        tags=merged_tags(part, config),
    )


def merged_tags(part: Part, config: Part) -> tuple[str, ...]:
    """Return the tags of a node or column, its own and those of its ``config``, each once.

    Raises:
        ManifestError: RVT-201, they are not a list of texts.
    """
    own, inner = part.texts("tags"), config.texts("tags")
    return tuple(dict.fromkeys(own + inner)) if own or inner else ()

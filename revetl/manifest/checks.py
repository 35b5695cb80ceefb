"""dbt's data tests and unit tests, and which model each one guards."""

from __future__ import annotations

import re

from revetl.manifest.part import Part
from revetl.types import Check

_SOURCE_CALL = re.compile(r"source\(\s*'([^']*)'\s*,\s*'([^']*)'\s*\)")


def read_test(unique_id: str, test: Part) -> Check:
    """Return a data test; ``kind`` is ``unique``, ``dbt_utils.at_least_one``, ... or ``singular``.

    Raises:
        ManifestError: RVT-201, it is not shaped like a test.
    """
    metadata = test.part("test_metadata")
    kind = ".".join(filter(None, (metadata.text("namespace"), metadata.text("name")))) or "singular"
    parents = test.part("depends_on").texts("nodes")
    return Check(
        unique_id=unique_id,
        name=test.text("name") or unique_id,
        attached_node=test.maybe("attached_node") or _tested_source(kind, metadata, parents),
        column=test.maybe("column_name"),
        parents=parents,
        severity=test.part("config").text("severity", "error").lower(),
        kind=kind,
    )


def read_unit_test(unique_id: str, test: Part) -> Check:
    """Return a unit test, attached to the model that it names; ``kind`` is ``unit``.

    Raises:
        ManifestError: RVT-201, it is not shaped like a unit test.
    """
    parents = test.part("depends_on").texts("nodes")
    model = test.text("model")
    named = (parent for parent in parents if parent.startswith("model.") and model in parent.split("."))
    return Check(
        unique_id=unique_id,
        name=test.text("name") or unique_id,
        attached_node=next(named, parents[0] if len(parents) == 1 else None),
        column=None,
        parents=parents,
        kind="unit",
    )


def _tested_source(kind: str, metadata: Part, parents: tuple[str, ...]) -> str | None:
    """Return the source that a generic test stands on: dbt attaches tests to nodes only, and a source is none."""
    if kind == "singular":
        return None
    if len(parents) == 1:
        return parents[0]
    call = _SOURCE_CALL.search(metadata.part("kwargs").text("model"))
    ending = f".{call[1]}.{call[2]}" if call else None
    return next((parent for parent in parents if ending and parent.endswith(ending)), None)

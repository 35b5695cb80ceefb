"""A dbt artefact: one JSON document that names its kind and schema version.

Every artefact carries ``metadata.dbt_schema_version`` such as ``https://schemas.getdbt.com/dbt/manifest/v12.json``.
The version does not tell the writer: dbt 1.8 to 1.12 and Fusion all write manifest v12.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from revetl.errors import ManifestError
from revetl.manifest.part import Part, unreadable

_SCHEMA = re.compile(r"/(?P<kind>[a-z-]+)/v(?P<version>\d{1,6})\.json$")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A parsed artefact of a known kind and schema version."""

    path: str
    version: int
    metadata: Part
    body: Part

    @property
    def generated_at(self) -> datetime:
        """Return when dbt wrote it, in UTC.

        Raises:
            ManifestError: RVT-201, the field is missing or no timestamp.
        """
        return instant(self.metadata, "generated_at")


def read_artifact(data: bytes, path: str, kind: str, known: Mapping[int, str]) -> Artifact:
    """Parse ``data`` as an artefact of ``kind`` (manifest, run-results, ...) whose schema version is in ``known``.

    ``known`` maps each version to its writers, for the message.

    Raises:
        ManifestError: RVT-201 if it is not such a document, RVT-202 if its schema version is unknown.
    """
    body = Part(_parse(data, path), path)
    metadata = body.part("metadata")
    schema = metadata.text("dbt_schema_version")
    found = _SCHEMA.search(schema)
    if found is None or found["kind"] != kind:
        raise unreadable(path, "metadata.dbt_schema_version", f"{schema[:120]!r} is not a {kind} of dbt")
    version = int(found["version"])
    if version not in known:
        raise _unknown(path, kind, version, metadata.text("dbt_version"), known)
    return Artifact(path, version, metadata, body)


def instant(part: Part, key: str) -> datetime:
    """Return the ISO 8601 timestamp at ``key`` in UTC; one without an offset is UTC, as dbt writes it.

    Raises:
        ManifestError: RVT-201, it is missing or no timestamp.
    """
    text = part.text(key)
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise part.bad(f"{text[:40]!r} is not a timestamp", key) from error


def _parse(data: bytes, path: str) -> dict[str, object]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        where = f"byte {_offset(data, error.pos)} of {len(data)}"
        raise unreadable(path, where, f"not valid JSON ({error.msg})") from error
    if not isinstance(value, dict):
        raise unreadable(path, "byte 0", "a JSON object belongs here")
    return value


def _offset(data: bytes, characters: int) -> int:
    """Return the byte at which the error stands: the parser counts characters, and none where the UTF-8 is broken."""
    try:
        return len(data.decode()[:characters].encode())
    except UnicodeDecodeError as error:
        return error.start


def _unknown(path: str, kind: str, version: int, writer: str, known: Mapping[int, str]) -> ManifestError:
    supported = ", ".join(f"v{number} ({writers})" for number, writers in sorted(known.items()))
    return ManifestError(
        "RVT-202",
        f"{path} has the schema {kind} v{version}, written by dbt {writer[:40] or 'unknown'}; revetl reads {supported}",
        kept="nothing was sent and state is untouched",
        hint="upgrade revetl, or build with a dbt version listed here",
    )

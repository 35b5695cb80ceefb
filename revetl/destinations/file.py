"""Files in a directory or a bucket: JSON Lines, CSV or Parquet, one file a batch, for whatever picks files up.

Names end in the first and last sequence number of the batch, which only grow: taken in that order, the files replay to
the desired state. Each row has ``_op``, ``_key`` (the key as a JSON array), ``_match``, ``_before_match``, ``_cohort``,
then the fields. An erasure is a file of its own, with rows of ``_op`` = ``erase``: files that were written stay.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Sequence
from enum import StrEnum
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from revetl.contract import (
    Action,
    CohortStyle,
    Context,
    Destination,
    Erase,
    Exchange,
    Object,
    PutFile,
    Reply,
    WireFormat,
)
from revetl.types import JSON, Batch, Change, Erased, OnLeave, Op, Outcome, Person, Proof
from revetl.types.paths import file_name

_OWN = ("_op", "_key", "_match", "_before_match", "_cohort")


class Format(StrEnum):
    """How rows are written."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class FileSettings(BaseModel):
    """Where files go, and in which form.

    A bucket's credentials are those that the environment gives to the clouds' own tools.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    directory: str = Field(
        examples=["exports"],
        description="Made when it is missing. It may be a bucket's prefix: s3://bucket/prefix, gs://bucket.",
    )
    format: Annotated[Format, Field(description="jsonl, csv or parquet.")] = Format.JSONL

    @field_validator("directory")
    @classmethod
    def _must_be_a_path(cls, directory: str) -> str:
        if not directory.strip() or "\0" in directory or ".." in PurePath(directory).parts:
            raise ValueError("directory must be a path without ..")
        scheme, _, rest = directory.partition("://")
        if rest and scheme not in ("file", "s3", "gs"):
            raise ValueError("directory must be a path, s3://bucket/prefix or gs://bucket/prefix")
        if rest and "@" in rest.partition("/")[0]:
            raise ValueError("a bucket's credentials come from the environment, not from its URL")
        return directory


def _prepare(context: Context) -> Generator[Any, Any, dict[str, JSON]]:
    """Return ``{"columns": [...]}``: the same columns in every file of a sync."""
    yield from ()
    return {"columns": sorted(context.fields)}


def _put(batch: Batch) -> Exchange:
    """Write the batch as one file; it is there as a whole or not at all."""
    if not batch.changes:
        return []
    call = _file(batch)
    reply = yield call
    if reply.ok:
        return [Outcome.delivered(change, proof=Proof.ACCEPTED) for change in batch.changes]
    reason = reply.content.decode(errors="replace") or f"{call.path} was not written"
    return [Outcome.waiting(change, code="NOT_WRITTEN", reason=reason) for change in batch.changes]


def _file(batch: Batch) -> PutFile:
    settings: FileSettings = batch.settings
    cohort = f"-{_safe(batch.cohort.name)}" if batch.cohort else ""
    name = f"{batch.op.value}{cohort}-{batch.lo:012d}-{batch.hi:012d}.{settings.format.value}"
    rows = [_row(change, batch) for change in batch.changes]
    columns: tuple[str, ...] = ()
    if settings.format is not Format.JSONL:
        columns = _columns(batch, rows)
    return PutFile(f"{_safe(batch.sync)}/{name}", rows, settings.format.value, columns)


def _safe(name: str) -> str:
    """Return ``name`` as one part of a path, of whatever system."""
    return file_name(re.sub(r"[^A-Za-z0-9_.-]", "_", name).strip(".") or "_")


def _row(change: Change, batch: Batch) -> dict[str, JSON]:
    values = (
        change.op.value if change.op is not Op.LEAVE else f"leave:{batch.on_leave.value}",
        change.key,
        change.match,
        change.before_match,
        batch.cohort.name if batch.cohort else None,
    )
    own = dict(zip(_OWN, values, strict=True))
    return {**own, **change.fields, **own}


def _columns(batch: Batch, rows: list[dict[str, JSON]]) -> tuple[str, ...]:
    known = batch.prepared.get("columns") or ()
    more = sorted({name for row in rows for name in row} - {*known, *_OWN})
    return (*_OWN, *known, *more)


def _erase(context: Context, people: Sequence[Person]) -> Generator[Any, Any, list[Erased]]:
    """Write who is to be erased; the name is made from the people, so that a repeat is the same file."""
    if not people:
        return []
    settings: FileSettings = context.settings
    digest = hashlib.sha256("\n".join(p.identity for p in people).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    rows = [dict(zip(_OWN, ("erase", None, p.identity, None, None), strict=True)) for p in people]
    columns = () if settings.format is Format.JSONL else _OWN
    name = f"{_safe(context.sync)}/erase-{digest}.{settings.format.value}"
    reply: Reply = yield PutFile(name, rows, settings.format.value, columns)
    if not reply.ok:
        reason = reply.content.decode(errors="replace") or f"{name} was not written"
        return [Erased(p.identity, "failed", "NOT_WRITTEN", reason) for p in people]
    return [Erased(p.identity, "archived", "FILES_STAY", "files written before still hold the person") for p in people]


_ACTION = Action(_put, max_records=10_000, proof=Proof.ACCEPTED, max_bytes=16_000_000)

FILE = Destination(
    name="file",
    title="Files",
    settings=FileSettings,
    base_url=lambda settings: settings.directory,
    objects={
        "record": Object(
            match=("id", "*"),
            normalise="exact",
            partial=False,  # an empty cell cannot say whether it clears or leaves alone
            cohorts={"message": CohortStyle("message", "rows that join and part")},
            on_leave=frozenset(OnLeave),
            any_field=True,
        )
    },
    actions=dict.fromkeys(Op, _ACTION),
    wire=WireFormat(),
    account_key=lambda settings: settings.directory,
    prepare=_prepare,
    erase=Erase(
        _erase,
        max_records=10_000,
        what="Writes a file of erase rows for whoever reads the files. It cannot erase: files written before, and what "
        "was made of them, still hold the person and must be removed by whoever keeps them.",
    ),
)

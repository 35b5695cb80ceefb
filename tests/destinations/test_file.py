"""Files: their names, rows and columns."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from revetl.contract import Context, PutFile, Reply
from revetl.destinations.file import FILE, FileSettings
from revetl.testing.drive import drive
from revetl.testing.seeds import batch, change
from revetl.types import Cohort, OnLeave, Op, Proof, Status


def put(changes: list[Any], fmt: str = "jsonl", status: int = 200, **more: Any) -> tuple[PutFile, Any]:
    """Return the file that a batch becomes, and what the exchange made of it."""
    settings = FileSettings.model_validate({"directory": "out", "format": fmt})
    seen = drive(
        FILE.actions[changes[0].op].run(batch(changes, settings, object="record", **more)),
        lambda _: Reply(status, b"disk full" if status >= 300 else b""),
    )
    (call,) = seen.calls
    assert isinstance(call, PutFile)
    return call, seen


def test_a_batch_is_one_file_named_by_its_numbers() -> None:
    """A repeat of the same batch replaces its own file; a later batch sorts after it."""
    call, seen = put([change(7, fields={"name": "A"}), change(9, fields={"name": None})])
    assert call.path == "test.customer/upsert-000000000007-000000000009.jsonl"
    own = {"_op": "upsert", "_before_match": None, "_cohort": None}
    assert list(call.rows) == [
        {**own, "_key": '["c-7"]', "_match": "c7@example.org", "name": "A"},
        {**own, "_key": '["c-9"]', "_match": "c9@example.org", "name": None},
    ]
    assert {(o.status, o.proof) for o in seen.outcomes} == {(Status.DELIVERED, Proof.ACCEPTED)}


@pytest.mark.parametrize("name", ["../../etc", "/abs", ".hidden", "a b/ü"])
def test_names_stay_in_the_directory(name: str) -> None:
    """A cohort's name is one plain part of a path."""
    call, _ = put([change(1, Op.JOIN)], cohort=Cohort(name, name, "message"))
    folder, _, file = call.path.partition("/")
    assert folder == "test.customer"
    assert "/" not in file
    assert file.startswith("join-")


def test_csv_has_the_same_columns_in_each_file() -> None:
    """The sync's fields, in one order, whatever a batch carries."""
    assert FILE.prepare is not None
    settings = FileSettings.model_validate({"directory": "out", "format": "csv"})
    prepared = drive(
        FILE.prepare(Context("test.customer", "record", settings, fields=("name", "age"))), lambda _: Reply(200)
    ).value
    call, _ = put([change(1, fields={"name": "A", "more": 1})], "csv", prepared=prepared)
    assert call.columns == ("_op", "_key", "_match", "_before_match", "_cohort", "age", "name", "more")


def test_a_leave_says_its_policy() -> None:
    """Whoever replays the file must know whether to clear or to delete."""
    call, _ = put([change(1, Op.LEAVE)], on_leave=OnLeave.ARCHIVE)
    assert call.rows[0]["_op"] == "leave:archive"


def test_a_field_cannot_pose_as_ours() -> None:
    """A mapped field named ``_op`` does not hide the operation."""
    call, _ = put([change(1, fields={"_op": "leave:delete"})])
    assert call.rows[0]["_op"] == "upsert"


def test_what_is_not_written_waits() -> None:
    """A full disk applied nothing."""
    _, seen = put([change(1)], status=507)
    assert [(o.status, o.reason) for o in seen.outcomes] == [(Status.WAITING, "disk full")]


@pytest.mark.parametrize("directory", ["", " ", "../elsewhere", "a/../../b"])
def test_directories_do_not_climb(directory: str) -> None:
    """A relative path with .. is refused."""
    with pytest.raises(ValidationError):
        FileSettings.model_validate({"directory": directory})


@pytest.mark.parametrize(
    "directory", ["s3://bucket/prefix", "gs://bucket", "s3://b/p?region=eu-central-1", "file:///out"]
)
def test_a_directory_may_be_a_bucket(directory: str) -> None:
    """By its URL, whose query says what is not usual."""
    assert FileSettings.model_validate({"directory": directory}).directory == directory


@pytest.mark.parametrize("directory", ["https://example.com/out", "s3://key:secret@bucket/out", "sftp://host/out"])
def test_a_url_that_is_none_of_a_bucket_is_refused(directory: str) -> None:
    """Another scheme has no carrier, and credentials have no place where settings are shown."""
    with pytest.raises(ValidationError):
        FileSettings.model_validate({"directory": directory})

"""Where the ledger's files lie when they do not stay: a directory, a bucket, or rows of the state's owner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revetl.errors import ConfigError, TryLater
from revetl.state import places
from revetl.state.early import Early
from revetl.state.owner import Columns, Delete, Drop, Insert, Make, Owner, Row, Step
from revetl.state.places import COLUMNS, Objects, fetch_files, gone, rows_of

# --- rows of the owner ------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.binary(max_size=40), st.randoms(use_true_random=False))
def test_a_file_comes_back_from_its_rows(tmp_path_factory: pytest.TempPathFactory, content: bytes, dice: Any) -> None:
    """Whatever its size is, in whichever order its parts come; another file's rows are another file."""
    folder = tmp_path_factory.mktemp("files")
    path = folder / "a.parquet"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(places, "PART", 4)
        away, added = rows_of(path)
        _, renamed = rows_of(path, "b.parquet")
    assert away == gone("a.parquet")[0] == Delete("ledger_files", {"file": "VARCHAR"}, [("a.parquet",)])
    assert isinstance(added, Insert)
    assert isinstance(renamed, Insert)
    assert (added.table, added.columns) == ("ledger_files", COLUMNS)
    assert len(added.rows) == max(1, -(-len(content) // 4))
    rows = [*added.rows, *renamed.rows, ("c.parquet", None, None)]
    dice.shuffle(rows)

    def read(table: str, columns: Columns) -> Iterator[Sequence[Row]]:
        assert (table, columns) == ("ledger_files", COLUMNS)
        yield from (rows[:3], rows[3:])

    back = folder / "back"
    back.mkdir()
    for name in ("old.parquet", "note.txt"):
        (back / name).touch()
    fetch_files(cast("Owner", SimpleNamespace(read=read)), back)
    found = {one.name: one.read_bytes() for one in back.iterdir()}
    assert found == {"a.parquet": content, "b.parquet": content, "c.parquet": b"", "note.txt": b""}


def test_a_part_is_half_a_megabyte() -> None:
    """Owners take rows of that size."""
    assert places.PART == 524_288


def test_a_row_s_name_leads_nowhere(tmp_path: Path) -> None:
    """Whoever may write to the owner cannot have a file written elsewhere."""
    rows = [("../x.parquet", "0", "eA==")]
    fetch_files(cast("Owner", SimpleNamespace(read=lambda *_: iter([rows]))), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]


# --- a directory or a bucket ------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Objects:
    """Return a directory that is not there yet."""
    return Objects(f"{tmp_path}/bucket/", "dev")


def test_files_by_name(place: Objects, tmp_path: Path) -> None:
    """What was put is there, whole and alone; what was not is not."""
    place.check()
    assert place.get("head.json") is None
    for content in (b"longer", b"two"):
        place.put("head.json", content)
        assert place.get("head.json") == content
    (tmp_path / "bucket" / "dev" / "folder").mkdir()
    assert place.get("folder") is None
    assert sorted(one.name for one in (tmp_path / "bucket" / "dev").iterdir()) == ["folder", "head.json"]


def test_what_is_staged_is_seen_by_nobody(place: Objects, tmp_path: Path) -> None:
    """It is listed with its hash, and takes its place, takes a file away or goes, each time however often."""
    root, file = tmp_path / "bucket" / "dev", tmp_path / "new.parquet"
    file.write_bytes(b"old")
    for name in ("a.parquet", "b.parquet"):
        place.keep(file.rename(tmp_path / name))
        file = tmp_path / name
    file.write_bytes(b"new")
    for name in ("a.parquet", "b.parquet", "c.parquet"):
        place.stage(file, name)
    assert place.staged() == {name: sha256(b"new").hexdigest() for name in ("a.parquet", "b.parquet", "c.parquet")}
    back = tmp_path / "back"
    back.mkdir()
    (back / "gone.parquet").touch()
    place.fetch(back)
    assert {one.name: one.read_bytes() for one in back.iterdir()} == {"a.parquet": b"old", "b.parquet": b"old"}
    place.promote("a.parquet")
    place.promote("b.parquet", gone=True)
    for _ in range(2):
        place.discard("c.parquet")
    assert place.staged() == {}
    assert {one.name: one.read_bytes() for one in root.iterdir()} == {"a.parquet": b"new"}
    place.promote("b.parquet", gone=True)
    place.fetch(back)
    assert [one.name for one in back.iterdir()] == ["a.parquet"]


class Bucket:
    """A file system of a cloud: no directories, nothing to move, and what it is told to say when it is listed."""

    def __init__(self, kind: str, says: OSError | None = None) -> None:
        """Have no files."""
        self.type_name, self.says = kind, says
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def get_file_info(self, what: Any) -> list[Any]:
        """List what lies below a selector's folder."""
        self.asked.append(what.base_dir)
        if self.says is not None and (what.base_dir == "bucket" or self.type_name == "s3"):
            raise self.says
        return []

    @contextmanager
    def open_output_stream(self, path: str) -> Iterator[BytesIO]:
        """Write a file at once."""
        out = BytesIO()
        yield out
        self.files[path] = out.getvalue()


def bucket(kind: str, says: OSError | None = None) -> tuple[Objects, Bucket]:
    """Return a place in a bucket."""
    place, cloud = Objects("/bucket/prefix", "dev", "state.witness" if kind == "gcs" else "ledger"), Bucket(kind, says)
    place._files, place._local, place._root = cloud, False, "bucket/prefix/dev"
    return place, cloud


def test_a_bucket_takes_a_file_whole() -> None:
    """Nothing is written beside it and moved: it is there whole or not at all."""
    place, cloud = bucket("s3")
    place.put("head.json", b"x")
    assert cloud.files == {"bucket/prefix/dev/head.json": b"x"}


def test_a_bucket_of_google_s_is_asked_for_itself() -> None:
    """It finds no files in a bucket that is missing; who may not list the whole bucket may go on."""
    place, cloud = bucket("gcs")
    place.check()
    assert cloud.asked == ["bucket/prefix/dev", "bucket"]
    bucket("gcs", PermissionError("not yours"))[0].check()
    with pytest.raises(ConfigError, match="NOT_FOUND"):
        bucket("gcs", OSError("Bucket NOT_FOUND"))[0].check()
    place, cloud = bucket("s3")
    place.check()
    assert cloud.asked == ["bucket/prefix/dev"]


@pytest.mark.parametrize("sign", places.REFUSED)
def test_what_no_waiting_mends_is_refused(sign: str) -> None:
    """By its sign, with what is kept and what to look at."""
    with pytest.raises(ConfigError) as refused:
        bucket("s3", OSError(f"When listing: {sign}: no"))[0].check()
    assert refused.value.code == "RVT-517"
    assert refused.value.what == f"the place of the ledger refuses access ({sign})"
    assert refused.value.kept.endswith("the ledger's file is written by the next run")
    assert refused.value.hint.startswith("check bucket and prefix of `ledger:`; it needs to list")


def test_rights_and_the_network_are_told_apart() -> None:
    """Without rights it is refused; whatever else it is may pass."""
    with pytest.raises(ConfigError) as refused:
        bucket("s3", PermissionError("no"))[0].check()
    assert refused.value.what == "the place of the ledger refuses access (PermissionError)"
    with pytest.raises(TryLater) as away:
        bucket("gcs", TimeoutError("slow"))[0].check()
    assert (away.value.code, away.value.what) == (
        "RVT-518",
        "the place of the witness cannot be reached (TimeoutError)",
    )
    assert away.value.kept.endswith("nothing leaves that the witness is not told of first")
    assert away.value.hint == "check `state.witness:` in revetl.yml and the credentials of the environment"


def test_a_url_that_names_no_place() -> None:
    """The setting is named, and what it may be."""
    with pytest.raises(ConfigError) as refused:
        Objects("nowhere://x", "dev", "state.witness")
    assert (refused.value.code, refused.value.hint) == (
        "RVT-517",
        "s3://bucket/prefix, gs://bucket/prefix or a directory",
    )
    assert refused.value.what == "the URL of `state.witness:` names no directory and no object store"


def test_a_path_is_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is seen from the working directory."""
    monkeypatch.chdir(tmp_path)
    Objects("here", "dev").put("x", b"1")
    assert (tmp_path / "here" / "dev" / "x").read_bytes() == b"1"


# --- definitions that each end a transaction --------------------------------------------------------------------------


class Said:
    """A dialect that has some columns, and writes down what it is told."""

    text = "TEXT"

    def __init__(self, **tables: str) -> None:
        """Have tables of these columns."""
        self.there = [(table, column) for table, columns in tables.items() for column in columns]
        self.told: list[str] = []
        self.asked: list[Sequence[object]] = []

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> tuple[int, list[Row]]:
        """Answer which columns there are; write down anything else."""
        if sql.startswith("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s"):
            self.asked.append(list(parameters))
            return len(self.there), list(self.there)
        self.told.append(sql)
        return 0, []


def kinds(names: str) -> Mapping[str, str]:
    """Return columns of these letters."""
    return dict.fromkeys(names, "VARCHAR")


def test_what_is_missing_is_made_first() -> None:
    """Whole tables and single columns, each once; what is there already is left, and other steps define nothing."""
    said = Said(old="ab")
    early = Early(said, "own er")
    early.widen([Insert("x", kinds("a"), []), Make("new", kinds("ab")), Make("old", kinds("abcd")), Drop("old")])
    early.widen([Make("new", kinds("abc"))])
    assert said.told == [
        'CREATE TABLE IF NOT EXISTS "own er"."new" ("a" TEXT, "b" TEXT)',
        'ALTER TABLE "own er"."old" ADD COLUMN IF NOT EXISTS "c" TEXT',
        'ALTER TABLE "own er"."old" ADD COLUMN IF NOT EXISTS "d" TEXT',
        'ALTER TABLE "own er"."new" ADD COLUMN IF NOT EXISTS "c" TEXT',
    ]
    assert said.asked == [["own er"]]


def test_what_goes_is_emptied_within_the_transaction() -> None:
    """A table that is dropped, and columns that are named no more; nothing of a table that was not there."""
    said = Said()
    early = Early(said, "s")
    for step in (Drop("a"), Make("b", kinds("xz")), Insert("c", kinds("x"), [])):
        early.empty(step, kinds("xyz") if step.table != "none" else {})
    early.empty(Drop("none"), {})
    assert said.told == ['DELETE FROM "s"."a"', 'UPDATE "s"."b" SET "y" = NULL']
    assert said.asked == []


def test_what_nobody_names_is_dropped_last() -> None:
    """Of the tables that were defined: those that the catalogue has not, and columns beyond its own."""
    said = Said(old="abc", gone="a", other="xyz")
    early = Early(said, "s")
    steps: list[Step] = [Make("old", kinds("a")), Drop("gone"), Drop("gone"), Insert("other", kinds("x"), [])]
    early.narrow(steps, {"old": kinds("a"), "gone": {}, "other": kinds("x")})
    assert said.told == [
        'ALTER TABLE "s"."old" DROP COLUMN IF EXISTS "b"', 'ALTER TABLE "s"."old" DROP COLUMN IF EXISTS "c"',
        'DROP TABLE IF EXISTS "s"."gone"',
    ]  # fmt: skip
    said.told.clear()
    early.narrow(steps, {"old": kinds("a")})
    early.widen([Make("gone", kinds("a")), Make("old", kinds("ab"))])
    assert said.told == [
        'DROP TABLE IF EXISTS "s"."gone"', 'CREATE TABLE IF NOT EXISTS "s"."gone" ("a" TEXT)',
        'ALTER TABLE "s"."old" ADD COLUMN IF NOT EXISTS "b" TEXT',
    ]  # fmt: skip
    assert said.asked == [["s"]]

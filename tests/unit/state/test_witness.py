"""A head record elsewhere: what is lost, put back or doubled together with the state's own is noticed all the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from revetl.errors import StateError
from revetl.state.doubting import doubt_all
from revetl.state.places import Objects
from revetl.state.store import Store
from revetl.state.witness import Folder, Witness
from revetl.types import OnLeave
from tests.unit.engine.harness import Rig, plan


class Watched(Rig):
    """A target in files whose witness lies elsewhere."""

    def __init__(self, directory: Path, witness: Path) -> None:
        """Begin with three people."""
        super().__init__(plan(on_leave=OnLeave.DELETE), directory)
        self.elsewhere = witness
        self.crowd("x")

    def crowd(self, value: str) -> None:
        """Build the model, with a value of everybody."""
        self.people(*[(k, f"{k}@example.org", value) for k in "abc"])

    def store(self, crash: Callable[[str], None] = lambda _: None) -> Store:
        """Open the state, which asks the witness."""
        return Store(self.con, self.directory, self.now, crash, witness=Witness(Folder(self.elsewhere)))

    def refused(self) -> str:
        """Return the code of the error that ends a run before it reads, nothing where there is none."""
        try:
            self.store().check_head()
        except StateError as error:
            return error.code
        return ""


def test_a_state_that_agrees_is_taken(tmp_path: Path) -> None:
    """Run after run, also where the witness is new, and where a run was killed."""
    rig = Watched(tmp_path / "state", tmp_path / "elsewhere")
    for value in "xyz":
        rig.crowd(value)
        rig.run()
        assert rig.refused() == ""
    shutil.rmtree(tmp_path / "elsewhere")
    assert rig.refused() == ""


def test_a_disk_that_forgets_head_and_log_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value goes out, power fails, the disk forgets all of it, and the model turns back: what was sent is undone."""
    rig = Watched(tmp_path / "state", tmp_path / "elsewhere")
    rig.run()
    copies: list[Path] = []

    def remember(point: str) -> None:
        copies.append(tmp_path / f"{len(copies)} {point}")
        shutil.copytree(tmp_path / "state", copies[-1])

    monkeypatch.setattr(rig, "_crasher", lambda _at: remember)
    rig.crowd("y")
    rig.run()
    assert {one["a"] for one in rig.vendor.people.values()} == {"y"}
    behind = [copy for copy in copies if Watched(copy, tmp_path / "elsewhere").refused()]
    assert len(behind) >= len(copies) - 2  # but those at the very end, to which nothing is missing
    later = Watched(copies[0], tmp_path / "elsewhere")
    later.vendor.people = {mail: dict(one) for mail, one in rig.vendor.people.items()}
    store = later.store()
    with store.transaction():  # as `recover` does it
        doubt_all(store)
        store.set_meta("seq", str(store.head.seq if store.head else 0))
        store.tick()
    store.advance_head("recover")
    later.run()
    assert {one["a"] for one in later.vendor.people.values()} == {"x"}
    assert rig.refused() == "RVT-506"  # the copy that was given up


def test_a_directory_that_is_put_back_whole(tmp_path: Path) -> None:
    """State, head and record of an earlier day agree with one another; the witness knows better."""
    rig = Watched(tmp_path / "state", tmp_path / "elsewhere")
    rig.run()
    shutil.copytree(tmp_path / "state", tmp_path / "backup")
    rig.crowd("y")
    rig.run()
    Rig(directory=tmp_path / "backup").store().check_head()  # by itself it is good
    assert Watched(tmp_path / "backup", tmp_path / "elsewhere").refused() == "RVT-506"
    with pytest.raises(StateError) as missing:
        Watched(tmp_path / "gone", tmp_path / "elsewhere").store()
    assert missing.value.code == "RVT-507"


def test_two_copies_at_work_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both began before either told anything: the second one to tell stops, and its next chunk does not leave."""
    rig = Watched(tmp_path / "state", tmp_path / "elsewhere")
    rig.run()
    shutil.copytree(tmp_path / "state", tmp_path / "copy")
    other = Watched(tmp_path / "copy", tmp_path / "elsewhere")
    other.crowd("z")

    def meanwhile(point: str) -> None:
        if point == "before_intent" and not other.vendor.seen:
            other.run()

    monkeypatch.setattr(rig, "_crasher", lambda _at: meanwhile)
    rig.crowd("y")
    before = len(rig.vendor.seen)
    with pytest.raises(StateError) as stopped:
        rig.run()
    assert stopped.value.code == "RVT-524"
    assert len(rig.vendor.seen) == before
    assert len(other.vendor.seen) == 3
    assert (rig.refused(), other.refused()) == ("RVT-506", "")


def test_a_witness_that_says_nonsense_is_told(tmp_path: Path) -> None:
    """It is no first run."""
    rig = Watched(tmp_path / "state", tmp_path / "elsewhere")
    rig.run()
    (tmp_path / "elsewhere" / "head.json").write_text("{")
    with pytest.raises(StateError) as refused:
        rig.store()
    assert refused.value.code == "RVT-503"


def test_a_bucket_keeps_a_witness(tmp_path: Path) -> None:
    """Through the same file systems as the ledger's files."""
    rig = Rig(directory=tmp_path / "state")
    rig.people(("a", "a@example.org", "x"))
    rig.run()
    head = rig.store().head
    assert head is not None
    witness = Witness(Objects((tmp_path / "bucket").as_uri(), "dev", "state.witness"))
    assert witness.head is None
    witness.tell(head)
    witness.tell(replace(head, seq=head.seq + 1))
    again = Witness(Objects((tmp_path / "bucket").as_uri(), "dev", "state.witness"))
    assert again.head == replace(head, seq=head.seq + 1)

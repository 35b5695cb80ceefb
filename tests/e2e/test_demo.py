"""`revetl demo`, as people run it first."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest

from revetl.engine.arrivals import Place, Standing, merge_fields, named
from revetl.engine.demo import Proof, Scene
from revetl.engine.shop import MARKER, open_shop
from revetl.errors import RevetlError, UsageError
from tests.e2e.house import environment, revetl


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """Return an environment in which there is no dbt at all."""
    monkeypatch.setattr("sys.executable", str(tmp_path / "bin" / "python"))
    return environment(PATH=str(tmp_path))


def test_the_demo_goes_as_it_tells(tmp_path: Path) -> None:
    """Every scene's statements hold, without a terminal, whatever the user set for dbt, git and revetl."""
    odd = {
        "DBT_TARGET": "prod",
        "GIT_DIR": str(tmp_path / "not-this"),
        "REVETL_DEMO_DB": "other.duckdb",
        "NO_COLOR": "1",
    }
    done = revetl(tmp_path, "demo", env={**environment(), **odd, "LC_ALL": "C"})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "NO " not in done.stdout.replace("NO_COLOR", "")
    assert "\x1b" not in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"revetl-demo"}
    place = tmp_path / "revetl-demo"
    if shutil.which("git"):
        assert "`why` names the commit" in done.stdout
    again = revetl(place, "sync", "--output", "json", env=environment())  # the accounts are kept: nothing to send
    assert (again.returncode, [one["calls"] for one in orjson.loads(again.stdout)["syncs"]]) == (0, [0, 0, 0, 0])


def test_a_directory_with_other_things_is_left_alone(tmp_path: Path) -> None:
    """Files of others, links and an earlier demo that is in use are refused, and stay as they are."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear to me")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "file").write_text("")
    used = open_shop(tmp_path / "used", environment()).root
    (used / ".revetl" / "prod").mkdir(parents=True)
    edited = open_shop(tmp_path / "edited", environment()).root
    (edited / "notes.md").write_text("")
    for name in ("mine", "link", "file", "used", "edited"):
        with pytest.raises(UsageError) as refused:
            open_shop(tmp_path / name, environment())
        assert refused.value.code == "RVT-872"
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "dear to me"
    assert (used / ".revetl" / "prod").is_dir()
    assert (edited / "notes.md").exists()


def test_an_earlier_demo_is_made_anew(tmp_path: Path) -> None:
    """The demo's own directory, with what dbt and revetl left there, is replaced by a fresh one."""
    root = open_shop(tmp_path / "shop", environment()).root
    (root / "target").mkdir()
    (root / "models" / "marts" / "customers.yml").write_text("changed")
    root = open_shop(tmp_path / "shop", environment()).root
    assert not (root / "target").exists()
    assert (root / MARKER).exists()
    assert (root / "models" / "marts" / "customers.yml").read_text() != "changed"


def test_without_dbt_it_says_what_to_install(tmp_path: Path, elsewhere: dict[str, str]) -> None:
    """No dbt: the message has the pip line, and nothing is written."""
    with pytest.raises(UsageError) as refused:
        open_shop(tmp_path / "shop", elsewhere)
    assert refused.value.code == "RVT-870"
    assert "pip install" in refused.value.hint
    assert not (tmp_path / "shop").exists()


def test_a_dbt_that_fails_is_quoted(tmp_path: Path) -> None:
    """What dbt says comes through in one message."""
    made = open_shop(tmp_path / "shop", environment())
    (made.root / "models" / "marts" / "customers.sql").write_text("select * from nowhere_at_all")
    with pytest.raises(UsageError) as refused:
        made.dbt("build")
    assert refused.value.code == "RVT-871"
    assert "exit" in refused.value.what or "ERROR" in refused.value.what


def test_a_story_that_goes_wrong_fails() -> None:
    """One statement that does not hold ends the demo with an error that names it."""
    from revetl.cli.demo import _judge

    good, bad = Proof("water is wet", holds=True), Proof("pigs fly", holds=False)
    _judge([Scene("One", "", proofs=[good])])
    with pytest.raises(RevetlError) as refused:
        _judge([Scene("One", "", proofs=[good]), Scene("Two", "", proofs=[bad])])
    assert (refused.value.code, refused.value.exit_code) == ("RVT-874", 2)
    assert "Two: pigs fly" in refused.value.what
    assert "water" not in refused.value.what


def test_requests_are_searched_for_people() -> None:
    """A person counts as named by address, hash or number, in a path or a body; strangers count too."""
    ann = Standing("Mailchimp", "subscribed", {}, ())
    place = Place(
        "Mailchimp", {}, {}, {"a@example.org": ann}, {"a@example.org": "a@example.org", "0f3c": "a@example.org"}
    )
    by_hash = {"method": "DELETE", "path": "/3.0/lists/x/members/0f3c"}
    body = orjson.dumps({"members": [{"email_address": "b@example.org", "merge_fields": {"FNAME": "x"}}]}).decode()
    batch = {"method": "POST", "path": "/3.0/lists/x", "body": body}
    assert named([by_hash], place) == {"a@example.org"}
    assert named([batch], place) == {"b@example.org"}
    assert named([], place) == frozenset()
    assert merge_fields([by_hash, batch]) == (1, frozenset({"FNAME"}))

"""The tutorial and the how-tos, done as a reader would in a copy of the demo shop."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e import jaffle, warm
from tests.e2e.conftest import LEFT_BY_RUNS
from tests.e2e.house import TACIT, environment, revetl
from tests.e2e.walk import blocks, unseen, walk
from tests.shared import ROOT

TUTORIAL = ROOT / "docs" / "tutorial.md"
HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))
TEN_MINUTES = ROOT / "docs" / "ten-minutes.md"
PAGES = [TUTORIAL, TEN_MINUTES, *HOW_TO]


def reader(root: Path) -> dict[str, str]:
    """Return the environment of somebody who reads along in ``root``."""
    return environment(COLUMNS="100", HOME=str(root), PATH=warm.path(), NO_COLOR="1", **TACIT)


@pytest.fixture(scope="session")
def standing(once: Callable[..., Path], shop: Path) -> Path:
    """Return the built shop after a first sync to the stand-ins that the command line itself serves."""

    def fill(place: Path) -> None:
        shutil.copytree(shop, place)
        done = revetl(place, "sync", "--quiet", env=reader(place))
        assert done.returncode == 0, done.stdout + done.stderr

    return once("standing", fill)


@pytest.mark.timeout(600)
def test_the_tutorial_goes_as_it_tells(tmp_path: Path) -> None:
    """From the demo's files to a first sync, a new property and a new cohort: each command, edit and output."""
    shutil.copytree(ROOT / "dbt_project", tmp_path / "dbt_project", ignore=LEFT_BY_RUNS)
    walk(TUTORIAL, tmp_path, reader(tmp_path))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_how_tos_go_as_they_tell(page: Path, standing: Path, tmp_path: Path) -> None:
    """Each command of a how-to does what the page says, in a project that was synced once."""
    shutil.copytree(standing, tmp_path / "shop")
    walk(page, tmp_path / "shop", reader(tmp_path))


@pytest.mark.timeout(600)
def test_ten_minutes_go_as_they_are_told(tmp_path: Path) -> None:
    """From a project that never heard of revetl, through init, to one changed row that is sent alone."""
    jaffle.write(tmp_path / "shop")
    walk(TEN_MINUTES, tmp_path / "shop", reader(tmp_path))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_are_run_or_say_why_not(page: Path) -> None:
    """Commands stand in blocks that are run; one that is not has a reason which the reader sees; no block is bare."""
    found = list(blocks(page.read_text(encoding="utf-8")))
    assert found
    assert [block.text for block in found if not block.language] == []
    assert all(len(block.skipped.split()) > 3 for block in found if block.skipped)
    assert [b.text for b in found if "revetl " in b.text and b.language in {"bash", "shell", "console"}] == []


def test_a_page_that_lies_is_found() -> None:
    """A line that was not printed, or not in this order, is named; dots stand for anything."""
    said = "sync   rows  state\nmailchimp.customer   126  done\n9 changes delivered in 2.0 s\n"
    assert unseen("mailchimp.customer 126 done\n9 changes delivered in …\n", said) is None
    assert unseen("mailchimp.customer 127 done\n", said) == "mailchimp.customer 127 done"
    assert unseen("9 changes delivered in …\nsync rows state\n", said) == "sync rows state"

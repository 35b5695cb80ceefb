"""The reference is what the code says, links lead somewhere, and the site builds without a warning."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.site.reference import PAGES, pages
from tests.shared import ROOT

MADE = pages()
EVERY = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
_LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)]+))?\)")


@pytest.mark.parametrize("name", sorted(MADE))
def test_the_reference_is_current(name: str) -> None:
    """The committed page is what the code says today."""
    page = (PAGES / name).read_text(encoding="utf-8")
    assert page == MADE[name], "the code changed: python -m docs.site.reference"


def test_no_page_of_the_reference_is_left_over() -> None:
    """Each page in docs/reference is one that the code writes."""
    assert {path.name for path in PAGES.iterdir()} == set(MADE)


def plain(page: Path) -> str:
    """Return a page without its code."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as both GitHub and the site make them."""
    titles = re.findall(r"^#+ (.+)$", plain(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def links(page: Path) -> Iterator[tuple[str, str]]:
    """Yield target and anchor of each link within the repository, those in code left out."""
    yield from _LINK.findall(re.sub(r"`[^`\n]+`", "", plain(page)))


@pytest.mark.parametrize("page", EVERY, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    """The file of each link is there, and so is the heading of each anchor."""
    for target, anchor in links(page):
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), (target, anchor)
        assert not anchor or anchor in anchors(path), (target, anchor)


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """mkdocs, strict: no link and no anchor leads nowhere, and the navigation names pages that are there."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    tutorial = (tmp_path / "site" / "tutorial" / "index.html").read_text(encoding="utf-8")
    assert "../reference/destinations/" in tutorial
    loaded = re.findall(r'<(?:link|script|img)[^>]+(?:src|href)="(https?:[^"]+)"', tutorial)
    assert loaded == []  # nothing from anywhere

"""README, CONTRIBUTING and pages that are no how-tos: what they tell to type is typed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e import jaffle
from tests.e2e.house import built, environment
from tests.e2e.test_pages import PAGES, reader, standing
from tests.e2e.walk import LEFT_OUT, blocks, nothing_to_build, possible, walk
from tests.shared import ROOT
from tests.warehouse.conftest import postgres
from tests.warehouse.postgres_server import Server

__all__ = ["postgres", "standing"]

DOCS = ROOT / "docs"
README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
ALL = [README, CONTRIBUTING, ROOT / "SECURITY.md", *sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("examples/**/*.md"))]
TYPED = [page for page in ALL if any(block.language == "sh" for block in blocks(page.read_text(encoding="utf-8")))]

# page, or folder of an example → the module that walks it
WALKED = {
    **{page.stem: "e2e/test_pages.py" for page in PAGES},
    "README": "e2e/test_other_pages.py",
    "CONTRIBUTING": "e2e/test_other_pages.py",
    "editors": "e2e/test_other_pages.py",
    "moving-from-hightouch": "examples/test_vendors.py",
    "running": "e2e/test_other_pages.py",
    "testing": "examples/test_example_testing.py",
    "examples": "examples/test_files.py",
    "files": "examples/test_files.py",
    "hubspot": "examples/test_vendors.py",
    "mailchimp": "examples/test_vendors.py",
    "nine-destinations": "examples/test_example_nine.py",
    "postgres-listen": "warehouse/test_event_examples.py",
    "third-party": "examples/test_third_party.py",
    **{
        name: f"examples/test_example_{name}.py"
        for name in (
            "braze", "customerio", "intercom", "iterable", "marketo", "pardot", "pipedrive", "postgres", "sailthru",
            "salesforce", "webhook",
        )
    },
}  # fmt: skip


def name(page: Path) -> str:
    """Return what a page is called here: its own name, or that of its folder."""
    return page.parent.name if page.name == "README.md" and page != README else page.stem


@pytest.mark.parametrize("page", TYPED, ids=name)
def test_every_block_is_run(page: Path) -> None:
    """No block of commands is without a test that does it, but for lines that say why; nothing is bare."""
    found = list(blocks(page.read_text(encoding="utf-8")))
    assert [block.text for block in found if block.language in {"", "bash", "shell", "console"}] == []
    left = [line for block in found if block.language == "sh" for line in possible(block.text).splitlines()]
    if not any(left):
        return
    source = (ROOT / "tests" / WALKED[name(page)]).read_text(encoding="utf-8")
    assert "walk(" in source or "told(" in source
    assert page in PAGES or name(page) in source


def test_what_is_left_out_is_still_there() -> None:
    """Each line that no test can do stands on a page, for a reason; what make is told there, it knows."""
    lines = [
        line for page in TYPED for block in blocks(page.read_text(encoding="utf-8"))
        if block.language == "sh" and not block.skipped for line in block.text.splitlines()
    ]  # fmt: skip
    assert [begins for begins in LEFT_OUT if not any(line.startswith(begins) for line in lines)] == []
    made = [line.partition("#")[0].strip() for line in lines if "make " in line.partition("#")[0]]
    script = "".join(f"{line.replace('make ', 'make -n ')} > /dev/null\n" for line in made)
    done = subprocess.run(
        ["bash", "-euc", script], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert (len(made) > 12, done.returncode, done.stderr) == (True, 0, "")


def test_readme(tmp_path: Path) -> None:
    """In a project that never heard of revetl, init is answered at a terminal, and all goes well up to a rehearsal."""
    root = tmp_path / "shop"
    jaffle.write(root)
    built(root, "build", "--quiet")
    walk(README, root, reader(root), part="Try it", typed="hubspot\ncustomers\ny\n")
    assert "{hubspot: customer_id}" in (root / "models/schema.yml").read_text(encoding="utf-8")


def test_readme_in_sixty_seconds(standing: Path, tmp_path: Path) -> None:
    """Build, check, plan and sync in a row, where nothing has changed."""
    root = tmp_path / "shop"
    shutil.copytree(standing, root)
    env = nothing_to_build(reader(root), tmp_path / "bin")
    assert "0 changes delivered" in walk(README, root, env, part="Sixty seconds of configuration")


def test_contributing() -> None:
    """The line that plays a failing history again plays one."""
    assert "1 passed" in walk(CONTRIBUTING, ROOT, reader(ROOT) | {"PYTEST_ADDOPTS": "-p no:cacheprovider"})


def test_editors(standing: Path, tmp_path: Path) -> None:
    """The schemas are written where the settings on the page look for them."""
    shutil.copytree(standing, tmp_path / "shop")
    walk(DOCS / "editors.md", tmp_path / "shop", reader(tmp_path))
    written = sorted(path.name for path in (tmp_path / "shop/schemas").iterdir())
    assert written == ["cases.schema.json", "meta.schema.json", "revetl.schema.json"]


@pytest.mark.xdist_group("postgres")
def test_running(standing: Path, postgres: Server, tmp_path: Path) -> None:
    """Keys out of a table of Postgres go through a pipe into a sync of those keys alone."""
    shutil.copytree(standing, tmp_path / "shop")
    postgres.run("CREATE TABLE outbox_of_today AS SELECT 102 AS customer_id")
    said = walk(DOCS / "running.md", tmp_path / "shop", reader(tmp_path) | postgres.variables)
    assert "0 changes delivered" in said

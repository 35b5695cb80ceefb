"""examples/testing: its cases and its pytest module, on the shop; and that neither passes where it must not."""

from __future__ import annotations

import shutil
from fnmatch import fnmatch
from pathlib import Path
from xml.etree import ElementTree as ET

import orjson
import pytest

from revetl.engine.trying import Tried, read_cases, try_cases
from revetl.engine.workspace import Options
from tests.e2e.house import environment, revetl
from tests.e2e.walk import nothing_to_build, walk
from tests.shared import ROOT

EXAMPLE = ROOT / "examples" / "testing"


@pytest.fixture
def project(shop: Path, tmp_path: Path) -> Path:
    """Return the shop with the example's files beside dbt_project.yml."""
    root = tmp_path / "shop"
    shutil.copytree(shop, root)
    shutil.copytree(EXAMPLE, root, dirs_exist_ok=True)
    return root


def test_cases_pass_without_profile_and_warehouse(project: Path) -> None:
    """All cases of the example pass where there is a manifest and nothing else; JUnit has one case each."""
    (project / "profiles.yml").unlink()
    (project / "shop.duckdb").unlink()
    done = revetl(project, "test", "--junit", "out/junit.xml", env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed, 0 failed" in done.stdout
    suite = ET.parse(project / "out" / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "0")
    assert not (project / ".revetl").exists()


def tried(project: Path, *files: str, only: str = "*") -> list[Tried]:
    """Try cases of the project, those of one name alone."""
    options = Options(project_dir=project, env=environment())
    cases = [one for one in read_cases(options, [project / file for file in files]) if fnmatch(one.spec.name, only)]
    return list(try_cases(options, cases))


def test_a_change_of_the_mapping_fails_the_case_that_speaks_of_it(project: Path) -> None:
    """A field that goes elsewhere fails the case of its destination with a diff; another's passes."""
    manifest = project / "target" / "manifest.json"
    data = orjson.loads(manifest.read_bytes())
    phone = data["nodes"]["model.shop.customers"]["columns"]["phone"]
    for meta in (phone["meta"], phone["config"]["meta"]):
        meta["revetl"]["to"] = {"hubspot": "mobilephone"}
    manifest.write_bytes(orjson.dumps(data))
    of_hubspot, of_mailchimp = tried(project, only="*at is*"), tried(project, only="an address*")
    assert [case.passed for case in (*of_hubspot, *of_mailchimp)] == [False, True]
    changed = {line.strip() for line in of_hubspot[0].diff}
    assert {"-          phone: '+15550000003'", "+          mobilephone: '+15550000003'"} <= changed


def test_what_is_asked_for_alone_is_tried(project: Path) -> None:
    """``--select`` takes the cases that speak of a sync; where nothing is left the command says so, and exits 2."""
    done = revetl(project, "test", "--select", "exports", env=environment())
    assert (done.returncode, "error[RVT-132]" in done.stderr) == (2, True)


def test_a_case_that_expects_nothing_shows_what_came(project: Path) -> None:
    """It fails, and what it shows passes once it is pasted; a column that is none is named with the nearest."""
    row = "{customer_id: 5, email: five@post.example.net, lifetime_value_band: mid}"
    case = f"cases:\n  - name: new\n    given:\n      customers: [{row}]\n"
    path = project / "new.yml"
    path.write_text(case)
    (new,) = tried(project, "new.yml")
    pasted = "".join(f"      {line}\n" for line in new.found.splitlines())
    path.write_text(f"{case}    expect:\n{pasted}")
    assert [(one.passed, new.passed) for one in tried(project, "new.yml")] == [(True, False)]
    path.write_text(case.replace("email:", "emial:"))
    assert "did you mean 'email'?" in tried(project, "new.yml")[0].error


def test_its_page(project: Path, tmp_path: Path) -> None:
    """The example's cases and tests pass as the README types them, and leave nothing in the project."""
    assert "2 passed" in walk(EXAMPLE / "README.md", project, along(tmp_path))
    assert not (project / ".revetl").exists()


def test_the_page_goes_as_it_tells(project: Path, tmp_path: Path) -> None:
    """The commands of docs/testing.md find the example's cases by file, name and sync."""
    assert "1 passed, 0 failed" in walk(ROOT / "docs" / "testing.md", project, along(tmp_path))


def along(place: Path) -> dict[str, str]:
    """Return the environment of somebody who reads along."""
    return nothing_to_build(environment(PYTHONPATH=str(ROOT)), place / "bin")

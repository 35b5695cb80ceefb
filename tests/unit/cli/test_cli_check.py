from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from revetl.cli.github import cell, workflow_commands
from revetl.types import Problem, Severity
from tests.unit.cli.shop import YML, Revetl, Shop, column, customers, subscribers


def test_a_sound_project_passes(revetl: Revetl, shop: Shop) -> None:
    """No problems, exit 0, and the sum says of what, for which target and on which evidence."""
    done = revetl("check")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("no problems · 1 sync with 2 fields for target dev")
    assert "evidence" in done.stdout


def test_all_errors_are_said_at_once(revetl: Revetl, shop: Shop) -> None:
    """Each error has its line with code, file and place, the reason, and what to write instead; exit 2."""
    shop.manifest(customers(column("a", too={"mailchimp": "A"}), column("b", to={"mailchmp": "B"})), subscribers())
    done = revetl("check")
    assert done.exit_code == 2
    assert "error[RVT-301] models/customers.yml customers.a" in done.stdout
    assert "error[RVT-302] models/customers.yml customers.b" in done.stdout
    assert "hint: did you mean 'to'?" in done.stdout
    assert "2 errors" in done.stdout


def test_check_needs_neither_profile_nor_secret(revetl: Revetl, shop: Shop) -> None:
    """CI has no profiles.yml: with a target named, nothing else is wanted."""
    (shop.root / "profiles.yml").unlink()
    done = revetl("check", "--target", "prod", env={"HOME": str(shop.root)})
    assert done.exit_code == 0, done.output


def test_strict_counts_warnings(revetl: Revetl, shop: Shop) -> None:
    """A target that nobody names is a warning: exit 0, and 1 with --strict."""
    assert revetl("check", "--target", "qa").exit_code == 0
    assert revetl("check", "--target", "qa", "--strict").exit_code == 1


def test_document(revetl: Revetl, shop: Shop) -> None:
    """One document: versioned, with the findings as they are and the syncs by name."""
    shop.manifest(customers(column("a", too=1)), subscribers())
    found = json.loads(revetl("check", "--output", "json").stdout)
    assert (found["schema_version"], found["command"], found["exit_code"]) == (1, "check", 2)
    (problem,) = found["problems"]
    assert (problem["code"], problem["model"], problem["severity"]) == ("RVT-301", "customers", "error")


def test_state_shows_what_newly_leaves(revetl: Revetl, shop: Shop) -> None:
    """A column mapped since the other manifest newly leaves and is sent for all rows."""
    before = shop.manifest(customers(), subscribers(), directory="before")
    done = revetl("check", "--state", str(before), "--output", "json")
    found = json.loads(done.stdout)
    assert [(c["kind"], c["name"], c["leaves"]) for c in found["changes"]] == [("field_added", "BAND", True)]
    shown = revetl("check", "--state", str(before)).stdout
    assert re.search(r"\+ +mailchimp\.customer +field BAND +← customers\.band +newly leaves", shown)


def test_state_prefers_the_flows_of_an_earlier_run(revetl: Revetl, shop: Shop) -> None:
    """Flows that a run wrote are compared as they are, also with what revetl.yml said then."""
    before = shop.manifest(customers(), subscribers(), directory="before")
    same = {"schema_version": 1, "syncs": {}}
    (before / "revetl_flows.json").write_text(json.dumps(same))
    found = json.loads(revetl("check", "--state", str(before), "--output", "json").stdout)
    assert found["changes"][0]["kind"] == "sync_added"
    assert found["compared"].endswith("revetl_flows.json")


def test_nothing_changed(revetl: Revetl, shop: Shop) -> None:
    """Compared with itself a project has no change, and says so."""
    done = revetl("check", "--state", "target")
    assert "nothing leaves that did not before" in done.stdout


@pytest.mark.parametrize(
    ("text", "code"),
    [("{", "RVT-201"), ("[]", "RVT-201"), ('{"schema_version": 9, "syncs": {}}', "RVT-202"), (None, "RVT-806")],
)
def test_a_state_that_cannot_be_read_is_refused(revetl: Revetl, shop: Shop, text: Any, code: Any) -> None:
    """Broken flows, flows of another version and an empty directory are each one clear error."""
    (shop.root / "other").mkdir()
    if text is not None:
        (shop.root / "other" / "revetl_flows.json").write_text(text)
    done = revetl("check", "--state", "other")
    assert done.exit_code == 2
    assert f"error[{code}]" in done.stderr


def test_a_broken_sync_is_not_called_removed(revetl: Revetl, shop: Shop) -> None:
    """A sync that an error stops does not look as if it was taken away."""
    shop.manifest(customers(), subscribers(), directory="before")
    shop.manifest(customers(column("b", to={"mailchimp": "email_address"})), subscribers())
    found = json.loads(revetl("check", "--state", "before", "--output", "json").stdout)
    assert found["exit_code"] == 2
    assert found["changes"] == []


def test_annotations_in_actions(revetl: Revetl, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each problem is an annotation with file and line, on stderr, beside the ordinary output."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(shop.root.parent))
    shop.yml(YML.replace("version: 1", "version: 1\nnope: 1"))
    done = revetl("check")
    lines = [line for line in done.stderr.splitlines() if line.startswith("::")]
    assert re.fullmatch(rf"::error file={shop.root.name}/revetl\.yml,line=3,title=RVT-120::.*nope.*", lines[0])


def test_hostile_text_makes_no_command_of_its_own() -> None:
    """Line ends, percent signs and commas are escaped as GitHub's own toolkit does it."""
    problem = Problem("RVT-1", "a%b\n::error::x\r", "do\nthis", Severity.WARNING, file="m,o:d.yml:7", model="c")
    (line,) = workflow_commands([problem])
    assert line == "::warning file=m%2Co%3Ad.yml,line=7,title=RVT-1::c: a%25b%0A::error::x%0D%0Ado%0Athis"


def test_ordinary_output_makes_no_command_either(revetl: Revetl, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model's name at the beginning of a line of the result is not taken for a command."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    shop.manifest(customers(column("::error::x", to={"mailchmp": "A"})), subscribers())
    assert "::error::x" not in revetl("check").stdout


def test_step_summary_is_a_table(revetl: Revetl, shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The summary is appended to the step's file, and cells hold no Markdown, HTML or line ends of others."""
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    shop.manifest(customers(column("a", too=1)), subscribers())
    revetl("check")
    assert path.read_text().startswith("before\n### revetl check: 1 findings, target dev\n\n|")
    assert cell("a|b<img>\n`x`[y](z)") == "a\\|b&lt;img&gt; \\`x\\`\\[y\\](z)"


def test_ls_lists_what_there_is(revetl: Revetl, shop: Shop) -> None:
    """Syncs, properties and cohorts, each with what it is about; --resource chooses."""
    found = json.loads(revetl("ls", "--output", "json").stdout)
    assert [row["sync"] for row in found["syncs"]] == ["mailchimp.customer"]
    assert [(row["column"], row["field"], row["pii"]) for row in found["properties"]] == [
        ("band", "BAND", None),
        ("email", "email_address", "email"),
    ]
    (cohort,) = found["cohorts"]
    assert (cohort["cohort"], cohort["syncs"], cohort["audience_of"]) == (
        "subscribers", ["mailchimp.customer"], ["mailchimp.customer"],
    )  # fmt: skip
    only = json.loads(revetl("ls", "--resource", "cohorts", "--output", "json").stdout)
    assert "syncs" not in only


def test_ls_selects_as_dbt_does(revetl: Revetl, shop: Shop) -> None:
    """A selection that means nothing is an error, one that means the sync lists it."""
    assert "mailchimp.customer" in revetl("ls", "-s", "subscribers").stdout
    assert revetl("ls", "-s", "nothing_here").exit_code == 2


@pytest.mark.parametrize("words", [["check"], ["ls"]])
def test_output_fits_80_columns_without_colour(revetl: Revetl, shop: Shop, words: Any) -> None:
    """On 80 columns nothing is wider, and without a terminal there is no escape at all."""
    shop.manifest(customers(column("a" * 90, to={"mailchmp": "A"}), column("b", to={"mailchimp": "B"})), subscribers())
    done = revetl(*words)
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.output


def test_no_colour_where_it_is_not_wanted(revetl: Revetl, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """FORCE_COLOR colours; NO_COLOR and --no-color win over it."""
    shop.manifest(customers(column("a", too=1)), subscribers())
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" in revetl("check", color=True).stdout
    assert "\x1b" not in revetl("check", "--no-color", color=True).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in revetl("check", color=True).stdout


def test_the_project_is_found_from_below(revetl: Revetl, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside models/ the nearest parent with a dbt_project.yml is the project."""
    (shop.root / "models").mkdir()
    monkeypatch.chdir(shop.root / "models")
    monkeypatch.setenv("DBT_PROFILES_DIR", str(shop.root))
    assert revetl("check").exit_code == 0

"""Reports of `check` for pull requests and programs: Markdown, SARIF, JUnit, JSON; estimates; policies."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from tests.unit.cli.shop import YML, Revetl, Shop, column, customers, subscribers

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
CODE = {"type": "string", "pattern": "^RVT-[0-9]{3}$"}
# What GitHub's code scanning needs of SARIF 2.1.0, as OASIS's standard has it (§3.13, §3.27 to §3.30).
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/run"}},
    },
    "$defs": {
        "run": {
            "type": "object",
            "required": ["tool", "results"],
            "additionalProperties": False,
            "properties": {
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                "tool": {
                    "type": "object",
                    "required": ["driver"],
                    "properties": {
                        "driver": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {
                                "rules": {
                                    "type": "array",
                                    "uniqueItems": True,
                                    "items": {"type": "object", "required": ["id"], "properties": {"id": CODE}},
                                }
                            },
                        }
                    },
                },
            },
        },
        "result": {
            "type": "object",
            "required": ["message", "ruleId", "level"],
            "additionalProperties": False,
            "properties": {
                "ruleId": CODE,
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"enum": ["none", "note", "warning", "error"]},
                "message": TEXT,
                "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
                "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
            },
        },
        "location": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "logicalLocations": {"type": "array", "items": {"type": "object"}},
                "physicalLocation": {
                    "type": "object",
                    "required": ["artifactLocation"],
                    "properties": {
                        "artifactLocation": {
                            "type": "object",
                            "required": ["uri"],
                            "properties": {"uri": {"type": "string", "pattern": r"^[A-Za-z0-9._~/%:-]+$"}},
                        },
                        "region": {"type": "object", "properties": {"startLine": {"type": "integer", "minimum": 1}}},
                    },
                },
            },
        },
    },
}  # fmt: skip
HOSTILE = "a|b<img src=x>&]]>\n::error::x @all [y](z)"


@pytest.fixture
def changed(shop: Shop) -> Path:
    """Return the state before a pull request that maps two columns, one not allowed, and drops one."""
    before = shop.manifest(customers(column("band", to={"mailchimp": "BAND"})), subscribers(), directory="before")
    bad = column(HOSTILE, pii="phone", to={"mailchimp": "A"})
    shop.manifest(customers(column("town", to={"mailchimp": "TOWN"}), bad), subscribers())
    return before


def export(revetl: Revetl, before: Path, *names: str, **more: Any) -> list[str]:
    """Return the reports that one call wrote."""
    words = [word for name in names for word in ("--export", name)]
    done = revetl("check", "--state", str(before), *words, **more)
    assert done.exit_code == 2
    return [Path(name).read_text(encoding="utf-8") for name in names]


def test_one_call_writes_all_reports(revetl: Revetl, changed: Path) -> None:
    """Each file's form follows from its name, and stdout stays what it was."""
    done = revetl("check", "--state", str(changed), *["--export", "r.md", "--export", "r.sarif", "--export", "r.json"])
    assert "newly leaves" in done.stdout
    assert "report written to r.sarif" in done.stderr
    document = json.loads(Path("r.json").read_text())
    assert document == json.loads(revetl("check", "--state", str(changed), "--output", "json").stdout)
    kinds = [change["kind"] for change in document["changes"]]
    assert kinds == ["field_added", "field_added", "field_removed"]


def test_a_name_that_tells_no_form_is_refused(revetl: Revetl, changed: Path) -> None:
    """Before anything is read; --format says what the name does not."""
    done = revetl("check", "--export", "report.txt")
    assert (done.exit_code, "error[RVT-801]" in done.stderr) == (2, True)
    revetl("check", "--export", "report.txt", "--format", "sarif")
    assert json.loads(Path("report.txt").read_text())["version"] == "2.1.0"


def test_markdown_is_for_a_comment(revetl: Revetl, changed: Path) -> None:
    """Findings and flows are tables whose cells hold nobody else's Markdown, HTML or mentions."""
    (text,) = export(revetl, changed, "pr.md")
    assert text.startswith("### revetl check: 1 findings, target dev\n")
    assert (
        "| new | mailchimp.customer | field TOWN | ← customers.town | newly leaves, sent again for all rows |" in text
    )
    assert re.search(r"\| gone \| mailchimp.customer \| field BAND .*column band is gone from customers", text)
    assert "<img" not in text
    assert "\n::error" not in text
    assert "\\@all \\[y\\](z)" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in tables} == {6}


def test_a_long_report_is_cut(revetl: Revetl, shop: Shop) -> None:
    """A comment has a greatest length: what is left out is counted."""
    before = shop.manifest(customers(), subscribers(), directory="before")
    many = [column(f"c{n}", to={"mailchimp": f"F{n}"}) for n in range(210)]
    shop.manifest(customers(*many), subscribers())
    revetl("check", "--state", str(before), "--export", "pr.md")
    text = Path("pr.md").read_text()
    assert "… and 10 more" in text
    assert len(text) < 65_536


def test_sarif_is_what_code_scanning_reads(revetl: Revetl, changed: Path) -> None:
    """Errors and changes are results with rule, level, place and a fingerprint that lines do not change."""
    (text,) = export(revetl, changed, "r.sarif")
    found = json.loads(text)
    jsonschema.validate(found, SARIF)
    (run,) = found["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    assert {(r["ruleId"], r["level"]) for r in run["results"]} == {
        ("RVT-307", "error"), ("RVT-392", "note"), ("RVT-393", "note"),
    }  # fmt: skip
    uris = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in run["results"]}
    assert uris == {"models/customers.yml"}
    prints = [r["partialFingerprints"]["revetl/v1"] for r in run["results"]]
    assert len(set(prints)) == len(prints)


def test_sarif_names_lines(revetl: Revetl, shop: Shop) -> None:
    """A mistake in revetl.yml is shown where it stands."""
    shop.yml(YML.replace("version: 1", "version: 1\nnope: 1"))
    revetl("check", "--export", "r.sarif")
    (result,) = json.loads(Path("r.sarif").read_text())["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("revetl.yml", 3)


def test_junit_fails_where_check_fails(revetl: Revetl, changed: Path) -> None:
    """Every error is a failed case, hostile text included; syncs that run are cases that pass, with their changes."""
    (text,) = export(revetl, changed, "r.xml")
    suite = ET.fromstring(text)
    cases = suite.findall("testcase")
    assert (suite.get("tests"), suite.get("failures")) == (str(len(cases)), "1")
    (failure,) = suite.findall("testcase/failure")
    assert failure.get("type") == "RVT-307"
    assert "allow_pii: [phone]" in (failure.text or "")
    assert "<img src=x>" in cases[0].get("name", "")


def test_junit_survives_what_xml_has_no_character_for(revetl: Revetl, shop: Shop) -> None:
    """Control characters and noncharacters of a name are left out, not written."""
    shop.manifest(customers(column("a\x00\x0b\ufffeb", too=1)), subscribers())
    revetl("check", "--export", "r.xml")
    (case,) = ET.parse("r.xml").getroot().findall("testcase[failure]")
    assert case.get("name") == "RVT-301 customers.ab"


def test_new_flows_are_annotated(revetl: Revetl, changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Actions what newly leaves is a notice beside the model's file; what stops stands in the summary alone."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(Path.cwd()))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    done = revetl("check", "--state", str(changed))
    notices = [line for line in done.stderr.splitlines() if line.startswith("::notice")]
    assert len(notices) == 2
    assert notices[1].startswith("::notice file=models/customers.yml,title=RVT-392::customers.town: mailchimp.customer")
    assert "field BAND" in Path("summary.md").read_text()


def test_estimates_come_from_the_last_run(revetl: Revetl, shop: Shop) -> None:
    """As many people as the last run had, in calls of the destination's size; no warehouse is there to ask."""
    before = shop.manifest(customers(), subscribers(), directory="before")
    results = {"syncs": [{"sync": "mailchimp.customer", "rows": 1_201}]}
    (before / "revetl_results.json").write_text(json.dumps(results))
    done = revetl("check", "--state", str(before), "--output", "json")
    (estimate,) = json.loads(done.stdout)["estimates"]
    assert (estimate["sync"], estimate["people"], estimate["calls"]) == ("mailchimp.customer", 1_201, 3)
    text = revetl("check", "--state", str(before)).stdout
    assert "≈ mailchimp.customer: 1,201 records sent again in 3 calls" in " ".join(text.split())


@pytest.mark.parametrize("text", ["{", "[]", '{"syncs": [{"sync": 1}, 2]}', '{"syncs": {}}'])
def test_results_that_cannot_be_read_give_no_estimate(revetl: Revetl, shop: Shop, text: str) -> None:
    """An estimate is an extra: it never fails a check."""
    before = shop.manifest(customers(), subscribers(), directory="before")
    (before / "revetl_results.json").write_text(text)
    done = revetl("check", "--state", str(before), "--output", "json")
    assert (done.exit_code, json.loads(done.stdout)["estimates"]) == (0, [])


def test_a_check_leaves_flows_that_need_no_manifest(revetl: Revetl, shop: Shop) -> None:
    """The base's revetl_flows.json alone is enough to compare with, and comparing with it does not change it."""
    assert revetl("check").exit_code == 0
    flows = shop.root / "target" / "revetl_flows.json"
    (shop.root / "base").mkdir()
    flows.rename(shop.root / "base" / "revetl_flows.json")
    shop.manifest(customers(), subscribers())
    for _ in range(2):
        found = json.loads(revetl("check", "--state", "base", "--output", "json").stdout)
        assert [change["kind"] for change in found["changes"]] == ["field_removed"]
    assert flows.exists()
    before = flows.read_bytes()
    shop.manifest(customers(column("band", to={"mailchimp": "BAND"})), subscribers())
    for _ in range(2):
        found = json.loads(revetl("check", "--state", "target", "--output", "json").stdout)
        assert [change["kind"] for change in found["changes"]] == ["field_added"]
    assert flows.read_bytes() == before


def test_too_many_new_fields_at_once(revetl: Revetl, shop: Shop) -> None:
    """`max_new_fields` counts what newly leaves by one sync, where there is something to compare with."""
    before = shop.manifest(customers(), subscribers(), directory="before")
    shop.manifest(*(customers(*(column(n, to={"mailchimp": n.upper()}) for n in ("a", "b"))), subscribers()))
    for most, codes in ((1, ["RVT-357"]), (2, [])):
        shop.yml(f"{YML}\npolicies: {{max_new_fields: {most}}}\n")
        done = revetl("check", "--state", str(before), "--output", "json")
        assert [problem["code"] for problem in json.loads(done.stdout)["problems"]] == codes
        assert done.exit_code == (2 if codes else 0)
    assert revetl("check").exit_code == 0


def test_what_a_policy_refuses_is_shown_all_the_same(revetl: Revetl, shop: Shop) -> None:
    """The sync does not run, and the pull request's readers see what it would let leave."""
    before = shop.manifest(customers(), subscribers(), directory="before")
    shop.manifest(customers(column("tel", pii="phone", to={"mailchimp": "PHONE"})), subscribers())
    shop.yml(YML.replace("[email]", "[email, phone]") + '\npolicies: {deny: ["pii:phone → mailchimp"]}\n')
    found = json.loads(revetl("check", "--state", str(before), "--output", "json").stdout)
    assert [problem["code"] for problem in found["problems"]] == ["RVT-350"]
    assert [(change["kind"], change["name"], change["pii"]) for change in found["changes"]] == [
        ("field_added", "PHONE", "phone")
    ]


def catalog(shop: Shop, at: str, *columns: str) -> None:
    """Write a catalog of customers."""
    listed = {name: {"type": "TEXT", "name": name} for name in columns}
    found = {
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/catalog/v1.json", "generated_at": at},
        "nodes": {"model.shop.customers": {"columns": listed}},
        "sources": {},
    }
    (shop.root / "target" / "catalog.json").write_text(json.dumps(found))


def test_a_column_that_the_warehouse_lacks(revetl: Revetl, shop: Shop) -> None:
    """catalog.json proves that a mapped column is gone; one older than the manifest proves nothing."""
    catalog(shop, "2026-03-01T10:00:05Z", "CUSTOMER_ID", "EMAIL")
    done = revetl("check", "--output", "json")
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["code"], problem["column"], problem["evidence"]) == ("RVT-303", "band", "catalog")
    assert done.exit_code == 2
    catalog(shop, "2026-03-01T09:59:59Z", "CUSTOMER_ID", "EMAIL")
    assert revetl("check").exit_code == 0

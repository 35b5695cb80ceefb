from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from jsonschema import Draft202012Validator as Validator

from revetl.config.load import load_config
from revetl.config.schema import validate
from revetl.config.yamltext import read_yaml
from revetl.destinations import BUILT_IN, Registry
from revetl.engine.schemas import schemas, text
from revetl.mapping.items import _CODES, misfits
from revetl.mapping.meta import ItemSpec
from tests.shared import ROOT

SHIPPED = ROOT / "revetl" / "schemas"
MADE = schemas(Registry(BUILT_IN))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
FILES = [*sorted((ROOT / "examples").rglob("*.yml")), *sorted((ROOT / "dbt_project").glob("models/**/*.yml"))]
FILES += [ROOT / "dbt_project" / "revetl.yml"]
FILES = [path for path in FILES if "target" not in path.parts]
PAGES = [page for page in PAGES if "third-party" not in page.parts]  # its type is known once it is installed

TOP = "version: 1\ndestinations:\n"
MAIL = f"{TOP}  mailchimp:\n    targets: {{dev: sandbox}}\n    syncs:\n      customer: "
SYNC = "{entity: customer, match: {email_address: email}"


def faults(name: str, data: Any) -> list[str]:
    """Return what a schema has against data."""
    return [error.message for error in Validator(MADE[name]).iter_errors(data)]


def samples() -> list[tuple[str, str]]:
    """Return every YAML that we ship or show, with where it stands."""
    found = [(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in FILES]
    for page in PAGES:
        blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        found += [(f"{page.relative_to(ROOT)}#{n}", block) for n, block in enumerate(blocks)]
    return found


@pytest.mark.parametrize("name", sorted(MADE))
def test_what_ships_is_what_the_code_says(name: str) -> None:
    """Each shipped schema is as it would be made now (REVETL_UPDATE_SCHEMAS=1 writes it), and is a schema."""
    path = SHIPPED / f"{name}.schema.json"
    if os.environ.get("REVETL_UPDATE_SCHEMAS"):
        path.write_bytes(text(MADE[name]))
    assert path.read_bytes() == text(MADE[name])
    Validator.check_schema(orjson.loads(path.read_bytes()))


@pytest.mark.parametrize(("where", "written"), samples(), ids=[where for where, _ in samples()])
def test_what_we_show_is_valid(where: str, written: str) -> None:
    """Every revetl.yml, models' YAML and case of examples, demo and pages passes its schema."""
    data = yaml.safe_load(written)
    if "cases" in data:
        assert faults("cases", data) == []
    if "destinations" in data:
        assert faults("revetl", read_yaml(written, path=where)[0]) == []
    elif data.keys() <= MADE["revetl"]["properties"].keys():
        part = read_yaml(f"version: 1\ndestinations: {{}}\n{written}", path=where)[0]
        assert faults("revetl", part) == []
    assert faults("meta", data) == []


@pytest.mark.parametrize(
    "written",
    [
        f"{MAIL}{SYNC}}}",
        f"{MAIL}{SYNC}, audience: a, allow_pii: true, guards: {{max_leave: [10%, 5], max_change: off, max_age: 36h}}}}",
        f"{MAIL}{SYNC}, constants: {{A: b, C: {{value: 1, write: always}}}}, on_leave: drop, allow_pii: email}}",
        f"{TOP}  a: {{type: mailchimp, targets: {{dev: {{sandbox: true}}}}}}\nincremental: true\nstate: postgresql://x",
        f"{TOP}  webhook: {{targets: {{dev: {{url: x}}}}}}\npolicies: {{deny: 'pii → webhook', only: {{pii: []}}}}",
        f"{TOP}  webhook: {{targets: {{}}}}\ngroups: {{g: webhook}}\nrequire_tests: off\nsend: {{deadline: 20m}}",
        "version: 1\ndestinations: {}\nledger: {key: \"{{ env_var('K') }}\", values: encrypted, keep: 30d}",
        "version: 1\ndestinations: {}\nincremental: {leaves: full, full_every: 7d}\nmemory_limit: 2GB\ntimezone: UTC",
    ],
)
def test_every_way_of_writing_is_known(written: str) -> None:
    """What revetl.yml may be written as, by the loader, passes the schema: short forms, spans, shares, off."""
    assert load_config(written, path="revetl.yml").problems == ()
    assert faults("revetl", read_yaml(written, path="revetl.yml")[0]) == []


@pytest.mark.parametrize(
    "written",
    [
        "destinations: {}",
        "version: 2\ndestinations: {}",
        "version: 1\ndestinations: {}\nrequire_test: all",
        "version: 1\ndestinations: {}\nmemory_limit: 2 gigabytes",
        "version: 1\ndestinations: {}\nsend: {deadline: soon}",
        "version: 1\ndestinations: {}\nledger: {key: abcdef}",
        "version: 1\ndestinations: {}\nstate: {schema: x}",
        "version: 1\ndestinations: {}\npolicies: {deny: [email to ads]}",
        "version: 1\ndestinations: {'1st': {targets: {}}}",
        f"{TOP}  a: {{type: mailshrimp, targets: {{}}}}",
        f"{TOP}  mailchimp: {{targets: {{prod: {{api_key: x, list: y}}}}}}",
        f"{TOP}  mailchimp: {{targets: {{prod: {{list_id: y}}}}}}",
        f"{TOP}  crm: {{type: hubspot, targets: {{prod: sandbocks}}}}",
        f"{TOP}  mailchimp: {{targets: {{}}, sync: {{}}}}",
        f"{MAIL}{{match: {{a: b}}}}",
        f"{MAIL}{SYNC}, object: members}}",
        f"{MAIL}{SYNC}, on_leave: remove}}",
        f"{MAIL}{SYNC}, cohorts: list}}",
        f"{MAIL}{SYNC}, guards: {{max_leave: 10 percent}}}}",
        f"{MAIL}{SYNC}, guards: {{max_leave: [10, 10%]}}}}",
        f"{MAIL}{SYNC}, constants: {{A: [1]}}}}",
        f"{MAIL}{{entity: customer, match: {{a: b, c: d}}}}",
    ],
)
def test_what_is_wrong_in_revetl_yml_is_marked(written: str) -> None:
    """A typo in a key, a word that is no choice, a setting that lacks: the editor marks it before revetl does."""
    assert faults("revetl", read_yaml(written, path="revetl.yml")[0]) != []


def item(said: str) -> tuple[bool, bool]:
    """Return whether revetl takes a model's meta, and whether the schema does."""
    meta = yaml.safe_load(said)
    spec, complaints = validate(ItemSpec, meta, _CODES)
    taken = spec is not None and not complaints and not misfits(spec, ())
    return taken, faults("meta", {"models": [{"name": "m", "config": {"meta": {"revetl": meta}}}]}) == []


@pytest.mark.parametrize(
    "said",
    [
        "{kind: properties, entity: customer, key: id}",
        "{kind: properties, entity: customer, key: [a, b], base: true, updated_at: u, freshness: {warn: 30m}}",
        "{kind: cohort, entity: customer, key: {customer_id: id}, to: mailchimp, label: Hi, guards: {max_leave: off}}",
        "{kind: cohort, entity: customer, key: id, to: [mailchimp, hubspot]}",
        "{kind: cohort, entity: customer, key: id, to: {mailchimp: VIP, hubspot: {label: V}, x: }}",
        "{kind: properties, entity: c, key: id, columns: {email: {pii: email, to: {hubspot: email}}}}",
        "{kind: cohorts, entity: customer, key: id}",
        "{kind: properties, key: id}",
        "{kind: properties, entity: customer, key: []}",
        "{kind: properties, entity: customer, key: [a, a]}",
        "{kind: properties, entity: the customer, key: id}",
        "{kind: properties, entity: customer, key: id, label: High}",
        "{kind: cohort, entity: customer, key: id, base: true}",
        "{kind: cohort, entity: customer, keys: id}",
        "{kind: cohort, entity: customer, key: id, guards: {max_leave: lots}}",
    ],
)
def test_meta_of_models_is_judged_alike(said: str) -> None:
    """The schema takes of a model's meta what revetl takes, and refuses what it refuses."""
    taken, passed = item(said)
    assert passed is taken


@pytest.mark.parametrize(
    ("said", "fine"),
    [
        ("{pii: email, to: {mailchimp: email_address}}", True),
        ("{pii: true, to: {hubspot: {field: a, on_null: keep, write: create, hash: sha256}}}", True),
        ("{to: hubspot, pii: false}", True),
        ("{link: company, to: {hubspot: associatedcompanyid}}", True),
        ("{link: {entity: company, key: [a, b]}, to: [hubspot]}", True),
        ("{too: {mailchimp: X}}", False),
        ("{to: {mailchimp: {feld: X}}}", False),
        ("{to: {mailchimp: {on_null: drop}}}", False),
        ("{to: {mailchimp: {hash: md5}}}", False),
        ("{link: the company}", False),
    ],
)
def test_meta_of_columns(said: str, fine: bool) -> None:
    """Columns of models, seeds, snapshots and sources, with meta of their own or below config."""
    meta = {"meta": {"revetl": yaml.safe_load(said)}}
    for column in (meta, {"config": meta}):
        node = {"name": "m", "columns": [{"name": "c", **column}]}
        for data in ({"models": [node]}, {"seeds": [node]}, {"snapshots": [node]}, {"sources": [{"tables": [node]}]}):
            assert (faults("meta", data) == []) is fine


def test_editors_are_told_how() -> None:
    """The page that says how editors take the schemas names each file that ships."""
    page = Path(ROOT / "docs" / "editors.md").read_text(encoding="utf-8")
    assert [path.name for path in SHIPPED.glob("*.json") if path.name not in page] == []
    assert "# yaml-language-server: $schema=" in page

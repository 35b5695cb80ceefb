from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from revetl.destinations import registry
from tests.unit.cli.shop import Revetl, Shop, column, model, subscribers


def with_key(name: str, *columns: str) -> dict[str, object]:
    """Return a model without revetl meta whose primary key dbt knows."""
    return {**model(name, {}, *(column(c) for c in columns)), "primary_key": [columns[0]]}


@pytest.fixture
def fresh(shop: Shop) -> Shop:
    """Return a project that does not know revetl yet."""
    (shop.root / "revetl.yml").unlink()
    shop.manifest(
        with_key("dim_customers", "id", "email"), with_key("orders", "order_id"), model("raw", {}, column("a"))
    )
    return shop


@pytest.mark.parametrize("kind", list(registry()))
def test_what_init_writes_and_shows_passes_check(
    revetl: Revetl, fresh: Shop, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """For each destination: revetl.yml as written with the meta as shown is a project without errors."""
    done = revetl("init", "--destination", kind, "--model", "dim_customers", "--no-input", "--output", "json")
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert (fresh.root / "revetl.yml").read_text() == shown["revetl_yml"]
    (said,) = yaml.safe_load(shown["meta"])["models"]
    columns = {c["name"]: c["config"]["meta"]["revetl"] for c in said["columns"]}
    meta = said["config"]["meta"]["revetl"]
    fresh.manifest(model(said["name"], meta, *(column(name, **columns.get(name, {})) for name in ("id", "email"))))
    for target in ("dev", "prod"):
        checked = json.loads(revetl("check", "--output", "json", "-t", target).stdout)
        assert [p for p in checked["problems"] if p["severity"] == "error"] == []
        if target == "dev":
            assert checked["syncs"] == [f"{kind}.customer"]


def test_init_shows_what_it_wrote_and_what_to_add(revetl: Revetl, fresh: Shop) -> None:
    """The file, its text, the YAML file to edit, the lines for it, and what to type next."""
    done = revetl("init", "--destination", "mailchimp", "--model", "dim_customers", "--no-input")
    assert "wrote revetl.yml" in done.stdout
    assert "add to models/dim_customers.yml:" in done.stdout
    assert "{{ env_var('MAILCHIMP_API_KEY') }}" in done.stdout
    assert "revetl plan" in done.stdout


def test_what_is_to_be_pasted_is_not_wrapped(revetl: Revetl, fresh: Shop) -> None:
    """At 80 columns, too, the lines shown are YAML as it is to be pasted."""
    name = "the_identifier_of_the_customer_in_the_shop"
    fresh.manifest(with_key("dim_customers", name, "email"))
    done = revetl("init", "--destination", "mailchimp", "--model", "dim_customers", "--no-input")
    lines = done.stdout.partition("add to models/dim_customers.yml:")[2].partition("add the meta, then:")[0]
    assert yaml.safe_load(lines)["models"][0]["config"]["meta"]["revetl"]["key"] == name
    assert max(map(len, lines.splitlines())) > 80


@pytest.mark.parametrize(
    ("kind", "secret"),
    [("pardot", "client_secret"), ("pipedrive", "api_token"), ("salesforce", "client_secret"), ("sailthru", "secret")],
)
def test_init_names_a_way_in(revetl: Revetl, fresh: Shop, kind: str, secret: str) -> None:
    """Where there are several, one of them: the settings as written open the account."""
    assert revetl("init", "--destination", kind, "--model", "dim_customers", "--no-input").exit_code == 0
    written = yaml.safe_load((fresh.root / "revetl.yml").read_text())["destinations"][kind]["targets"]["prod"]
    assert secret in written
    assert not {"refresh_token", "private_key"} & set(written)


def test_files_need_nothing_to_begin(revetl: Revetl, fresh: Shop) -> None:
    """A directory is no secret: it is written as one, and there is no variable to export."""
    assert revetl("init", "--destination", "file", "--model", "dim_customers", "--no-input").exit_code == 0
    written = yaml.safe_load((fresh.root / "revetl.yml").read_text())
    assert written["destinations"]["file"]["targets"] == {"dev": {"directory": "exports"}}


def test_what_no_record_is_made_without_is_there(revetl: Revetl, fresh: Shop) -> None:
    """Salesforce's LastName: the column of that name, or a constant where the model has none."""
    fresh.manifest(with_key("named", "id", "last_name"), with_key("nameless", "id", "city"))
    words = ("init", "--destination", "salesforce", "--no-input", "--output", "json", "--model")
    shown = json.loads(revetl(*words, "nameless").stdout)
    sync = yaml.safe_load(shown["revetl_yml"])["destinations"]["salesforce"]["syncs"]["nameless"]
    assert sync["constants"] == {"LastName": "[not provided]"}
    (fresh.root / "revetl.yml").unlink()
    shown = json.loads(revetl(*words, "named").stdout)
    sync = yaml.safe_load(shown["revetl_yml"])["destinations"]["salesforce"]["syncs"]["named"]
    assert "constants" not in sync
    assert sync["allow_pii"] == ["name"]
    (said,) = yaml.safe_load(shown["meta"])["models"]
    columns = {c["name"]: c["config"]["meta"]["revetl"] for c in said["columns"]}
    assert columns["last_name"] == {"pii": "name", "to": {"salesforce": "LastName"}}


def test_a_file_that_is_there_is_never_changed(revetl: Revetl, shop: Shop) -> None:
    """RVT-802, and not a byte of revetl.yml differs."""
    before = (shop.root / "revetl.yml").read_bytes()
    done = revetl("init", "--destination", "mailchimp", "--no-input")
    assert done.exit_code == 2
    assert "error[RVT-802]" in done.stderr
    assert (shop.root / "revetl.yml").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (["--no-input"], "RVT-804", "mailchimp"),
        (["--destination", "mailchimp", "--no-input"], "RVT-804", "dim_customers"),
        (["--destination", "mailshrimp", "--no-input"], "RVT-100", "mailchimp"),
        (["--destination", "mailchimp", "--model", "raw"], "RVT-100", "dim_customers"),
    ],
)
def test_what_is_missing_or_unknown_is_listed(revetl: Revetl, fresh: Shop, words: Any, code: Any, named: str) -> None:
    """Without a person to ask, the error lists what there is; nothing is written."""
    done = revetl("init", *words)
    assert done.exit_code == 2
    assert f"error[{code}]" in done.stderr
    assert named in done.stderr
    assert not (fresh.root / "revetl.yml").exists()


def test_models_with_an_address_come_first(revetl: Revetl, fresh: Shop) -> None:
    """The list begins with what a first sync most likely stands on; models without a key are not in it."""
    hint = revetl("init", "--destination", "mailchimp", "--no-input").stderr.partition("hint: ")[2]
    assert "revetl init --model dim_customers --destination mailchimp" in hint
    assert hint.endswith("(there are: dim_customers, orders)\n")


def test_a_large_project_is_not_poured_out(revetl: Revetl, fresh: Shop) -> None:
    """Twenty names are listed, staging last though it has addresses; a name that is nearly one is guessed."""
    many = [with_key(f"fct_{n:02}", "id") for n in range(30)]
    fresh.manifest(with_key("stg_crm__contacts", "id", "email"), *many)
    told = revetl("init", "--destination", "file", "--model", "fct_07x", "--no-input").stderr
    assert "models with a key: fct_00 (id), " in told
    assert "fct_19 (id), … and 11 more\n" in told
    assert "stg_crm__contacts" not in told
    assert "hint: did you mean fct_07?" in told


def test_a_cohort_is_no_model_to_begin_with(revetl: Revetl, fresh: Shop) -> None:
    """A model whose meta says that its rows are members is not listed, whatever is unique in it."""
    fresh.manifest(with_key("dim_customers", "id", "email"), {**subscribers(), "primary_key": ["customer_id"]})
    said = revetl("init", "--destination", "mailchimp", "--no-input", "--output", "json")
    assert json.loads(said.stdout)["model"] == "dim_customers"
    assert "subscribers" not in said.stderr


def test_who_is_found_by_an_address_needs_one(revetl: Revetl, fresh: Shop) -> None:
    """RVT-808 where no column looks like an address; --match names it; a field of one's own will do where it can."""
    fresh.manifest(with_key("orders", "order_id", "contact"))
    words = ("init", "--model", "orders", "--no-input", "--output", "json", "--destination")
    refused = revetl(*words, "mailchimp")
    assert refused.exit_code == 2
    assert "RVT-808" in refused.stderr
    assert "--match COLUMN" in refused.stderr
    assert not (fresh.root / "revetl.yml").exists()
    named = json.loads(revetl(*words, "mailchimp", "--match", "contact").stdout)
    assert "match: {email_address: contact}" in named["revetl_yml"]
    (fresh.root / "revetl.yml").unlink()
    own = revetl(*words, "hubspot")
    assert "match: {order_id: order_id}" in json.loads(own.stdout)["revetl_yml"]
    assert "must be unique there" in own.stderr


YAML = "models:\n  - name: dim_customers  # all\n    columns:\n      - name: id\n      - name: email\n"
BEGIN = ("init", "--destination", "mailchimp", "--model", "dim_customers")


@pytest.fixture
def described(fresh: Shop) -> Shop:
    """Return a project whose model is described in a YAML file."""
    (fresh.root / "models").mkdir()
    (fresh.root / "models" / "dim_customers.yml").write_text(YAML)
    return fresh


def test_without_anybody_to_ask_yaml_is_shown_and_not_changed(revetl: Revetl, described: Shop) -> None:
    """The diff is shown, the file as it was, and a word says how to have it; --write makes it, and twice is once."""
    file = described.root / "models" / "dim_customers.yml"
    done = revetl(*BEGIN, "--no-input")
    assert "+    config: {meta: {revetl: {kind: properties, entity: customer, key: id}}}" in done.stdout
    assert "--write" in done.stderr
    assert file.read_text() == YAML
    assert "changed models/dim_customers.yml" in revetl(*BEGIN, "--no-input", "--write").stdout
    (said,) = yaml.safe_load(file.read_text())["models"]
    assert said["columns"][1]["config"]["meta"]["revetl"] == {"pii": "email", "to": {"mailchimp": "email_address"}}
    once = file.read_text()
    assert revetl(*BEGIN, "--no-input", "--write").exit_code == 0
    assert file.read_text() == once


@pytest.mark.parametrize(("answer", "changed"), [("y", True), ("n", False), ("", False)])
def test_yaml_changes_once_a_person_agrees(
    revetl: Revetl, described: Shop, monkeypatch: pytest.MonkeyPatch, answer: str, changed: bool
) -> None:
    """The diff is shown first; anything but a yes leaves the file alone."""
    monkeypatch.setattr("revetl.cli.init.can_ask", lambda: True)
    done = revetl(*BEGIN, input=f"{answer}\n")
    assert done.exit_code == 0, done.output
    assert "+++ b/models/dim_customers.yml" in done.stdout
    assert ((described.root / "models" / "dim_customers.yml").read_text() != YAML) == changed


@pytest.mark.parametrize(("path", "text"), [("../out.yml", YAML), ("models/odd.yml", "models: ["), ("no.yml", None)])
def test_a_file_that_is_not_to_be_changed_is_left_to_people(
    revetl: Revetl, fresh: Shop, path: str, text: str | None
) -> None:
    """Outside of the project, no YAML, not there: the lines are shown with the reason, and nothing is written."""
    made = with_key("dim_customers", "id", "email")
    fresh.manifest({**made, "patch_path": f"shop://{path}"})
    if text is not None:
        (fresh.root / path).parent.mkdir(exist_ok=True)
        (fresh.root / path).write_text(text)
    done = revetl(*BEGIN, "--write")
    assert f"add to {path}:" in done.stdout
    assert "a person has to add the meta" in done.stderr
    assert text is None or (fresh.root / path).read_text() == text


def test_a_project_without_keys_says_what_to_add(revetl: Revetl, fresh: Shop) -> None:
    """RVT-803 names the tests that make a key."""
    fresh.manifest({**subscribers(), "primary_key": []})
    done = revetl("init", "--destination", "mailchimp", "--no-input")
    assert "error[RVT-803]" in done.stderr
    assert "data_tests: [unique, not_null]" in done.stderr


def test_without_a_manifest_dbt_comes_first(revetl: Revetl, fresh: Shop) -> None:
    """RVT-200 with the command that makes one."""
    (fresh.root / "target" / "manifest.json").unlink()
    done = revetl("init", "--no-input")
    assert "error[RVT-200]" in done.stderr
    assert "dbt" in done.stderr.partition("hint:")[2]

"""The wrong turns of the first ten minutes: each meets a code, what happened, and what to type next."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from revetl.cli.explained import TEXTS
from revetl.errors import CATALOG
from tests.unit.cli.shop import YML, Revetl, Shop, column, customers, model, subscribers

Turn = Callable[[Shop], None]


def no_manifest(shop: Shop) -> None:
    (shop.root / "target" / "manifest.json").unlink()


def no_revetl_yml(shop: Shop) -> None:
    (shop.root / "revetl.yml").unlink()


def folder_above(shop: Shop) -> None:
    (shop.root / "inner").mkdir()
    (shop.root / "dbt_project.yml").rename(shop.root / "inner" / "dbt_project.yml")


def no_profiles(shop: Shop) -> None:
    (shop.root / "profiles.yml").unlink()


def other_adapter(shop: Shop) -> None:
    (shop.root / "profiles.yml").write_text("shop: {target: dev, outputs: {dev: {type: bigquery, project: p}}}\n")


def variable_of_the_profile(shop: Shop) -> None:
    text = (shop.root / "profiles.yml").read_text().replace("shop.duckdb", "\"{{ env_var('SHOP_DB') }}\"")
    (shop.root / "profiles.yml").write_text(text)


def not_built(shop: Shop) -> None:
    pass


def bad_indentation(shop: Shop) -> None:
    shop.yml("version: 1\n destinations:\n")


def typo_in_revetl_yml(shop: Shop) -> None:
    shop.yml(YML.replace("syncs:", "sinks:"))


def no_target(shop: Shop) -> None:
    shop.yml(YML.replace("dev: sandbox", "dew: sandbox"))


def typo_in_meta(shop: Shop) -> None:
    shop.manifest(customers(column("band", too={"mailchimp": "BAND"})), subscribers())


def unknown_destination(shop: Shop) -> None:
    shop.manifest(customers(column("band", to={"mailshrimp": "BAND"})), subscribers())


def model_without_key(shop: Shop) -> None:
    meta = {"kind": "properties", "entity": "customer"}
    shop.manifest(model("customers", meta, column("customer_id")), subscribers())


def personal_data_unallowed(shop: Shop) -> None:
    shop.manifest(customers(column("phone", pii="phone", to={"mailchimp": "PHONE"})), subscribers())


def built(shop: Shop, *columns: str) -> None:
    texts = ", ".join(f"{name} VARCHAR" for name in ("email", *columns))
    with duckdb.connect(str(shop.root / "shop.duckdb")) as con:
        con.execute(f"CREATE TABLE customers (customer_id BIGINT, {texts})")
        con.execute("CREATE TABLE subscribers (customer_id BIGINT)")
        con.execute("INSERT INTO customers (customer_id, email) VALUES (1, 'one@post.example.net')")
        con.execute("INSERT INTO subscribers VALUES (1)")


def column_not_built(shop: Shop) -> None:
    built(shop)


def failed_test(shop: Shop) -> None:
    built(shop, "band")
    path = shop.root / "target" / "manifest.json"
    data = json.loads(path.read_text())
    data["nodes"]["test.shop.unique"] = {
        "unique_id": "test.shop.unique", "resource_type": "test", "name": "unique_customers_customer_id",
        "package_name": "shop", "original_file_path": "models/customers.yml", "fqn": ["shop", "u"], "config": {},
        "attached_node": "model.shop.customers", "column_name": "customer_id", "columns": {},
        "depends_on": {"nodes": ["model.shop.customers"]}, "test_metadata": {"name": "unique", "kwargs": {}},
    }  # fmt: skip
    path.write_text(json.dumps(data))
    result = {
        "unique_id": "test.shop.unique", "status": "fail", "failures": 3, "message": "Got 3 results",
        "timing": [{"name": "execute", "started_at": "2026-03-01T10:00:00Z", "completed_at": "2026-03-01T10:00:01Z"}],
    }  # fmt: skip
    results = {
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json",
                     "generated_at": "2026-03-01T10:00:02Z", "invocation_id": "i-1"},
        "args": {"which": "build"}, "results": [result],
    }  # fmt: skip
    (shop.root / "target" / "run_results.json").write_text(json.dumps(results))


def meta_that_dbt_has_not_read(shop: Shop) -> None:
    """Write meta to YAML; the manifest is older, and has none."""
    shop.manifest(model("customers", {}, column("customer_id")))
    (shop.root / "models").mkdir()
    (shop.root / "models" / "customers.yml").write_text("models:\n  - name: customers\n")
    os.utime(shop.root / "dbt_project.yml", (0, 0))  # it was there when dbt ran


TURNS: list[tuple[Turn, str, str, int, str]] = [
    # what happened, the command, its code, its exit code, what to type or write next
    (no_manifest, "plan", "RVT-200", 2, "dbt build"),
    (no_manifest, "init --no-input", "RVT-802", 2, "revetl check"),
    (no_revetl_yml, "plan", "RVT-101", 2, "revetl init"),
    (no_revetl_yml, "init --no-input --destination mailchimp", "RVT-803", 2, "data_tests: [unique, not_null]"),
    (folder_above, "plan", "RVT-400", 2, "--project-dir inner"),
    (no_profiles, "plan", "RVT-401", 2, "--profiles-dir DIR"),
    (other_adapter, "plan", "RVT-404", 2, "`postgres` and `snowflake`"),
    (variable_of_the_profile, "plan", "RVT-104", 2, "export SHOP_DB=…"),
    (not_built, "plan --target stage", "RVT-403", 2, "dev"),
    (not_built, "plan", "RVT-410", 2, "dbt build"),
    (not_built, "sync --first hubspot", "RVT-110", 2, "revetl ls"),
    (not_built, "plan --select nothing", "RVT-110", 2, "revetl ls"),
    (not_built, "plam", "RVT-100", 2, "did you mean plan?"),
    (not_built, "plan --taget dev", "RVT-100", 2, "--target"),
    (not_built, "sync --dry-run", "RVT-100", 2, "revetl plan"),
    (not_built, "sync --full-refresh", "RVT-100", 2, "revetl verify --repair"),
    (not_built, "plan --models customers", "RVT-100", 2, "--select"),
    (bad_indentation, "check", "RVT-102", 2, "check indentation"),
    (typo_in_revetl_yml, "check", "RVT-120", 2, "did you mean 'syncs'?"),
    (no_target, "check", "RVT-125", 0, "did you mean 'dew'?"),
    (typo_in_meta, "check", "RVT-301", 2, "did you mean 'to'?"),
    (unknown_destination, "check", "RVT-302", 2, "did you mean 'mailchimp'?"),
    (model_without_key, "check", "RVT-300", 2, "add `key: …`"),
    (personal_data_unallowed, "check", "RVT-307", 2, "allow_pii"),
    (column_not_built, "plan", "RVT-420", 2, "dbt build -s customers"),
    (column_not_built, "debug", "RVT-420", 2, "dbt build -s customers"),
    (meta_that_dbt_has_not_read, "check", "RVT-203", 2, "models/customers.yml"),
    (meta_that_dbt_has_not_read, "debug", "RVT-329", 2, "dbt parse, reads it"),
    (failed_test, "plan", "held by tests", 3, "dbt build"),
]  # fmt: skip


@pytest.fixture
def nowhere(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Return the project in an environment without a home of its own."""
    monkeypatch.setenv("HOME", str(shop.root / "home"))
    for name in [name for name in os.environ if name.startswith(("DBT_", "REVETL_"))]:
        monkeypatch.delenv(name)
    return shop


@pytest.mark.parametrize(
    ("turn", "words", "code", "exit_code", "then"), TURNS, ids=[f"{turn.__name__}-{words}" for turn, words, *_ in TURNS]
)
def test_each_wrong_turn_is_told(
    revetl: Revetl, nowhere: Shop, turn: Turn, words: str, code: str, exit_code: int, then: str
) -> None:
    """The code, what to type or write next, the exit code; never a traceback. ``explain`` has more of the code."""
    turn(nowhere)
    done = revetl(*words.split())
    said = " ".join(done.output.split())
    assert done.exit_code == exit_code, said
    assert code in said
    assert then in said
    assert "Traceback" not in said
    if code in CATALOG:
        told = revetl("explain", code).stdout
        assert " ".join(TEXTS[code].split()) in " ".join(told.split())


def test_two_runs_at_once(revetl: Revetl, nowhere: Shop) -> None:
    """The second is told who works since when, and to come again: exit 4."""
    built(nowhere, "band")
    (nowhere.root / ".revetl").mkdir(mode=0o700)
    (nowhere.root / ".revetl" / "dev").mkdir(mode=0o700)
    lock = Path(nowhere.root / ".revetl" / "dev" / "lock")
    lock.write_text(json.dumps({"pid": 4711, "started_at": "2026-03-01T10:00:00.123+00:00"}))
    with lock.open("r+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        done = revetl("sync")
    assert done.exit_code == 4
    assert "error[RVT-502]" in done.stderr
    assert "(pid 4711, since 2026-03-01T10:00:00 UTC)" in done.stderr
    assert "revetl status" in done.stderr.partition("hint:")[2]


def test_one_bad_sync_stops_no_other_in_a_plan(revetl: Revetl, nowhere: Shop) -> None:
    """A sync whose column is missing is shown as one that cannot run, beside those that can."""
    built(nowhere)
    nowhere.yml(YML + "  other: {type: mailchimp, targets: {dev: sandbox}, syncs: {customer: {entity: customer,\n"
                "    match: {email_address: email}, allow_pii: [email]}}}\n")  # fmt: skip
    email = column("email", pii="email", to={"mailchimp": "email_address", "other": "email_address"})
    person = customers(column("band", to={"mailchimp": "BAND"}))
    person["columns"]["email"] = email
    nowhere.manifest(person, subscribers())
    done = revetl("plan", "--output", "json")
    previews = {one["sync"]: one for one in json.loads(done.stdout)["syncs"]}
    assert done.exit_code == 2
    assert "RVT-420" in previews["mailchimp.customer"]["error"]
    assert (previews["other.customer"]["error"], previews["other.customer"]["rows"]) == (None, 1)


def test_every_explanation_is_of_a_code() -> None:
    """No text is left of a code that is gone, and each is a sentence or more."""
    assert [code for code in TEXTS if code not in CATALOG] == []
    assert [code for code, text in TEXTS.items() if not text.endswith((".", ")"))] == []

"""``init --from hightouch``: what its Git Sync wrote, drafted; what check says of the draft."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.cli.shop import Revetl, Shop, column, model

PEOPLE = ("id", "email", "first_name", "band")
CONTACTS = {
    "model": "dim-customers",
    "destination": "hub-spot-prod-x7k2",
    "schedule": {"type": "cron", "expression": "0 * * * *"},
    "config": {
        "type": "object", "object": "contacts", "mode": "upsert",
        "externalIdMapping": {"from": "email", "to": "email", "type": "standard"},
        "mappings": [{"from": "first_name", "to": "firstname", "type": "standard"}, {"from": "band", "to": "ltv_band"}],
        "customMappings": [{"to": "ht_last_sync_id", "type": "variable", "variable": "sync-id"},
                           {"to": "source", "type": "static", "value": "warehouse"}],
    },
}  # fmt: skip
MEMBERS = {
    "model": "dim-customers",
    "destination": "newsletter",
    "config": {"object": "member", "mode": "mirror", "fromId": "email", "mappings": [{"from": "band", "to": "BAND"}]},
}
READERS = {"model": "readers", "destination": "newsletter", "config": {"type": "segment", "listName": "Readers"}}


def written(folder: Path, **files: Any) -> Path:
    """Write files of a Git Sync: ``syncs__contacts`` is syncs/contacts.yaml."""
    for name, data in files.items():
        path = folder / f"{name.replace('__', '/').replace('_', '-')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return folder


@pytest.fixture
def old(shop: Shop) -> Path:
    """Return a folder of Git Sync beside a project that does not know revetl yet."""
    (shop.root / "revetl.yml").unlink()
    shop.manifest(model("dim_customers", {}, *(column(c) for c in PEOPLE)), model("readers", {}, column("id")))
    return written(
        shop.root / "hightouch",
        manifest_destinations={"destinations": {"newsletter": {"type": "mailchimp", "name": "Newsletter"}}},
        models__dim_customers={"name": "Customers", "primaryKey": "id", "rawSql": "select * from main.dim_customers"},
        models__readers={"name": "Readers", "primaryKey": "id", "table": "main.readers"},
        models__own={"name": "Own", "primaryKey": "id", "rawSql": "select id from main.dim_customers where band = 'x'"},
        syncs__contacts=CONTACTS, syncs__members=MEMBERS, syncs__readers=READERS,
        syncs__own={"model": "own", "destination": "newsletter", "config": {"mappings": []}},
        syncs__ads={"model": "readers", "destination": "some-ads", "config": {"mappings": []}},
        syncs__broken="{unclosed",
    )  # fmt: skip


def metas(shown: dict[str, Any]) -> dict[str, Any]:
    """Return model → its YAML, as shown."""
    found = [yaml.safe_load(one["meta"])["models"][0] for one in shown["metas"]]
    return {one["name"]: one for one in found}


def test_the_draft_passes_check(revetl: Revetl, shop: Shop, old: Path) -> None:
    """revetl.yml as written, with the meta as shown: a project without errors, with the syncs that were there."""
    done = revetl("init", "--from", "hightouch", "hightouch", "--output", "json")
    assert done.exit_code == 0, done.output
    said = metas(json.loads(done.stdout))
    models = []
    for name, columns in (("dim_customers", PEOPLE), ("readers", ("id",))):
        own = {c["name"]: c["config"]["meta"]["revetl"] for c in said[name].get("columns", ())}
        meta = said[name]["config"]["meta"]["revetl"]
        models.append(model(name, meta, *(column(c, **own.get(c, {})) for c in columns)))
    shop.manifest(*models)
    for target in ("dev", "prod"):
        checked = json.loads(revetl("check", "--output", "json", "--target", target).stdout)
        assert [p for p in checked["problems"] if p["severity"] == "error"] == []
        assert checked["syncs"] == ["hubspot.customer", "mailchimp.customer"]


def test_mappings_keys_constants_and_lists_are_taken_over(revetl: Revetl, shop: Shop, old: Path) -> None:
    """Two syncs of one model are one model's meta; identity, object, constants and the list are where they belong."""
    shown = json.loads(revetl("init", "--from", "hightouch", "hightouch", "--output", "json").stdout)
    people, readers = metas(shown)["dim_customers"], metas(shown)["readers"]
    to = {c["name"]: c["config"]["meta"]["revetl"] for c in people["columns"]}
    assert to["email"] == {"pii": "email", "to": {"hubspot": "email", "mailchimp": "email_address"}}
    assert to["first_name"] == {"pii": "name", "to": {"hubspot": "firstname"}}
    assert to["band"] == {"to": {"hubspot": "ltv_band", "mailchimp": "BAND"}}
    assert readers["config"]["meta"]["revetl"] == {
        "kind": "cohort", "entity": "customer", "key": "id", "to": {"mailchimp": "Readers"},
    }  # fmt: skip
    config = yaml.safe_load((shop.root / "revetl.yml").read_text())
    sync = config["destinations"]["hubspot"]["syncs"]["customer"]
    assert sync["match"] == {"email": "email"}
    assert sync["constants"] == {"source": "warehouse"}
    assert set(sync["allow_pii"]) == {"email", "name"}
    assert config["destinations"]["mailchimp"]["syncs"]["customer"]["object"] == "member"


def test_what_cannot_be_taken_over_is_told_by_name(revetl: Revetl, old: Path) -> None:
    """A variable, a mode, a query of its own, a tool that is unknown, a file that is no YAML: none stops the others."""
    said = " ".join(revetl("init", "--from", "hightouch", "hightouch").stderr.split())
    for part in (
        "contacts: ht_last_sync_id comes of a variable", "members: mode mirror is none of revetl's",
        "syncs/own.yaml: its model own is a query of its own (it reads main.dim_customers)",
        "ads: some-ads is no tool that revetl knows", "syncs/broken.yaml cannot be read",
    ):  # fmt: skip
        assert part in said


def test_meta_of_models_is_read_without_a_folder(revetl: Revetl, shop: Shop) -> None:
    """``meta.hightouch`` of the manifest: slug, primary key, destinations with their config."""
    (shop.root / "revetl.yml").unlink()
    people = model("dim_customers", {}, *(column(c) for c in PEOPLE))
    config = {"emailFrom": "email", "mappings": [{"from": "first_name", "to": "firstName"}]}
    where = {"id": 52407, "type": "iterable", "config": config}
    people["config"]["meta"] = {"hightouch": {"slug": "people", "primary_key": "id", "destinations": [where]}}
    shop.manifest(people)
    shown = json.loads(revetl("init", "--from", "hightouch", "--output", "json").stdout)
    assert shown["syncs"] == ["iterable.customer"]
    said = metas(shown)["dim_customers"]
    assert said["config"]["meta"]["revetl"]["key"] == "id"


@pytest.mark.parametrize("words", [["--from", "hightouch"], ["--from", "hightouch", "target"]])
def test_where_there_is_nothing_nothing_is_written(revetl: Revetl, shop: Shop, words: list[str]) -> None:
    """RVT-807 says what is looked for; no revetl.yml appears."""
    (shop.root / "revetl.yml").unlink()
    done = revetl("init", *words)
    assert done.exit_code == 2
    assert "error[RVT-807]" in done.stderr
    assert not (shop.root / "revetl.yml").exists()

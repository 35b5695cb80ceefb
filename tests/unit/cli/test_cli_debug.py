from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import orjson
import pytest

from revetl.contract import Call, Http, Reply
from revetl.destinations import registry
from revetl.engine.debugging import DebugFinding, debug
from revetl.engine.fielding import compare_fields, kind_of
from revetl.engine.workspace import Options, load
from revetl.send.ports import Lane
from revetl.send.wire import Completion
from revetl.types import RemoteField
from tests.unit.cli.shop import Revetl, Shop

KEY = "0123456789abcdef0123456789abcdef-us1"
Answer = Callable[[Http], Reply]


class ScriptedWire:
    """A wire whose every call is answered by a function at once; its clock stands still."""

    def __init__(self, answer: Answer) -> None:
        """Take the function."""
        self.answer = answer
        self.calls: list[str] = []
        self.done: list[Completion] = []

    def submit(self, ticket: int, lane: Lane, call: Call) -> None:
        """Answer the call."""
        del lane
        assert isinstance(call, Http)
        self.calls.append(f"{call.method} {call.path}")
        self.done.append(Completion(ticket, self.answer(call)))

    def collect(self, timeout: float | None) -> list[Completion]:
        """Return the answers there are."""
        del timeout
        done, self.done = self.done, []
        return done

    def now(self) -> float:
        """Return the time of day."""
        return 1_700_000_000.0

    def monotonic(self) -> float:
        """Return seconds."""
        return 0.0

    def close(self) -> None:
        """Have nothing to let go of."""


def mailchimp(*tags: tuple[str, str]) -> Answer:
    """Return an account whose audience has these merge fields: (tag, type)."""

    def answer(call: Http) -> Reply:
        if call.path.endswith("/merge-fields"):
            body = {"merge_fields": [{"tag": tag, "type": kind, "name": tag} for tag, kind in tags]}
            return Reply(200, orjson.dumps({**body, "total_items": len(tags)}))
        if "/lists/" in call.path:
            return Reply(200, orjson.dumps({"id": "a1", "name": "People"}))
        return Reply(200, orjson.dumps({"account_id": "acc", "account_name": "Shop"}))

    return answer


def refused(_: Http) -> Reply:
    """Answer as for a key that opens nothing."""
    return Reply(401, orjson.dumps({"status": 401, "title": "API Key Invalid", "detail": "no"}))


@pytest.fixture
def built(shop: Shop) -> Shop:
    """Return the project with its models in the warehouse."""
    with duckdb.connect(str(shop.root / "shop.duckdb")) as con:
        con.execute("CREATE TABLE customers AS SELECT 1 AS customer_id, 'a@example.org' AS email, 'low' AS band")
        con.execute("CREATE TABLE subscribers AS SELECT 1 AS customer_id")
    return shop


def tried(shop: Shop, answer: Answer, target: str = "prod", **env: str) -> dict[str, DebugFinding]:
    """Return the findings by name."""
    (shop.root / "profiles.yml").write_text(
        "shop: {target: dev, outputs: {dev: &d {type: duckdb, path: shop.duckdb}, prod: *d}}\n"
    )
    options = Options(project_dir=Path(), target=target, env={"HOME": str(shop.root), **env})
    return {finding.name: finding for finding in debug(options, wire=ScriptedWire(answer))}


def test_everything_works(built: Shop) -> None:
    """Every step is OK; settings name their variables, the account is named, no secret is in any text."""
    found = tried(built, mailchimp(("BAND", "text")), MC_KEY=KEY)
    assert [name for name, finding in found.items() if not finding.ok] == []
    assert list(found)[:6] == ["dbt_project.yml", "profiles.yml", "manifest.json", "revetl.yml", "syncs", "warehouse"]
    assert found["warehouse"].detail == "2 relations can be read"
    assert found["mailchimp: settings"].detail == "api_key from MC_KEY"
    assert found["mailchimp: account"].detail == "Shop: People (acc/a1)"
    assert KEY not in repr(found)


def test_a_missing_variable_is_named(built: Shop) -> None:
    """RVT-104 with what to export; the account is not asked without credentials."""
    found = tried(built, mailchimp())
    finding = found["mailchimp: settings"]
    assert (finding.ok, finding.code) == (False, "RVT-104")
    assert "MC_KEY" in finding.detail
    assert "mailchimp: account" not in found


def test_refused_credentials_are_a_finding(built: Shop) -> None:
    """A 401 fails the account's line with a remedy, and the fields are not asked for."""
    found = tried(built, refused, MC_KEY=KEY)
    assert found["mailchimp: account"].ok is False
    assert KEY not in repr(found)
    assert "mailchimp.customer: fields" not in found


def test_fields_that_do_not_fit_are_listed(built: Shop) -> None:
    """A missing field and one of another type are both said, in one finding."""
    found = tried(built, mailchimp(("OTHER", "text")), MC_KEY=KEY)
    assert found["mailchimp.customer: fields"].detail == "BAND does not exist there"
    found = tried(built, mailchimp(("BAND", "number")), MC_KEY=KEY)
    assert found["mailchimp.customer: fields"].detail == "BAND is of type number there, the column is VARCHAR"


def test_a_stand_in_needs_nothing(built: Shop) -> None:
    """A target that goes to the sandbox asks nobody."""
    found = tried(built, refused, target="dev")
    assert found["mailchimp"].ok is None
    assert all(finding.ok is not False for finding in found.values())


def test_each_missing_file_is_its_own_finding(revetl: Revetl, shop: Shop) -> None:
    """Without profile, manifest and revetl.yml there are three failures at once, each with a remedy, and exit 2."""
    for name in ("profiles.yml", "revetl.yml", "target/manifest.json"):
        (shop.root / name).unlink()
    done = revetl("debug", "--output", "json", env={"HOME": str(shop.root)})
    assert done.exit_code == 2, done.output
    found = json.loads(done.stdout)["findings"]
    assert [(f["name"], f["ok"], f["code"]) for f in found] == [
        ("dbt_project.yml", True, ""),
        ("profiles.yml", False, "RVT-401"),
        ("manifest.json", False, "RVT-200"),
        ("revetl.yml", False, "RVT-101"),
    ]
    assert all(f["remedy"] for f in found if f["ok"] is False)


def test_a_warehouse_that_is_not_built_is_a_finding(revetl: Revetl, shop: Shop) -> None:
    """The database is missing: FAIL with dbt build as the remedy; what else can be tried still is."""
    done = revetl("debug")
    assert done.exit_code == 2
    assert "FAIL  warehouse [RVT-410]" in done.stdout
    assert "dbt build" in done.stdout
    assert "mailchimp: goes to its local stand-in" in done.stdout


def test_debug_on_a_screen(revetl: Revetl, built: Shop) -> None:
    """One line a thing tried, and the verdict last."""
    done = revetl("debug")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "OK    dbt_project.yml: project shop"
    assert lines[-1] == "everything works"


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("VARCHAR", "text"), ("BIGINT", "integer"), ("DECIMAL(10,2)", "number"), ("BOOLEAN", "boolean"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp"), ("DATE", "date"), ("VARCHAR[]", "list"), ("UUID", "text"),
        ("STRUCT(a INTEGER)", "json"), ("not a type (", "text"),
    ],
)  # fmt: skip
def test_kinds_of_types(kind: str, word: str) -> None:
    """DuckDB's types in the words of remote fields."""
    assert kind_of(kind) == word


@pytest.mark.parametrize(
    ("field", "column", "said"),
    [
        (RemoteField("BAND", "text"), "BIGINT", None),
        (RemoteField("BAND", "number"), "BIGINT", None),
        (RemoteField("BAND", "integer"), "DOUBLE", "of type integer"),
        (RemoteField("BAND", "date"), "TIMESTAMP", None),
        (RemoteField("BAND", "boolean"), "VARCHAR", "of type boolean"),
        (RemoteField("BAND", "any"), "VARCHAR[]", None),
        (RemoteField("BAND", "text", writable=False), "VARCHAR", "cannot be written"),
        (RemoteField("band", "text"), "VARCHAR", "does not exist"),
    ],
)
def test_fields_compared(shop: Shop, field: RemoteField, column: str, said: str | None) -> None:
    """Names are case-sensitive, read-only fields are refused, types are compared where both are known."""
    (plan,) = load(Options(project_dir=Path(), env={"HOME": str(shop.root)})).syncs
    columns = {("model.shop.customers", "band"): column}
    fields = (RemoteField("email_address"), field)
    found = compare_fields(plan, registry()["mailchimp"], fields, columns)
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def test_a_required_field_that_nothing_fills_is_said(shop: Shop) -> None:
    """A required field without a mapping is a complaint, the match field is not."""
    (plan,) = load(Options(project_dir=Path(), env={"HOME": str(shop.root)})).syncs
    fields = (RemoteField("email_address", required=True), RemoteField("BAND"), RemoteField("FNAME", required=True))
    found = compare_fields(plan, registry()["mailchimp"], fields, {})
    assert found == ("FNAME is required there and nothing is mapped to it",)

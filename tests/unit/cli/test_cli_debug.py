from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import duckdb
import orjson
import pytest

from revetl import run
from revetl.contract import Call, Http, Reply
from revetl.destinations import registry
from revetl.engine.debugging import DebugFinding, debug
from revetl.engine.fielding import compare_fields, kind_of
from revetl.engine.fieldmaking import create_fields
from revetl.engine.workspace import Options, load
from revetl.sandbox import make
from revetl.send.ports import Lane
from revetl.send.wire import Completion, Wire
from revetl.types import RemoteField
from tests.unit.cli.shop import Revetl, Shop

KEY = "0123456789abcdef0123456789abcdef-us1"
Answer = Callable[[Http], Reply]


class ScriptedWire(Wire):
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


def test_a_file_of_variables_is_not_read(built: Shop) -> None:
    """A ``.env`` that lies in the project gives no variable: whoever may write a file there sets no credentials."""
    (built.root / ".env").write_text(f"MC_KEY={KEY}\n")
    assert tried(built, mailchimp())["mailchimp: settings"].code == "RVT-104"


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
    assert said is None or said in str(found[0])
    assert all(misfit.remedy for misfit in found)


def test_a_required_field_that_nothing_fills_is_said(shop: Shop) -> None:
    """A required field without a mapping is a complaint, the match field is not."""
    (plan,) = load(Options(project_dir=Path(), env={"HOME": str(shop.root)})).syncs
    fields = (RemoteField("email_address", required=True), RemoteField("BAND"), RemoteField("FNAME", required=True))
    found = compare_fields(plan, registry()["mailchimp"], fields, {})
    assert [str(misfit) for misfit in found] == ["FNAME is required there and nothing is mapped to it"]


def test_values_that_do_not_fit_are_counted(built: Shop) -> None:
    """Too long and no option of the field: each with its field, its rows and what to do, and no value is shown."""
    with duckdb.connect(str(built.root / "shop.duckdb")) as con:
        con.execute("INSERT INTO customers VALUES (2, 'b@example.org', repeat('x', 300)), (3, 'c@example.org', 'mid')")
    finding = tried(built, mailchimp(("BAND", "text")), MC_KEY=KEY)["mailchimp.customer: fields"]
    assert (finding.ok, finding.code) == (False, "RVT-430")
    assert finding.detail == "BAND refuses 1 row: longer than 255 characters"
    assert finding.remedy.startswith("BAND: mend the values in the model")
    answer = mailchimp(("BAND", "dropdown"))

    def choices(call: Http) -> Reply:
        reply = answer(call)
        if not call.path.endswith("/merge-fields"):
            return reply
        body = reply.json()
        body["merge_fields"][0]["options"] = {"choices": ["low", "high"]}
        return Reply(200, orjson.dumps(body))

    finding = tried(built, choices, MC_KEY=KEY)["mailchimp.customer: fields"]
    assert finding.detail == "BAND refuses 2 rows: not one of the options"
    assert "mid" not in repr(finding)


def test_what_create_fields_would_make_is_known(built: Shop) -> None:
    """A missing field is said to be one that can be made, with the type that the column asks for."""
    finding = tried(built, mailchimp(("OTHER", "text")), MC_KEY=KEY)["mailchimp.customer: fields"]
    assert finding.creatable == (RemoteField("BAND", "text"),)
    assert "--create-fields" in finding.remedy


class Audience:
    """The stand-in's audience; ``account`` is what it says of whose it is."""

    def __init__(self, account: str = "acc") -> None:
        """Begin with an audience that has no field of ours."""
        self.account, self.box = account, make("mailchimp", api_key=KEY, list_id="a1", keep_bodies=True)

    def __call__(self, call: Http) -> Reply:
        """Answer a call."""
        headers = {"content-type": call.content_type, **dict(call.headers)}
        status, answered, body = self.box.handle(
            call.method, call.path, urlencode(call.query), headers, call.content or b""
        )
        if call.path in {"/3.0/", "/"}:
            body = orjson.dumps({"account_id": self.account, "account_name": "Shop"})
        return Reply(status, body, {name.lower(): value for name, value in answered.items()})

    @property
    def made(self) -> list[str]:
        """Return the tags of the fields that were made."""
        entries = (e for e in self.box.journal if e["method"] == "POST" and e["path"].endswith("/merge-fields"))
        return [orjson.loads(entry["body"])["tag"] for entry in entries]

    @property
    def bands(self) -> list[str]:
        """Return the bands that members have."""
        members = self.box.store["lists"]["a1"]["members"].values()
        return [member["merge_fields"]["BAND"] for member in members]


def making(shop: Shop, audience: Audience) -> list[DebugFinding]:
    """Return what became of making the fields that debug found missing."""
    options = Options(project_dir=Path(), target="prod", env={"HOME": str(shop.root), "MC_KEY": KEY})
    (shop.root / "profiles.yml").write_text(
        "shop: {target: dev, outputs: {dev: &d {type: duckdb, path: shop.duckdb}, prod: *d}}\n"
    )
    found = [f for f in debug(options, wire=ScriptedWire(audience)) if f.creatable]
    return create_fields(options, found, wire=ScriptedWire(audience))


def test_fields_are_made(built: Shop) -> None:
    """What is missing is made once, and debug finds nothing to complain of any more."""
    audience = Audience()
    assert [(f.ok, f.detail) for f in making(built, audience)] == [(True, "BAND (text)")]
    assert audience.made == ["BAND"]
    assert making(built, audience) == []


def test_a_sync_makes_fields_where_it_is_told_to(built: Shop) -> None:
    """Without --create-fields a missing field keeps the sync from sending (RVT-430); with it, it is made first."""
    (built.root / "profiles.yml").write_text(
        "shop: {target: dev, outputs: {dev: &d {type: duckdb, path: shop.duckdb}, prod: *d}}\n"
    )
    env = {"HOME": str(built.root), "MC_KEY": KEY}
    options = Options(project_dir=Path(), target="prod", env=env, first=("mailchimp",))
    audience = Audience()
    (held,) = run.sync(options, wire=ScriptedWire(audience)).syncs
    assert "RVT-430" in str(held.error)
    assert "--create-fields" in str(held.error)
    assert (audience.made, audience.bands) == ([], [])
    run.sync(replace(options, create_fields=True), wire=ScriptedWire(audience))
    assert audience.made == ["BAND"]
    assert audience.bands == ["low"]


def test_no_field_is_made_in_another_account(built: Shop) -> None:
    """A sync that belongs to one account makes nothing where the credentials open another one."""
    first, other = Audience(), Audience("other")
    options = Options(project_dir=Path(), target="prod", env={"HOME": str(built.root), "MC_KEY": KEY})
    making(built, first)
    run.sync(replace(options, first=("mailchimp",)), wire=ScriptedWire(first))
    assert first.bands == ["low"]
    (finding,) = making(built, other)
    assert (finding.ok, finding.code) == (False, "RVT-431")
    assert other.made == []


def test_nothing_is_sent_to_another_account(built: Shop) -> None:
    """A sync whose credentials open another account than at first sends nothing there, and names both."""
    first, other = Audience(), Audience("other")
    making(built, first)
    options = Options(project_dir=Path(), target="prod", env={"HOME": str(built.root), "MC_KEY": KEY})
    run.sync(replace(options, first=("mailchimp",)), wire=ScriptedWire(first))
    other.made.append("BAND")
    with duckdb.connect(str(built.root / "shop.duckdb")) as con:
        con.execute("UPDATE customers SET band = 'high'")
    done = run.sync(options, wire=ScriptedWire(other))
    assert "RVT-431" in str(done.syncs[0].error)
    assert (done.exit_code, other.bands) == (3, [])  # as for all that a guard holds


def test_create_fields_asks_first(revetl: Revetl, built: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal and without --yes nothing is made, and exit 2 says how to agree."""
    wanted = DebugFinding("mailchimp.customer: fields", False, "BAND does not exist there", "", "RVT-430",
                          "mailchimp.customer", (RemoteField("BAND", "text"),))  # fmt: skip
    monkeypatch.setattr("revetl.engine.debugging.debug", lambda _: (wanted,))
    made: list[object] = []

    def make(_: Options, found: list[DebugFinding]) -> list[DebugFinding]:
        made.append(found)
        return []

    monkeypatch.setattr("revetl.engine.fieldmaking.create_fields", make)
    done = revetl("debug", "--create-fields")
    assert (done.exit_code, "RVT-804" in done.stderr, made) == (2, True, [])
    assert "would be made for mailchimp.customer: BAND (text)" in done.stderr
    revetl("debug", "--create-fields", "--yes")
    assert len(made) == 1


def test_a_plan_says_what_does_not_fit(built: Shop) -> None:
    """A mapping that was never held against the fields is: by name, with the remedy; offline nobody is asked."""
    (built.root / "profiles.yml").write_text(
        "shop: {target: dev, outputs: {dev: &d {type: duckdb, path: shop.duckdb}, prod: *d}}\n"
    )
    options = Options(project_dir=Path(), target="prod", env={"HOME": str(built.root), "MC_KEY": KEY})
    wire = ScriptedWire(mailchimp(("OTHER", "text")))
    (preview,) = run.plan(options, wire=wire).previews
    assert any(note.startswith("BAND does not exist there (") for note in preview.notes)
    silent = ScriptedWire(refused)
    assert run.plan(replace(options, offline=True), wire=silent).previews
    assert silent.calls == []

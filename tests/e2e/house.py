"""A built shop with stand-ins of its own behind real HTTP: what the end-to-end tests live in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from revetl import run
from revetl.engine.session import utc_now
from revetl.engine.workspace import Options, Plan
from revetl.sandbox import Sandbox, make
from revetl.sandbox.server import serve
from revetl.types import RunResult, SyncResult
from tests.e2e import warm

MAIL, CRM = "mailchimp.customer", "hubspot.customer"
BOXES = ("hubspot", "mailchimp")
# a log that nobody reads costs a sixth of a build
TACIT = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_LOG_LEVEL_FILE": "none"}
COLD = (sys.executable, "-c", "from revetl.cli import main; main()")  # revetl, as it starts by itself
Row = tuple[Any, ...]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what the user set for dbt, git and revetl."""
    own = ("DBT_", "GIT_", "REVETL_", "GITHUB_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)} | more


def dbt(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run dbt as a program in ``root``."""
    program = shutil.which("dbt", path=warm.path())
    if program is None:
        pytest.skip("dbt is not installed")
    command = [program, "--no-use-colors", *words, "--profiles-dir", "."]
    return subprocess.run(command, cwd=root, env=environment(**TACIT), capture_output=True, text=True, check=False)


def built(root: Path, *words: str) -> None:
    """Run dbt, which must go well."""
    done = dbt(root, *words)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def spawn(root: Path, *words: str, env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start ``revetl`` as a program of its own."""
    pipe = subprocess.PIPE
    return subprocess.Popen([*COLD, *words], cwd=root, env=dict(env), stdout=pipe, stderr=pipe, text=True)


def revetl(root: Path, *words: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run ``revetl`` as a program to its end; it starts warm where nothing is about how it starts."""
    program = shutil.which("revetl", path=str(warm.folder())) if warm.fits(env) else None
    command = [program] if program is not None else COLD
    return subprocess.run(
        [*command, *words], cwd=root, env=dict(env), capture_output=True, text=True, check=False, timeout=240
    )


@dataclass
class House:
    """One built project, its target's state, and the stand-ins it syncs to."""

    root: Path
    boxes: Mapping[str, Sandbox]
    origin: str
    marks: dict[str, int] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    # --- running ----------------------------------------------------------------------------------------------------

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of a run here."""
        return environment(REVETL_SANDBOX=self.origin, **self.variables)

    def options(self, **more: Any) -> Options:
        """Return options of a run on this project."""
        more = {"env": self.env, **more}
        return Options(project_dir=self.root, profiles_dir=self.root, **more)

    def sync(self, clock: Callable[[], datetime] = utc_now, **more: Any) -> RunResult:
        """Run a sync in this process; what the stand-ins receive from now on is new."""
        self.mark()
        return run.sync(self.options(**more), clock=clock)

    def plan(self, **more: Any) -> Plan:
        """Return what a sync would do."""
        return run.plan(self.options(**more))

    def program(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``revetl`` as a program on this project."""
        return revetl(self.root, *words, "--project-dir", str(self.root), env=self.env)

    # --- the models -------------------------------------------------------------------------------------------------

    def sql(self, *statements: str) -> None:
        """Change the models as a later build would."""
        with duckdb.connect(str(self.root / "shop.duckdb")) as con:
            con.execute("SET TimeZone = 'UTC'")
            for statement in statements:
                con.execute(statement)

    def rows(self, query: str) -> list[Row]:
        """Ask the models."""
        with duckdb.connect(str(self.root / "shop.duckdb"), read_only=True) as con:
            return con.execute(query).fetchall()

    def first(self, query: str) -> Any:
        """Return the first value of an answer of the models."""
        return self.rows(query)[0][0]

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace one piece of a file, which must be there once."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, (path, old)
        file.write_text(text.replace(old, new), encoding="utf-8")

    # --- the stand-ins ----------------------------------------------------------------------------------------------

    def mark(self) -> None:
        """Take everything received so far for old."""
        self.marks = {name: box.received for name, box in self.boxes.items()}

    def received(self, *names: str) -> list[dict[str, Any]]:
        """Return every request since the mark, of all stand-ins or of those named."""
        chosen = names or tuple(self.boxes)
        return [e for name in chosen for e in list(self.boxes[name].journal) if e["n"] > self.marks.get(name, 0)]

    def writes(self, *names: str) -> list[dict[str, Any]]:
        """Return the requests since the mark that can change something there."""
        return [e for e in self.received(*names) if e["method"] != "GET" and not e["path"].endswith("/batch/read")]

    @property
    def audience(self) -> dict[str, Any]:
        """Return Mailchimp's audience as it is kept."""
        (found,) = self.boxes["mailchimp"].dump()["store"]["lists"].values()
        return dict(found)

    def members(self, status: str | None = "subscribed") -> dict[str, dict[str, Any]]:
        """Return Mailchimp's members by address, those of one status or all."""
        found = (one for one in self.audience["members"].values() if status in {None, one["status"]})
        return {one["email_address"]: one for one in found}

    def tagged(self, label: str) -> set[str]:
        """Return the addresses of a Mailchimp tag's members."""
        audience = self.audience
        for tag in audience["segments"].values():
            if tag["name"] == label:
                return {audience["members"][contact]["email_address"] for contact in tag["members"]}
        return set()

    def contacts(self) -> dict[str, dict[str, str]]:
        """Return HubSpot's contacts: properties by address."""
        records = self.boxes["hubspot"].dump()["store"]["objects"]["contacts"]["records"].values()
        return {one["properties"].get("email", ""): one["properties"] for one in records}

    def listed(self, label: str) -> set[str]:
        """Return the addresses of a HubSpot list's members."""
        store = self.boxes["hubspot"].dump()["store"]
        records = store["objects"]["contacts"]["records"]
        held = (one["members"] for one in store["lists"].values() if one["name"] == label)
        return {records[number]["properties"]["email"] for members in held for number in members}

    # --- what should be ---------------------------------------------------------------------------------------------

    def wanted_members(self) -> dict[str, str]:
        """Return who belongs into Mailchimp, and their band, by the models alone."""
        return dict(self.rows(
            "select c.email, c.lifetime_value_band from customers c where c.email is not null "
            "and c.customer_id in (from newsletter_subscribers) and c.customer_id not in (from employees)"
        ))  # fmt: skip

    def wanted_cohort(self, cohort: str, *, readers: bool) -> set[str]:
        """Return who belongs to a cohort there; ``readers``: in Mailchimp, else in HubSpot."""
        mail = "and c.customer_id in (from newsletter_subscribers)" if readers else ""
        return {row[0] for row in self.rows(
            f"select c.email from customers c where c.email is not null and c.customer_id in (from {cohort}) "
            f"and c.customer_id not in (from employees) {mail}"
        )}  # fmt: skip

    def agrees(self) -> None:
        """Assert that both stand-ins hold exactly what the models say."""
        wanted = self.wanted_members()
        assert {a: m["merge_fields"].get("LTV_BAND") for a, m in self.members().items()} == wanted
        for cohort, label in (("high_value_customers", "High Value"), ("churn_risk_customers", "Churn Risk")):
            assert self.tagged(label) & set(wanted) == self.wanted_cohort(cohort, readers=True)
            assert self.listed(label) == self.wanted_cohort(cohort, readers=False)
        people: dict[str, str] = dict(self.rows(
            "select email, lifetime_value_band from customers where email is not null "
            "and customer_id not in (from employees)"
        ))  # fmt: skip
        found = self.contacts()
        assert {address: found.get(address, {}).get("ltv_band") for address in people} == people

    def reader(self, number: int = 0, where: str = "true") -> tuple[int, str]:
        """Return (customer_id, address) of one whom Mailchimp knows."""
        found = self.rows(
            "select customer_id, email from customers where email is not null and customer_id in "
            "(from newsletter_subscribers) and customer_id not in (from employees) and email not like '%company%' "
            f"and ({where}) order by customer_id"
        )
        return found[number][0], found[number][1]


def of(result: RunResult, sync: str) -> SyncResult:
    """Return one sync's part of a result."""
    return next(one for one in result.syncs if one.sync == sync)


def sent_rows(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows that batch calls of both vendors carried."""
    bodies = [orjson.loads(entry["body"]) for entry in entries if entry.get("body")]
    found = (body.get("members") or body.get("inputs") or [] for body in bodies if isinstance(body, dict))
    return [row for rows in found for row in rows]


@contextmanager
def lived_in(source: Path, root: Path, **options: Mapping[str, Any]) -> Iterator[House]:
    """Copy a built project (with its state and its stand-ins' accounts, if it has any) to ``root`` and serve it.

    ``options`` are those of stand-ins; one that is named in them is served beside the shop's own.
    """
    shutil.copytree(source, root, symlinks=True)
    boxes = [make(name, keep_bodies=True, **options.get(name, {})) for name in dict.fromkeys((*BOXES, *options))]
    accounts = root / "accounts.json"
    if accounts.exists():
        kept = orjson.loads(accounts.read_bytes())
        for box in boxes:
            box.load(kept[box.name])
    with serve(boxes) as server:
        yield House(root, {box.name: box for box in boxes}, f"http://{server.host}:{server.port}")

"""The question that all of this is for: "Why did I receive this message yesterday at noon?" — asked of the demo."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from revetl.engine.why import SyncAnswer, why
from revetl.engine.workspace import load
from tests.e2e.house import CRM, MAIL, House

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HIGH = "high_value_customers"


def commit(house: House, message: str) -> str:
    """Commit the project as it stands; return the commit."""
    git = ["git", "-c", "user.name=shop", "-c", "user.email=shop@example.org"]
    subprocess.run([*git, "init", "-q"], cwd=house.root, check=True)
    subprocess.run([*git, "add", "models", "revetl.yml"], cwd=house.root, check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", message], cwd=house.root, check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], cwd=house.root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def story(fresh: House) -> tuple[House, int, str, str]:
    """Somebody of high value at nine; at three they are so no more. Return house, key, address and the first commit."""
    house = fresh
    first = commit(house, "the cohort of high value")
    key, address = house.reader(0, f"customer_id in (from {HIGH})")
    assert house.sync(clock=lambda: NOON - timedelta(hours=3)).exit_code == 0
    commit(house, "something else")
    house.sql(f"delete from {HIGH} where customer_id = {key}")
    house.sync(clock=lambda: NOON + timedelta(hours=3))
    assert address not in house.tagged("High Value")
    return house, key, address, first


def asked(house: House, text: str, at: datetime | None) -> dict[str, SyncAnswer]:
    """Return the answers about the customer by sync."""
    found = why(load(house.options()), text, at=at)
    return {one.sync: one for one in found.syncs if one.sync in {MAIL, CRM}}


def test_at_noon(story: tuple[House, int, str, str]) -> None:
    """By address: a member of the cohort then, since which run, of which commit, dbt invocation and model; at both."""
    house, key, address, first = story
    then = asked(house, address, NOON)
    assert set(then) == {MAIL, CRM}
    for answer in then.values():
        assert answer.key == f"[{key}]"
        assert HIGH in answer.belief.cohorts
        origin = answer.introduced["cohort", HIGH]
        assert (origin.at, origin.git_commit) == (NOON - timedelta(hours=3), first)
        assert origin.dbt_invocation
        assert answer.reason.code == "as_of"
        (join,) = [step for step in answer.steps if step.flow.op == "join" and step.flow.cohort == HIGH]
        assert join.standing
        models = {model.model: model.checksum for model in join.models}
        assert models[HIGH] == load(house.options()).project.nodes[f"model.shop.{HIGH}"].checksum
        assert models[HIGH]
        assert not any(address in str(step) for step in answer.steps)


def test_since_then(story: tuple[House, int, str, str]) -> None:
    """Now: no member; when they left the cohort, and that the destination acknowledged it."""
    house, _, address, _ = story
    for answer in asked(house, address, None).values():
        assert HIGH not in answer.belief.cohorts
        (stay,) = [stay for stay in answer.belief.memberships if stay.cohort == HIGH]
        assert (stay.since, stay.until) == (NOON - timedelta(hours=3), NOON + timedelta(hours=3))


def test_as_a_program(story: tuple[House, int, str, str]) -> None:
    """As people type it: both destinations side by side, the timeline, one cohort; the address is not said again."""
    house, key, address, first = story
    at = "2026-11-20T12:00Z"
    shown = house.program("why", address, "--at", at)
    assert shown.returncode == 0, shown.stderr
    assert f"{MAIL} [{key}]" in shown.stdout
    assert first[:12] in shown.stdout
    assert address not in shown.stdout
    line = house.program("why", address, "--timeline", "--to", "mailchimp").stdout
    assert line.index("join high_value_customers") < line.index("part high_value_customers")
    one = house.program("why", str(key), "--to", MAIL, "--cohort", "High Value", "--output", "json")
    (answer,) = json.loads(one.stdout)["syncs"]
    assert answer["reason"]["code"] == "parted"
    assert [step["flow"]["op"] for step in answer["steps"]] == ["join", "part"]


def test_export_and_flows(story: tuple[House, int, str, str]) -> None:
    """An access request has all that was sent in clear as far as it stands; the draft has recipients and no row."""
    house, key, address, _ = story
    done = house.program("export", address, "--output", "json")
    assert done.returncode == 0, done.stderr
    parts = {part["sync"]: part for part in json.loads(done.stdout)["person"]["syncs"]}
    assert parts[MAIL]["identities"] == [address]
    assert parts[MAIL]["key"] == [key]
    sent = [flow["values"] for flow in parts[CRM]["sent"] if flow["operation"] == "upsert"]
    assert address in str(sent)
    assert house.program("export", address, "--file", "person.json").returncode == 0
    assert (house.root / "person.json").stat().st_mode & 0o077 == 0
    draft = house.program("flows")
    assert draft.returncode == 0, draft.stderr
    assert "## Mailchimp: customer (mailchimp.customer)" in draft.stdout
    assert "| email_address | customers.email | email |" in draft.stdout
    assert "@example.org" not in draft.stdout

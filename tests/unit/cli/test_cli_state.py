"""The commands that read and mend a target's state, as a person calls them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.cli.shop import Revetl, Shop
from tests.unit.state.written import MAIL, NOON, Sent, Written

FULL: dict[str, object] = {"email_address": "a@example.org", "LTV_BAND": "low"}


@pytest.fixture
def state(shop: Shop) -> Written:
    """The state of the shop: one record delivered, one refused, an orphaned field LTV_BAND."""
    made = Written(shop.root / ".revetl" / "dev").make(MAIL)
    made.run(
        "r1",
        Sent('["c1"]', body=FULL, band="low"),
        Sent('["c2"]', m="b@example.org", body=FULL, status="rejected", code="FAKE", reason="looks \x1b[31mfake"),
        commit="abc123",
    )
    return made


def found(revetl: Revetl, *words: str) -> dict[str, object]:
    """Return the document that a command writes."""
    shown = revetl(*words, "--target", "dev", "--output", "json")
    assert shown.exit_code == 0, shown.output
    whole: dict[str, object] = json.loads(shown.stdout)
    return whole


def test_status(state: Written, revetl: Revetl) -> None:
    """Backlog, orphans and how to settle them are shown; the document has the same facts."""
    shown = revetl("status")
    assert shown.exit_code == 0, shown.output
    assert MAIL in shown.stdout
    assert f"revetl retire {MAIL}.LTV_BAND --keep" in shown.stdout
    whole = found(revetl, "status")
    assert whole["orphans"] == [{"sync": MAIL, "kind": "field", "name": "LTV_BAND", "now": None}]
    assert whole["clean"] is False
    assert whole["syncs"][0]["backlog"]["rejected"] == 1  # type: ignore[index]


def test_errors(state: Written, revetl: Revetl) -> None:
    """A rejected row has reason, remedy and next try, and no escape reaches the terminal."""
    shown = revetl("errors")
    assert "FAKE: looks fake" in " ".join(shown.stdout.split())
    assert "\x1b" not in shown.stdout
    whole = found(revetl, "errors", "-s", MAIL)
    assert whole["total"] == 1
    assert "--retry" in whole["rejected"][0]["remedy"]  # type: ignore[index]


def test_log(state: Written, revetl: Revetl, tmp_path: Path) -> None:
    """The ledger is searched by key, by address and by outcome, exported and verified."""
    assert [f["key"] for f in found(revetl, "log", "c1")["flows"]] == ['["c1"]']  # type: ignore[attr-defined]
    assert [f["key"] for f in found(revetl, "log", "B@example.org")["flows"]] == ['["c2"]']  # type: ignore[attr-defined]
    assert found(revetl, "log", "--outcome", "unknown")["flows"] == []
    assert found(revetl, "log", "--since", "2026-11-20T12:00:01Z")["flows"] == []
    assert found(revetl, "log", "--export", "out.csv")["exported"] == 2
    assert "example.org" not in (tmp_path / "out.csv").read_text()
    assert found(revetl, "log", "--verify")["links"] == 1
    assert revetl("log").exit_code == 0
    (state.directory / "ledger" / "r1.parquet").unlink()
    broken = revetl("log", "--verify")
    assert broken.exit_code == 2
    assert "r1.parquet is missing" in broken.stdout


def test_why(state: Written, revetl: Revetl) -> None:
    """The answer ends in a reason; the address that was asked for is not repeated from any record."""
    shown = revetl("why", "a@example.org", "--to", "mailchimp", "--at", "2026-11-20T12:30Z")
    assert shown.exit_code == 0, shown.output
    words = " ".join(shown.stdout.split())
    assert "reason: at 2026-11-20 12:30:00Z it stood as run r1 had left it" in words
    assert "abc123" in words
    assert "•••" in words
    assert "a@example.org" not in words
    whole = found(revetl, "why", "c2")
    assert whole["syncs"][0]["reason"]["code"] == "rejected"  # type: ignore[index]
    assert found(revetl, "why", "c1", "--at", "2026-11-20T12:30Z")["syncs"][0]["introduced"]["fields"][  # type: ignore[index]
        "LTV_BAND"
    ] == {"run": "r1", "at": NOON.isoformat(), "git_commit": "abc123", "dbt_invocation": "dbt-of-r1"}
    assert revetl("why", "c1", "--at", "noonish").exit_code == 2


def test_approve_retire_recover(state: Written, revetl: Revetl) -> None:
    """State is changed only as asked: an approval with a name, a field forgotten, everything in doubt."""
    made = found(revetl, "approve", MAIL, "--guard", "max_leave", "--up-to", "3", "--reason", "spring cleaning")
    assert made["approval"]["up_to"] == 3  # type: ignore[index]
    assert "@" in made["approval"]["who"]  # type: ignore[index]
    assert revetl("approve", MAIL, "--guard", "max_leave", "--reason", "x").exit_code == 2
    assert revetl("retire", f"{MAIL}.LTV_BAND").exit_code == 2
    assert revetl("retire", f"{MAIL}.LTV_BAND", "--clear").exit_code == 2
    assert found(revetl, "retire", f"{MAIL}.LTV_BAND", "--keep")["retired"] == [
        {"sync": MAIL, "kind": "field", "name": "LTV_BAND", "rows": 1}
    ]
    state.now += timedelta(hours=1)
    recovered = found(revetl, "recover")["recovery"]
    assert recovered["syncs"] == [{"sync": MAIL, "records": 1, "members": 0}]  # type: ignore[index]
    assert recovered["needed"] is False  # type: ignore[index]


def test_before_the_first_run(shop: Shop, revetl: Revetl) -> None:
    """Every reading command has an answer where nothing was ever synced, and makes no directory."""
    for words in (["status"], ["errors"], ["log"], ["why", "c1"]):
        shown = revetl(*words)
        assert shown.exit_code == 0, shown.output
        assert "no state yet" in shown.output
    assert not (shop.root / ".revetl").exists()


def test_sizes_of_cohorts(revetl: Revetl, shop: Shop) -> None:
    """``status`` and ``ls`` show how many members a cohort has, and how that went; without a state, nothing."""
    assert found(revetl, "ls")["cohorts"][0]["sizes"] == []  # type: ignore[index]
    made = Written(shop.root / ".revetl" / "dev").make(MAIL)
    joined = [Sent(f'["c{n}"]', "join", f"c{n}@example.org", cohort="subscribers") for n in range(4)]
    made.run("r1", *joined[:1])
    made.run("r2", *joined[1:], after=60)
    made.run("r3", Sent('["c1"]', "part", "c1@example.org", cohort="subscribers"), after=60)
    assert "cohort subscribers: 3 members  ▁█▆" in revetl("status").stdout
    assert found(revetl, "status")["syncs"][0]["cohorts"] == {"subscribers": [1, 4, 3]}  # type: ignore[index]
    assert found(revetl, "ls")["cohorts"][0]["sizes"] == [1, 4, 3]  # type: ignore[index]

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from revetl import run
from revetl.engine.workspace import Plan
from revetl.types import (
    Cause,
    Count,
    Held,
    Op,
    Problem,
    Progress,
    RunResult,
    Sample,
    SyncPreview,
    SyncResult,
)
from tests.unit.cli.shop import Revetl, Shop

HELD = Held(
    "mailchimp.customer", "max_leave", "1,240 of 5,000 records would leave, 500 may", stops=False, found=1240,
    allowed=500, total=5000, sample=('["c-1"]',), hash="abc123",
    release="revetl approve mailchimp.customer --guard max_leave --up-to 1240 --for 24h",
)  # fmt: skip
DIFFERS = {"BAND": ("low", "high"), "X": (None, "[red]new"), "Y": ("old", None)}
PREVIEW = SyncPreview(
    "mailchimp.customer", rows=5000, known=4990,
    counts=(
        Count(Op.UPSERT, Cause.DATA, None, 12),
        Count(Op.UPSERT, Cause.MAPPING, None, 3000),
        Count(Op.JOIN, Cause.DATA, "high_value", 3),
    ),
    samples=(
        Sample('["c-1"]', Op.UPSERT, Cause.DATA, None, DIFFERS),
        Sample('["c-2"]', Op.UPSERT, Cause.DATA, None, {"EMAIL": ("•••", "•••")}),
    ),
    calls=7, seconds=3.2, unmatched=2, notes=("3 tests did not run",),
)  # fmt: skip
START = datetime(2026, 3, 1, 10, tzinfo=UTC)
RESULT = RunResult(
    "r-1",
    "dev",
    START,
    START + timedelta(seconds=12),
    (SyncResult("mailchimp.customer", rows=5000, delivered=15, calls=1),),
    0,
)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace the flow: ``plan`` and ``sync`` return what stands here and note what they were asked."""
    box: dict[str, Any] = {"plan": Plan("dev", (), (PREVIEW,)), "sync": RESULT, "beats": ()}

    def answer(name: str) -> Any:
        def flow(options: Any, *, on_event: Any, stop: Any = None) -> Any:
            box["options"], box["stop"] = options, stop
            for beat in box["beats"]:
                on_event(beat)
            return box[name]

        return flow

    monkeypatch.setattr(run, "plan", answer("plan"))
    monkeypatch.setattr(run, "sync", answer("sync"))
    return box


def test_plan_shows_counts_by_operation_and_cause_and_samples_as_a_diff(
    revetl: Revetl, shop: Shop, engine: dict[str, Any]
) -> None:
    """Rows, operations with cause and cohort, before and after of a sample, notes; no text from outside is markup."""
    done = revetl("plan")
    assert done.exit_code == 0, done.output
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "mailchimp.customer 5,000 4,990 3,015 7 3.2 s" in lines
    assert "12 create or update · data" in lines
    assert "3,000 create or update · mapping (backfill, sent last)" in lines
    assert "3 join high_value · data" in lines
    at = lines.index("- BAND: low")
    assert lines[at : at + 5] == ["- BAND: low", "+ BAND: high", "+ X: [red]new", "- Y: old", "+ Y: (empty)"]
    assert "~ EMAIL: •••" in lines
    assert any("2 rows without a match value" in line for line in lines)
    assert "note: 3 tests did not run" in lines


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (Plan("dev", (), (PREVIEW,)), 0),
        (Plan("dev", (), (replace(PREVIEW, held=(HELD,)),)), 3),
        (Plan("dev", (), (replace(PREVIEW, held=(HELD,)),), (Problem("RVT-302", "x"),)), 2),
    ],
)
def test_exit_codes_of_plan(revetl: Revetl, shop: Shop, engine: dict[str, Any], found: Plan, code: int) -> None:
    """What cannot run goes before what would be held, and that before all is well."""
    engine["plan"] = found
    assert revetl("plan").exit_code == code
    assert json.loads(revetl("plan", "--output", "json").stdout)["exit_code"] == code


def test_what_is_held_says_what_releases_it(revetl: Revetl, shop: Shop, engine: dict[str, Any]) -> None:
    """The guard, the reason, a sample of keys, the command that releases it, in one line, and the hash for once."""
    engine["sync"] = replace(RESULT, syncs=(SyncResult("mailchimp.customer", held=(HELD,), exit_code=3),), exit_code=3)
    done = revetl("sync", env={"COLUMNS": "120"})
    assert done.exit_code == 3
    assert "held by max_leave: 1,240 changes are held: 1,240 of 5,000 records would leave" in done.stdout
    assert f"release: {HELD.release}" in done.stdout
    assert done.stdout.count("revetl sync --approve abc123") == 1
    narrow = revetl("sync", env={"COLUMNS": "40"}).stdout.splitlines()
    assert [line.strip() for line in narrow if HELD.release in line] == [f"release: {HELD.release}"]
    whole = replace(HELD, release=f"{HELD.release}, or once: revetl sync --approve abc123")
    engine["sync"] = replace(RESULT, syncs=(SyncResult("mailchimp.customer", held=(whole,), exit_code=3),), exit_code=3)
    assert revetl("sync", env={"COLUMNS": "160"}).stdout.count("revetl sync --approve abc123") == 1


@pytest.mark.parametrize(("signal", "code"), [(None, 1), ("SIGINT", 130), ("SIGTERM", 143)])
def test_exit_codes_of_sync(revetl: Revetl, shop: Shop, engine: dict[str, Any], signal: str | None, code: int) -> None:
    """The run's own code, or the signal's where one stopped it; the document says the same."""
    engine["sync"] = replace(RESULT, exit_code=code, interrupted=signal)
    assert revetl("sync").exit_code == code
    found = json.loads(revetl("sync", "--output", "json").stdout)
    assert (found["command"], found["run"], found["exit_code"]) == ("sync", "r-1", code)
    assert found["syncs"][0]["delivered"] == 15
    assert found["started_at"] == "2026-03-01T10:00:00+00:00"


def test_results_are_a_table_and_an_end(revetl: Revetl, shop: Shop, engine: dict[str, Any]) -> None:
    """One row a sync and one last line: how much, how long, how it ended, which run."""
    engine["sync"] = replace(
        RESULT,
        syncs=(SyncResult("hubspot.customer", rows=9, delivered=4, rejected=2, newly_rejected=1, error="RVT-601 no"),),
    )
    done = revetl("sync")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "hubspot.customer 9 4 2 · · · failed" in lines
    assert "RVT-601 no" in lines
    assert "2 rows rejected, 1 of them newly: revetl errors" in lines
    assert lines[-1] == "4 changes delivered in 12 s · exit 0 · run r-1"


def test_what_reached_no_account_is_said(revetl: Revetl, shop: Shop, engine: dict[str, Any]) -> None:
    """A sync that went to a stand-in is named: nobody should believe that the tool has the data now."""
    engine["sync"] = replace(RESULT, syncs=(SyncResult("mailchimp.customer", rows=1, delivered=1, sandbox=True),))
    assert "note: mailchimp.customer went to local stand-ins, not to an account" in revetl("sync").stdout
    engine["sync"] = RESULT
    assert "stand-in" not in revetl("sync").stdout


def test_options_arrive_as_they_were_said(revetl: Revetl, shop: Shop, engine: dict[str, Any], tmp_path: Path) -> None:
    """Every flag of sync reaches the engine under its name."""
    (tmp_path / "run_results.json").write_text("{}")
    words = [
        "sync", "--first", "a.b", "--first", "c", "--limit", "10", "--keys", "k1, k2,k1", "--approve", "h", "--retry",
        "--strict",         "--sandbox", "--deadline", "20m", "--rebase-relations", "--results", "run_results.json",
        "-s", "x", "--exclude",
        "y", "-t", "prod", "--vars", "{a: 1}", "--state", "target", "--profile", "p", "--profiles-dir", ".",
    ]  # fmt: skip
    assert revetl(*words).exit_code == 0
    options = engine["options"]
    assert (options.first, options.limit, options.keys) == (("a.b", "c"), 10, ("k1", "k2"))
    assert (options.approve, options.retry, options.strict, options.sandbox) == (("h",), True, True, True)
    assert (options.deadline, options.rebase_relations) == (1200.0, True)
    assert options.results == (Path("run_results.json"),)
    assert (options.select, options.exclude, options.target) == (("x",), ("y",), "prod")
    assert (options.variables, options.state, options.profile) == ({"a": 1}, Path("target"), "p")


@pytest.mark.parametrize(
    ("given", "stdin", "keys", "partial"),
    [
        ("keys.txt", None, ("c-1", "c 2"), True),
        ("-", "c-1\r\n\nc-2\n", ("c-1", "c-2"), True),
        ("c-1", None, ("c-1",), False),
        ('["c-1",2]', None, ('["c-1",2]',), False),
    ],
)
def test_keys_come_from_a_file_stdin_or_the_line(
    revetl: Revetl, shop: Shop, engine: dict[str, Any], given: str, stdin: str | None, keys: tuple[str, ...],
    partial: bool,
) -> None:  # fmt: skip
    """One key a line, or commas between them; composite ones are JSON arrays. A file's alone are read of the models."""
    Path("keys.txt").write_text("c-1\n  c 2  \n\n")
    assert revetl("sync", "--keys", given, input=stdin).exit_code == 0
    assert (engine["options"].keys, engine["options"].partial) == (keys, partial)


@pytest.mark.parametrize(
    "words", [["--keys", ""], ["--keys", "empty.txt"], ["--keys", " , "], ["--deadline", "soon"], ["--deadline", "-5"]]
)
def test_what_cannot_be_read_sends_nothing(revetl: Revetl, shop: Shop, engine: dict[str, Any], words: Any) -> None:
    """An empty list of keys must never come to mean every key; a deadline must be one."""
    Path("empty.txt").write_text("\n")
    done = revetl("sync", *words)
    assert done.exit_code == 2
    assert "error[RVT-801]" in done.stderr
    assert "options" not in engine


def test_words_go_to_stderr_and_quiet_leaves_them_out(revetl: Revetl, shop: Shop, engine: dict[str, Any]) -> None:
    """Progress without a terminal is plain lines on stderr; stdout is the result alone."""
    engine["beats"] = (Progress("a.b", "read"), Progress("a.b", "send", 0, 100))
    done = revetl("sync")
    assert done.stderr.splitlines() == ["a.b: reading", "a.b: sending 0 of 100"]
    assert "reading" not in done.stdout
    assert revetl("sync", "-q").stderr == ""


def test_log_lines_are_json_where_wanted(revetl: Revetl, shop: Shop, engine: dict[str, Any]) -> None:
    """Each line is one object with dbt's ``info`` and what belongs to the event."""
    engine["beats"] = (Progress("a.b", "read"), Progress("a.b", "send", 3, 100))
    lines = [json.loads(line) for line in revetl("sync", "--log-format", "json").stderr.splitlines()]
    assert [line["info"]["msg"] for line in lines] == ["a.b: reading", "a.b: sending 3 of 100"]
    assert lines[1]["data"] == {"sync": "a.b", "phase": "send", "done": 3, "total": 100}
    assert len({line["info"]["invocation_id"] for line in lines}) == 1


def test_hostile_text_of_a_destination_moves_no_cursor(revetl: Revetl, shop: Shop, engine: dict[str, Any]) -> None:
    """Escapes and line ends in what a destination said are taken out of the result."""
    evil = "\x1b[2J\x1b]0;title\x07gone\nFAKE LINE"
    engine["sync"] = replace(
        RESULT, syncs=(SyncResult(f"a.{evil}", error=evil, notes=(evil,), held=(replace(HELD, reason=evil),)),)
    )
    shown = revetl("sync").stdout
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert not [line for line in shown.splitlines() if line.startswith("FAKE")]


@pytest.mark.parametrize("command", ["plan", "sync"])
def test_results_fit_80_columns(revetl: Revetl, shop: Shop, engine: dict[str, Any], command: str) -> None:
    """Names of any length wrap; nothing is wider than the terminal but a command, which stays one line."""
    name = "a_rather_long_destination_name.a_rather_long_sync_name_too"
    engine["plan"] = Plan("dev", (), (replace(PREVIEW, sync=name, held=(replace(HELD, reason="word " * 60),)),))
    engine["sync"] = replace(RESULT, syncs=(SyncResult(name, rows=10**9, delivered=10**9, notes=("word " * 60,)),))
    lines = revetl(command).stdout.splitlines()
    assert max(len(line) for line in lines if not line.strip().startswith(("release: ", "or this once: "))) <= 80


def test_the_step_summary_has_the_syncs(
    revetl: Revetl, shop: Shop, engine: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In Actions a table of syncs stands in the step's summary."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "s.md"))
    revetl("sync")
    text = (tmp_path / "s.md").read_text()
    assert "### revetl sync: target dev, exit 0" in text
    assert "| mailchimp.customer | 5000 | 15 | 0 | 0 | 0 | 1 | done |" in text

"""``why`` says what a destination believed, which flows made it so, and ends in a reason in every case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from revetl.engine.presence import open_models
from revetl.engine.why import Answer, SyncAnswer, why
from revetl.engine.workspace import Options
from revetl.errors import UsageError
from revetl.types import Hash, OnLeave
from tests.unit.engine.shopping import build, mapped, plan, ref, shop
from tests.unit.state.written import HUB, MAIL, NOON, Sent, Written

C1, C2 = '["c1"]', '["c2"]'
FULL: dict[str, object] = {"email_address": "a@example.org", "LTV_BAND": "low"}
HOUR = timedelta(hours=1)


def arrive(key: str = C1, m: str = "a@example.org", **more: object) -> Sent:
    """Return the change that brings a record with e-mail address and band."""
    return Sent(key, m=m, body={**FULL, "email_address": m}, band="low", **more)  # type: ignore[arg-type]


def only(answer: Answer) -> SyncAnswer:
    """Return the one entry of an answer."""
    assert len(answer.syncs) == 1, [(a.sync, a.key) for a in answer.syncs]
    return answer.syncs[0]


def code(answer: Answer) -> str:
    """Return the code of the one reason, which has words."""
    found = only(answer).reason
    assert found.text
    return found.code


def test_noon_question(tmp_path: Path) -> None:
    """At noon: the fields and cohorts of then, not of now; who brought them, from which commit and dbt invocation."""
    workspace, state = shop(tmp_path)
    state.now = NOON - 2 * HOUR
    state.run("r1", arrive(), Sent(C1, op="join", cohort="vip"), commit="abc")
    state.now = NOON - HOUR
    state.run("r2", Sent(C1, body={"LTV_BAND": "high"}, band="high"), commit="def")
    state.now = NOON + HOUR
    state.run("r3", Sent(C1, op="part", cohort="vip"), Sent(C1, body={"LTV_BAND": "top"}, band="top"))
    found = only(why(workspace, "c1", at=NOON))
    assert found.belief.there
    assert found.belief.cohorts == ("vip",)
    assert found.belief.fields["LTV_BAND"].value == "high"
    assert (found.belief.fields["LTV_BAND"].run, found.belief.fields["email_address"].run) == ("r2", "r1")
    assert found.belief.fields["email_address"].hidden
    assert [(s.flow.run, s.flow.op, s.git_commit, s.dbt_invocation, s.standing) for s in found.steps] == [
        ("r1", "upsert", "abc", "dbt-of-r1", True), ("r1", "join", "abc", "dbt-of-r1", True),
        ("r2", "upsert", "def", "dbt-of-r2", True),
    ]  # fmt: skip
    assert found.reason.code == "as_of"
    assert "2026-11-20 11:00:00Z" in found.reason.text
    assert "r3" in found.reason.text
    assert found.introduced["field", "LTV_BAND"].git_commit == "abc"
    now = only(why(workspace, "c1"))
    assert now.belief.cohorts == ()
    assert now.belief.memberships[0].until == NOON + HOUR
    assert (now.belief.fields["LTV_BAND"].value, now.steps[0].standing, now.steps[1].standing) == ("top", True, False)


def test_before_anything_was_sent(tmp_path: Path) -> None:
    """A moment before the first flow: nothing stood there, and the first flow is named."""
    workspace, state = shop(tmp_path)
    state.run("r1", arrive())
    found = only(why(workspace, "c1", at=NOON - HOUR))
    assert not found.belief.there
    assert found.reason.code == "not_yet_sent"
    assert "r1" in found.reason.text


def test_person_is_found_by_address(tmp_path: Path) -> None:
    """An address finds its key as typed by people, by an address that it had before, and in clear nowhere."""
    workspace, state = shop(tmp_path)
    state.run("r1", arrive(m="Old@example.org"))
    state.run("r2", Sent(C1, op="identity", m="new@example.org", before="Old@example.org"))
    for asked in (" NEW@example.org", "old@example.org", "c1", C1):
        found = only(why(workspace, asked))
        assert found.key == C1
        assert [step.flow.op for step in found.steps] == ["upsert", "identity"]
    assert "example.org" not in str(found)


def test_unchanged_since(tmp_path: Path) -> None:
    """A record that agrees with the models is unchanged since its last delivery."""
    workspace, state = shop(tmp_path)
    build(tmp_path, ("c1", "a@example.org", "low"), vip=["c1"])
    state.run("r1", arrive(), Sent(C1, op="join", cohort="vip"))
    found = only(why(workspace, "c1"))
    assert found.reason.code == "unchanged"
    assert "2026-11-20 12:00:00Z" in found.reason.text
    assert "r1" in found.reason.text


@pytest.mark.parametrize(
    ("rows", "others", "expected"),
    [
        ([("c1", "a@example.org", "high")], {}, "changed"),
        ([("c1", "a@example.org", "low")], {"vip": ["c1"]}, "changed"),
        ([("c1", None, "low")], {}, "unmatched"),
        ([("c2", "b@example.org", "low")], {}, "not_in_model"),
        ([("c1", "a@example.org", "low")], {"staff": ["c1"]}, "excluded"),
        ([("c1", "a@example.org", "low")], {"readers": []}, "not_in_audience"),
        ([("c1", "a@example.org", "low")], {}, "unchanged"),
    ],
)
def test_models_differ_from_what_stands_there(
    tmp_path: Path, rows: list[tuple[str, str | None, str | None]], others: dict[str, list[str]], expected: str
) -> None:
    """What was delivered and is wanted otherwise now names the difference."""
    workspace, state = shop(tmp_path, plan(MAIL, audience=(ref("readers"),), exclude=(ref("staff"),)))
    build(tmp_path, *rows, **{"readers": ["c1"], "staff": [], **others})
    state.run("r1", arrive())
    assert code(why(workspace, "c1")) == expected


@pytest.mark.parametrize(
    ("rows", "others", "expected"),
    [
        ([], {}, "not_in_model"),
        ([("c1", "a@example.org", "low")], {"readers": []}, "not_in_audience"),
        ([("c1", "a@example.org", "low")], {"staff": ["c1"]}, "excluded"),
        ([("c1", "a@example.org", "low")], {}, "new"),
    ],
)
@pytest.mark.parametrize("asked", ["c1", "a@example.org"])
def test_nothing_was_ever_sent(
    tmp_path: Path,
    rows: list[tuple[str, str | None, str | None]],
    others: dict[str, list[str]],
    expected: str,
    asked: str,
) -> None:
    """A key or an address of which nothing left ends in the reason why."""
    workspace, state = shop(tmp_path, plan(MAIL, audience=(ref("readers"),), exclude=(ref("staff"),)))
    build(tmp_path, *rows, **{"readers": ["c1"], "staff": [], **others})
    state.run("r1", arrive(C2, "b@example.org"))
    found = only(why(workspace, asked))
    assert found.reason.code == expected
    assert found.key == (C1 if rows else None)


def test_no_match_value(tmp_path: Path) -> None:
    """Who has no address in the model is unmatched, by the model and, where it cannot be asked, by the last run."""
    workspace, state = shop(tmp_path)
    build(tmp_path, ("c1", " ", "low"))
    assert code(why(workspace, "c1")) == "unmatched"
    state.change(lambda s: s.con.execute("INSERT INTO revetl_state.unmatched VALUES (?, ?)", [MAIL, '["c9"]']))
    (tmp_path / "shop.duckdb").unlink()
    found = why(workspace, "c9")
    assert code(found) == "unmatched"
    assert any("could not be looked at" in note for note in found.notes)


def test_never_synced(tmp_path: Path) -> None:
    """A sync that never ran says so, and how to begin."""
    workspace, _ = shop(tmp_path)
    build(tmp_path, ("c1", "a@example.org", "low"))
    workspace = mapped(workspace, plan("mailchimp.other"))
    found = only(why(workspace, "c1", to="mailchimp.other"))
    assert found.reason.code == "never_synced"
    assert "--first mailchimp.other" in found.reason.hint


def test_rejected_unknown_waiting(tmp_path: Path) -> None:
    """What did not get through names code, reason, next try; doubt names its run; waiting says what for."""
    workspace, state = shop(tmp_path, models=False)
    state.run("r1", arrive(status="rejected", code="FAKE", reason="looks fake"))
    found = only(why(workspace, "c1")).reason
    assert found.code == "rejected"
    for words in ("FAKE", "looks fake", "2026-11-20 13:00:00Z"):
        assert words in found.text
    assert "--retry" in found.hint
    state.run("r2", arrive(C2, "b@example.org", status="unknown", code="RVT-605", reason="lost"))
    found = only(why(workspace, "c2")).reason
    assert (found.code, "r2" in found.text) == ("unknown", True)
    state.run("r3", arrive('["c3"]', "c@example.org", status="waiting", code="RVT-602", reason="quota spent"))
    found = only(why(workspace, "c3")).reason
    assert (found.code, "quota spent" in found.text) == ("waiting", True)


def test_held_key_names_guard_and_release(tmp_path: Path) -> None:
    """A change that a guard holds names the guard; once something was delivered after it, it is history."""
    workspace, state = shop(tmp_path, models=False)
    state.run("r1", arrive())

    def refuse(store: object) -> None:
        sql = "INSERT INTO revetl_state.refused VALUES ('abc', ?, 'max_leave', ?, 'leave', NULL, ?)"
        store.con.execute(sql, [MAIL, C1, state.now])  # type: ignore[attr-defined]

    state.change(refuse)
    found = only(why(workspace, "c1")).reason
    assert found.code == "held"
    assert "max_leave" in found.text
    assert "--approve abc" in found.hint
    state.run("r2", Sent(C1, body={"LTV_BAND": "top"}, band="top"))
    assert code(why(workspace, "c1")) == "unchanged"


def test_open_run_is_named(tmp_path: Path) -> None:
    """A killed run that staged the key is the answer, with how far it came."""
    workspace, state = shop(tmp_path, models=False)
    with state.store() as store:
        state.stage(store, "r9", [arrive(status=None)])
    found = only(why(workspace, "c1"))
    assert found.reason.code == "open"
    assert "run r9 never closed" in found.reason.text
    assert "no answer" in found.reason.text


def test_what_is_not_selected_is_not_unmapped(tmp_path: Path) -> None:
    """``-s`` asks of one sync: the others are not answered for, least of all as if nobody mapped them any more."""
    workspace, state = shop(tmp_path, plan(MAIL), plan(HUB, object="contacts"))
    build(tmp_path, ("c1", "a@example.org", "low"))
    state.run("r1", arrive())
    asked = replace(workspace, options=replace(workspace.options, select=(MAIL,)))
    assert [(a.sync, a.reason.code) for a in why(asked, "c1").syncs] == [(MAIL, "unchanged")]
    left_out = replace(workspace, options=replace(workspace.options, exclude=(MAIL,)))
    assert [(a.sync, a.reason.code) for a in why(left_out, "c1").syncs] == [(HUB, "new")]


def test_left_and_kept(tmp_path: Path) -> None:
    """Who left the model under ``on_leave: keep`` still stands there; who was deleted does not."""
    workspace, state = shop(tmp_path, plan(MAIL, on_leave=OnLeave.DELETE))
    build(tmp_path)
    state.run("r1", arrive(), arrive(C2, "b@example.org"))
    state.run("r2", Sent(C1, op="leave", local="kept"), Sent(C2, op="leave"))
    kept, gone = only(why(workspace, "c1")), only(why(workspace, "c2"))
    assert (kept.reason.code, kept.belief.there) == ("left", True)
    assert (gone.reason.code, gone.belief.there, gone.belief.fields) == ("left", False, {})


def test_adopted_record(tmp_path: Path) -> None:
    """A record that was taken as it stood has no flow, and that is the reason."""
    workspace, state = shop(tmp_path, models=False)
    state.change(lambda s: s.con.execute("INSERT INTO revetl_state.snap_1 VALUES ('c1', 'a@example.org', 'x', 'low')"))
    assert code(why(workspace, "c1")) == "adopted"
    assert code(why(workspace, "A@example.org")) == "adopted"


def test_one_person_across_destinations(tmp_path: Path) -> None:
    """A person found in one destination is answered for every sync of the entity; ``to`` narrows it down."""
    workspace, state = shop(tmp_path, plan(MAIL), plan(HUB, object="contacts"))
    build(tmp_path, ("c1", "a@example.org", "low"))
    state.run("r1", arrive())
    found = why(workspace, "a@example.org")
    assert [(a.sync, a.key, a.reason.code) for a in found.syncs] == [(HUB, C1, "new"), (MAIL, C1, "unchanged")]
    assert [a.sync for a in why(workspace, "a@example.org", to="mailchimp").syncs] == [MAIL]
    assert [a.reason.code for a in why(workspace, "a@example.org", to="hubspot").syncs] == ["new"]
    with pytest.raises(UsageError) as caught:
        why(workspace, "c1", to="mailchump")
    assert caught.value.code == "RVT-850"


def test_unmapped_sync_is_answered_from_state(tmp_path: Path) -> None:
    """A sync that configuration names no more still explains what stands there."""
    workspace, state = shop(tmp_path)
    state.run("r1", arrive())
    assert code(why(mapped(workspace), "c1")) == "not_mapped"


@pytest.mark.parametrize(
    ("focus", "expected"),
    [
        ({"field": "band"}, "since"),
        ({"field": "NOPE"}, "not_mapped"),
        ({"cohort": "Very Important"}, "parted"),
        ({"cohort": "nope"}, "not_mapped"),
    ],
)
def test_focus(tmp_path: Path, focus: dict[str, Any], expected: str) -> None:
    """A field (by column too) or cohort (by label too) has its own reason, and only its flows are shown."""
    workspace, state = shop(tmp_path)
    build(tmp_path, ("c1", "a@example.org", "low"))
    state.run("r1", arrive(), Sent(C1, op="join", cohort="vip"))
    state.run("r2", Sent(C1, op="part", cohort="vip"))
    found = only(why(workspace, "c1", **focus))
    assert found.reason.code == expected
    ops = {"since": ["upsert"], "parted": ["join", "part"], "not_mapped": []}[expected]
    assert [step.flow.op for step in found.steps] == ops


def test_without_key_file_and_models(tmp_path: Path) -> None:
    """Where nothing can be looked up, the answer still ends in a reason, and notes say what was missing."""
    workspace, state = shop(tmp_path, models=False)
    state.run("r1", arrive())
    (state.directory / "ledger.key").unlink()
    assert code(why(workspace, "c1")) == "unchanged"
    found = why(workspace, "nobody@example.org")
    assert only(found).reason.code == "never_sent"
    assert any("HMAC key" in note for note in found.notes)
    assert any("not looked at" in note for note in found.notes)
    assert not (state.directory / "ledger.key").exists()


def test_ledger_alone_answers(tmp_path: Path) -> None:
    """With the state lost, the ledger's files tell what stood there."""
    workspace, state = shop(tmp_path, models=False)
    state.run("r1", arrive())
    (state.directory / "state.duckdb").unlink()
    found = why(workspace, "a@example.org")
    assert only(found).belief.fields["LTV_BAND"].value == "low"
    assert only(found).reason.code == "unchanged"
    assert any("ledger's files alone" in note for note in found.notes)


def test_composite_key(tmp_path: Path) -> None:
    """A composite key is typed as a JSON array, with or without spaces; what only begins like one is refused."""
    workspace, _ = shop(tmp_path / "other", models=False)
    workspace = replace(workspace, options=Options(project_dir=tmp_path))
    state = Written(workspace.state_dir).make(MAIL, keys=("INTEGER", "VARCHAR"))
    state.run("r1", Sent('[4,"eu"]', body={"LTV_BAND": "low"}, band="low"))
    assert only(why(workspace, '[4, "eu"]')).key == '[4,"eu"]'
    with pytest.raises(UsageError) as caught:
        why(workspace, "[4,")
    assert caught.value.code == "RVT-852"


def test_number_as_key(tmp_path: Path) -> None:
    """A number finds the key that is a number, not the text of it."""
    workspace, _ = shop(tmp_path / "other", models=False)
    workspace = replace(workspace, options=Options(project_dir=tmp_path))
    state = Written(workspace.state_dir).make(MAIL, keys=("BIGINT",))
    state.run("r1", Sent("[42]", body={"LTV_BAND": "low"}, band="low"))
    assert only(why(workspace, "42")).key == "[42]"


def test_an_address_where_records_are_found_by_its_digest(tmp_path: Path) -> None:
    """A person is found by the address itself: in the ledger, in state and in the models, which hold the digest."""
    address = "a@example.org"
    digest = sha256(address.encode()).hexdigest()
    field = replace(plan(MAIL).fields[0], hash=Hash.META)
    workspace, state = shop(tmp_path, plan(MAIL, fields=(field, plan(MAIL).fields[1])))
    build(tmp_path, ("c1", " A@example.org", "low"), ("c2", "b@example.org", "low"))
    assert only(why(workspace, address)).key == C1  # the models alone know it
    state.run("r1", arrive(m=digest))
    found = only(why(workspace, address))
    assert (found.key, found.belief.there) == (C1, True)
    with open_models(workspace, workspace.syncs) as models:
        assert models.match_of(workspace.syncs[0], ["c1"]) == digest
        assert models.match_of(plan(MAIL), ["c2"]) == "b@example.org"

"""A partial read: of the models only the named keys are read, and nothing about any other key is concluded from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revetl.engine import keyed
from revetl.state.layout import load_sync
from revetl.types import Limits, OnLeave, Relation
from revetl.warehouse.source import Within
from tests.unit.engine.harness import NAME, OFF, Ran, Rig, cohort, fields, plan, ref

Model = dict[str, tuple[str | None, str, bool, bool]]  # key → match value, field, in the cohort, in the audience
KEYS = "abcde"


def rig_of(**more: object) -> Rig:
    """Return a rig with a cohort and an audience whose sync deletes whoever leaves."""
    whole: dict[str, object] = {"cohorts": (cohort("vip"),), "audience": (ref("adults"),), **more}
    return Rig(plan(on_leave=OnLeave.DELETE, on_leave_scope="all", **whole))


def build(rig: Rig, model: Model) -> None:
    """Put people, cohort and audience into the warehouse."""
    rig.people(*[(key, email, a) for key, (email, a, *_) in model.items()])
    rig.keys("vip", *[key for key, row in model.items() if row[2]])
    rig.keys("adults", *[key for key, row in model.items() if row[3]])


def person(key: str, a: str = "x", *, vip: bool = False, adult: bool = True) -> tuple[str, str, bool, bool]:
    """Return a row with a match value of its own."""
    return f"{key}@example.org", a, vip, adult


def started(**more: object) -> Rig:
    """Return a rig whose vendor holds everybody, b and c as members."""
    rig = rig_of(**more)
    build(rig, everybody())
    rig.run()
    return rig


def everybody(**other: tuple[str | None, str, bool, bool]) -> Model:
    """Return the model of five people, some of them as told."""
    return {key: person(key, vip=key in "bc") for key in KEYS} | other


def partial(rig: Rig, *keys: str, **options: Any) -> Ran:
    """Run with these keys, and nothing else read."""
    return rig.run(keys=keys, partial=True, **options)


# --- what goes --------------------------------------------------------------------------------------------------------


def test_named_keys_go() -> None:
    """Field, cohort and audience of the named keys are reconciled; what changed of others stays for the next run."""
    rig = started()
    build(rig, everybody(a=person("a", "y", vip=True), b=person("b"), c=person("c", adult=False), d=person("d", "z")))
    assert sorted(partial(rig, "a", '["b"]', "c").sent) == [
        "a join vip", "a upsert", "b part vip", "c leave", "c part vip",
    ]  # fmt: skip
    assert rig.run().sent == ["d upsert"]


def test_absent_key_leaves() -> None:
    """A key that the base model has no more is a leave; one that it never had is nothing."""
    rig = started()
    build(rig, {key: row for key, row in everybody().items() if key not in "ad"})
    assert partial(rig, "a", "nobody").sent == ["a leave"]
    assert rig.run().sent == ["d leave"]


def test_everything_may_be_absent() -> None:
    """min_rows is about a whole model: that none of the named keys is there stops nothing."""
    rig = started(guards=replace(OFF, min_rows=3))
    build(rig, {key: row for key, row in everybody().items() if key != "a"})
    done = partial(rig, "a")
    assert (done.sent, list(done.held)) == (["a leave"], [])


def test_match_value_names_a_record() -> None:
    """A match value that state knows names its record, under whatever match value it is now."""
    rig = started()
    build(rig, everybody(a=("moved@example.org", "x", False, True)))
    assert set(partial(rig, "A@example.org").sent) == {"a identity"}


def test_unknown_words_are_counted() -> None:
    """A text that can be no key and that no record bears is said to be one, and stops nothing."""
    rig = Rig()
    rig.people((1, "one@example.org", "x"), columns="id BIGINT, email VARCHAR, a VARCHAR")
    done = partial(rig, "1", "one", "[1,2]", '["\\u0000"]')
    assert done.sent == ["1 upsert"]
    assert done.found.previews()[0].notes == ("3 of the given keys can be no key of this sync",)


def test_composite_keys() -> None:
    """A composite key is a JSON array, or its parts with commas; a number in it may be written as text."""
    rig = Rig(plan(key=("id", "region"), base=ref("people", "id", "region")))
    rows = [(n, region, f"{n}-{region}@example.org", "x") for n in (1, 2) for region in ("eu", "us")]
    rig.people(*rows, columns="id BIGINT, region VARCHAR, email VARCHAR, a VARCHAR")
    assert set(partial(rig, '[1, "eu"]', '["2","us"]', "2,eu").sent) == {"1/eu upsert", "2/us upsert", "2/eu upsert"}


# --- what the whole is needed for -------------------------------------------------------------------------------------


def test_guards_know_the_whole() -> None:
    """A share is one of all known records, not of the few that were read."""
    rig = started(guards=replace(OFF, max_leave=Limits(0.3, 0)))
    build(rig, {key: row for key, row in everybody().items() if key not in "ab"})
    assert partial(rig, "a").sent == ["a leave"]  # one of five
    held = partial(rig, "b", "c", "d", limit=None).held
    assert not held  # one of four
    build(rig, {"e": person("e")})
    (over,) = partial(rig, "c", "d").held
    assert (over.guard, over.found, over.total) == ("max_leave", 2, 3)


def test_settles_nothing_of_the_whole() -> None:
    """New fields stay a backfill, the wire format unsettled, and the model's size as the last whole run found it."""
    rig = started()
    rig.plan = replace(rig.plan, fields=fields("email", "a", "b"))
    rig.people(*[(k, f"{k}@example.org", "x", "new") for k in KEYS],
               columns="id VARCHAR, email VARCHAR, a VARCHAR, b VARCHAR")  # fmt: skip
    assert [did.cause for did in partial(rig, "a").changes] == ["mapping"]
    stored = load_sync(rig.store(), NAME)
    assert stored is not None
    assert ([f.fresh for f in stored.fields if f.field == "b"], stored.last_rows) == ([True], len(KEYS))
    assert [did.cause for did in rig.run().changes] == ["mapping"] * 4


def test_identity_of_a_stranger_waits() -> None:
    """A match value that an unread record holds, as far as is known, is not taken; the whole run takes it."""
    rig = started()
    build(rig, everybody(a=("e@example.org", "y", True, True), e=("f@example.org", "x", False, True)))
    done = partial(rig, "a")
    assert (done.sent, set(done.status.values())) == ([], {"waiting"})
    assert set(rig.run().sent) == {"a identity", "a upsert", "a join vip", "e identity"}
    assert set(rig.vendor.people) == {f"{k}@example.org" for k in "bcdef"}


def test_leaver_and_stranger() -> None:
    """Who leaves takes nothing from an unread record that stands at the same match value by now."""
    rig = started()
    rig.con.execute("UPDATE revetl_state.snap_1 SET m = 'b@example.org' WHERE k0 = 'a'")
    rig.con.execute("INSERT INTO revetl_state.members_1 SELECT 'a', cohort FROM revetl_state.members_1 WHERE k0 = 'b'")
    build(rig, {key: row for key, row in everybody().items() if key != "a"})
    done = partial(rig, "a")
    assert done.sent == []
    assert done.status == {"a leave": "handed_over", "a part vip": "handed_over"}


def test_doubt_of_others_stays() -> None:
    """What is in doubt of another key is left to a run that reads it: it does not look like a leave."""
    rig = started()
    build(rig, everybody(a=person("a", "y", vip=True), d=person("d", "z")))
    rig.vendor.lose = {"a@example.org"}
    rig.run(keys=["a"])
    rig.vendor.lose = set()
    assert partial(rig, "d").sent == ["d upsert"]
    rig.later(hours=1)  # until then it may still land late
    assert set(partial(rig, "a").sent) == {"a upsert", "a join vip"}
    assert rig.run().sent == []


# --- what is read -----------------------------------------------------------------------------------------------------


def test_rows_that_are_asked_for() -> None:
    """A relation of two syncs is asked for the keys of both; one that they know by other columns is read whole."""
    table = Relation("memory", "main", "people")
    one, two = (keyed.Asked("t", ("VARCHAR",), frozenset({(key,)}), 0) for key in "ab")
    first, second = plan(), plan(cohorts=(cohort("vip"),))
    second = replace(second, name="other")
    found = keyed.only([(first, one), (second, two)])
    assert found[table] == Within(("id",), ("VARCHAR",), frozenset({("a",), ("b",)}))
    assert found[ref("vip").relation] == Within(("id",), ("VARCHAR",), frozenset({("b",)}))
    third = replace(second, key=("email",), base=ref("people", "email"), cohorts=())
    assert table not in keyed.only([(first, one), (third, two)])


# --- partly, then wholly ----------------------------------------------------------------------------------------------

rows_of = (
    st.none() | st.sampled_from([f"{n}@example.org" for n in "pqrstu"]), st.sampled_from("xyz"), st.booleans(),
    st.booleans(),
)  # fmt: skip
rows = st.tuples(*rows_of)
steps = st.tuples(st.dictionaries(st.sampled_from(KEYS), rows, min_size=1), st.sets(st.sampled_from(KEYS), min_size=1))
# at last, nobody shares a match value or lacks one: then there is one right end, whatever happened before
ends = st.permutations([f"{n}@example.org" for n in "pqrstu"]).flatmap(
    lambda emails: st.fixed_dictionaries(
        {}, optional={k: st.tuples(st.just(e), *(rows_of[1:])) for k, e in zip(KEYS, emails, strict=False)}
    ).filter(bool)
)


def changes(rig: Rig, keys: Sequence[str], **options: object) -> list[object]:
    """Return what a run would do to these keys."""
    rig.look(keys=keys, **options)
    return rig.rows("SELECT key, op, cohort, cause, m, bm, local, verdict, code FROM changes_1 ORDER BY ALL")


@settings(max_examples=8, deadline=None)
@given(st.lists(steps, max_size=3), ends)
def test_then_wholly_is_as_wholly(history: list[tuple[Model, set[str]]], end: Model) -> None:
    """Whatever partial runs did on the way, whole runs end where one over an empty vendor does."""
    partly, wholly = started(), rig_of()
    for model, named in history:
        build(partly, model)
        partial(partly, *sorted(named))
    build(wholly, end)
    wholly.run()
    build(partly, end)
    for _ in range(6):  # who follows another needs more than one
        partly.later(days=8)
        partly.run()
    assert partly.snapshot() == wholly.snapshot()
    assert partly.members() == wholly.members()
    assert partly.vendor.people == wholly.vendor.people
    assert tagged(partly) == tagged(wholly)


def tagged(rig: Rig) -> dict[str, set[str]]:
    """Return who has which tags."""
    return {who: tags for who, tags in rig.vendor.tags.items() if tags}


@settings(max_examples=10, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), rows, min_size=1))
def test_all_keys_are_the_whole(model: Model) -> None:
    """Named key by key, a whole model gives the very changes that reading all of it gives."""
    rig = started()
    build(rig, model)
    assert changes(rig, list(KEYS), partial=True) == changes(rig, ())


@pytest.mark.parametrize("named", ["a", "a@example.org"])
def test_first_sync(named: str) -> None:
    """Before the first whole run a key may be named; a match value means nothing yet."""
    rig = rig_of()
    build(rig, everybody())
    assert partial(rig, named).sent == (["a upsert"] if named == "a" else [])
    assert len(rig.run().sent) == (4 if named == "a" else 5) + 2

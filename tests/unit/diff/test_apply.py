"""What is sent makes the snapshot equal to the model, whatever both hold: ``apply(before, diff(before, after))``."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from revetl.types import ModelRef, OnLeave, Relation
from tests.unit.engine.harness import Rig, cohort, fields, plan

COLUMNS = (
    "id BIGINT, region VARCHAR, email VARCHAR, n BIGINT, d DECIMAL(18, 4), t TIMESTAMPTZ, day DATE, "
    "yes BOOLEAN, f DOUBLE, s VARCHAR"
)
NAMES = ("n", "d", "t", "day", "yes", "f", "s")
KEY = ("id", "region")

instants = st.integers(0, 2**32).map(lambda at: datetime.fromtimestamp(at / 8, UTC))
text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
keys = st.tuples(st.integers(-(2**40), 2**40), st.sampled_from(["eu", "us", "ü/'\"]", "", "\N{GRINNING FACE}"]))
values = st.tuples(
    st.none() | st.integers(-(2**53) + 1, 2**53 - 1),
    st.none() | st.decimals(-99999, 99999, places=4),
    st.none() | instants,
    st.none() | st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    st.none() | st.booleans(),
    st.none() | st.floats(-1e9, 1e9),
    st.none() | text,
)
Model = dict[tuple[int, str], tuple[Any, ...]]
models = st.dictionaries(keys, values, min_size=1, max_size=5)


def email(key: tuple[int, str]) -> str:
    """Return a match value that never moves from one key to another."""
    return f"p{key[0]}-{key[1].encode().hex()}@example.org"


def build(rig: Rig, model: Model) -> None:
    """Put a model into the warehouse."""
    rig.people(*[(*key, email(key), *row) for key, row in model.items()], columns=COLUMNS)


def mirrored() -> Rig:
    """Return a rig whose sync deletes whoever leaves."""
    base = ModelRef("people", "model.sim.people", Relation("memory", "main", "people"), KEY)
    return Rig(plan(key=KEY, base=base, fields=fields("email", *NAMES), on_leave=OnLeave.DELETE, on_leave_scope="all"))


def held(rig: Rig) -> Model:
    """Return the snapshot as a model."""
    wanted = ", ".join(["k0", "k1", "m", *(f"f{n}" for n in range(1, len(NAMES) + 1))])
    found = rig.con.execute(f"SELECT {wanted} FROM revetl_state.snap_1").fetchall()
    assert all(row[2] == email((row[0], row[1])) for row in found)
    return {(row[0], row[1]): tuple(row[3:]) for row in found}


@settings(max_examples=10, deadline=None)
@given(before=models, after=models)
def test_apply(before: Model, after: Model) -> None:
    """Delivered changes turn the snapshot of one model into the other's, and leave nothing for the next run."""
    rig = mirrored()
    try:
        for model in (before, after):
            build(rig, model)
            done = rig.run()
            assert {did.status for did in done.changes} <= {"delivered"}
            assert held(rig) == model
            assert rig.run().changes == []
        assert len(rig.vendor.people) == len(after)
    finally:
        rig.con.close()


@settings(max_examples=10, deadline=None)
@given(before=models, after=models)
def test_only_what_differs(before: Model, after: Model) -> None:
    """A change exists exactly for each key that differs, and carries exactly the fields that differ."""
    rig = mirrored()
    try:
        build(rig, before)
        rig.run()
        build(rig, after)
        done = rig.run()
        differ = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        assert len(done.changes) == len(differ)
        for did in done.changes:
            key = tuple(json.loads(did.key))
            assert did.op == ("upsert" if key in after else "leave")
            if key in after and key in before:
                assert set(did.body or {}) == {
                    name for name, old, new in zip(NAMES, before[key], after[key], strict=True) if old != new
                }
    finally:
        rig.con.close()


tagged = st.dictionaries(st.sampled_from("abcde"), st.frozensets(st.sampled_from(["gold", "risky"])), max_size=5)


@settings(max_examples=10, deadline=None)
@given(before=tagged, after=tagged)
def test_apply_cohorts(before: dict[str, frozenset[str]], after: dict[str, frozenset[str]]) -> None:
    """Memberships follow their models, at the vendor as in state; members who are no records are left out."""
    rig = Rig(plan(cohorts=(cohort("gold"), cohort("risky"))))
    try:
        for wanted in (before, after):
            rig.people(*[(key, f"{key}@example.org", None) for key in ["z", *wanted]])
            for name in ("gold", "risky"):
                rig.keys(name, "nobody", *[key for key, tags in wanted.items() if name in tags])
            done = rig.run()
            pairs = sorted((key, tag) for key, tags in wanted.items() for tag in tags)
            assert rig.members() == pairs
            tags = {(mail[0], tag) for mail, names in rig.vendor.tags.items() for tag in names}
            assert tags == set(pairs)
            assert {did.status for did in done.changes} <= {"delivered", "local"}
            assert rig.run().changes == []
    finally:
        rig.con.close()

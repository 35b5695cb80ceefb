"""Histories of a sync of everything that a comparison meets: odd values, renames, cohorts, audiences, refusals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from revetl.types import CohortPlan, ConsentPlan, FieldPlan, OnLeave, SyncPlan
from tests.unit.engine.harness import OFF, Ran, Rig, fields, plan, ref

PEOPLE = "id VARCHAR, email VARCHAR, a VARCHAR, d DECIMAL(12,2), f DOUBLE, t TIMESTAMPTZ, l VARCHAR[], ok BOOLEAN"
History = list[tuple[dict[str, tuple[Any, ...]], set[str], set[str]]]
Row = tuple[Any, ...]  # columns of PEOPLE but the key, joined value (None: no row), level of vip, vip, adult
VIP = CohortPlan("vip", "vip", ref("vip"), OFF, fields=(FieldPlan("level", "level", "model.sim.vip"),))


def rich(**more: Any) -> SyncPlan:
    """Return a sync of everything: typed fields, a joined model, a cohort that carries something, audience, consent."""
    whole: dict[str, Any] = {
        "fields": (*fields("email", "a", "d", "f", "t"), *fields("c", model="more")),
        "joined": (ref("more"),), "cohorts": (VIP,), "audience": (ref("adults"),),
        "consent": ConsentPlan("ok", "model.sim.people", "unsubscribe", "pending"),
        "on_leave": OnLeave.DELETE, "on_leave_scope": "all", **more,
    }  # fmt: skip
    return plan(**whole)


def build(rig: Rig, model: dict[str, Row]) -> None:
    """Build the models of a sync of everything."""
    rig.model("people", PEOPLE, *[(key, *row[:7]) for key, row in model.items()])
    rig.model("more", "id VARCHAR, c VARCHAR", *[(key, row[7]) for key, row in model.items() if row[7] is not None])
    rig.model("vip", "id VARCHAR, level VARCHAR", *[(key, row[8]) for key, row in model.items() if row[9]])
    rig.keys("adults", *[key for key, row in model.items() if row[10]])


MAIL = st.none() | st.sampled_from(["p@example.org", "Q@example.org", " q@EXAMPLE.org", "\u212a@example.org",
    "k@example.org", "\u017elu\u0165@example.org", "\u017dLU\u0164@example.org", "", " "])  # fmt: skip
TEXT = st.sampled_from([None, "", "x", "X", "\u00e9 \u2603 '\\", "nul \0", "\ue000hex:00"])
NUMBER = st.sampled_from([None, 0.0, -0.0, 1e300, math.inf, -math.inf, math.nan])
MOMENT = st.sampled_from([None, datetime(2026, 3, 29, 2, 30, 0, 123456, UTC), datetime(1969, 12, 31, tzinfo=UTC)])
YES = st.sampled_from([True, True, False])
rows = st.tuples(
    MAIL, TEXT, st.sampled_from([None, Decimal("0.10"), Decimal("-9999999999.99")]), NUMBER, MOMENT,
    st.sampled_from([None, [], ["a", None]]), st.none() | st.booleans(), st.sampled_from([None, "1", "2"]),
    st.sampled_from([None, "1", "2"]), st.booleans(), YES,
)  # fmt: skip
PLACES = [f"{n}@example.org" for n in "pqk"]
steps = st.tuples(
    st.dictionaries(st.sampled_from(["a", "b", "c", "d", "\u00e9", "'"]), rows, min_size=1),
    st.sets(st.sampled_from(PLACES), max_size=1),
    st.sets(st.sampled_from(PLACES), max_size=1),
)


NOON = datetime(2026, 3, 29, 2, 30, 0, 123456, UTC)
# everything once: who comes, changes, is renamed, goes, joins and parts, says no, collides, is refused, is in doubt
STORY: History = [
    (
        {
            "a": ("p@example.org", "x", Decimal("0.10"), math.nan, NOON, ["a", None], None, "1", "1", True, True),
            "b": (" Q@example.org", "\u00e9 \u2603 '\\", None, 0.0, None, [], True, None, None, True, True),
            "c": (
                "\u017elu\u0165@example.org",
                "",
                Decimal("-9999999999.99"),
                math.inf,
                NOON,
                None,
                None,
                "2",
                "2",
                False,
                True,
            ),
            "\u00e9": ("k@example.org", "\ue000hex:00", None, 1e300, None, None, None, None, None, True, True),
            "'": (None, "x", None, None, None, None, False, None, None, False, True),
        },
        set(),
        {"q@example.org"},
    ),
    (
        {
            "a": ("p@example.org", "x", Decimal("0.1"), math.nan, NOON, ["a", None], None, None, "2", True, True),
            "b": ("\u212a@example.org", "\u00e9 \u2603 '\\", None, -0.0, None, [], False, None, None, False, True),
            "c": ("\u017dLU\u0164@example.org", None, Decimal(1), -math.inf, NOON, None, None, "2", None, True, True),
            "'": ("q@example.org", "X", None, None, None, None, False, None, None, False, True),
        },
        {"p@example.org"},
        set(),
    ),
    (
        {
            "a": ("p@example.org", "x", None, None, None, None, True, "1", "2", False, False),
            "b": ("\u212a@example.org", "", None, 0.0, NOON, [], False, None, None, True, True),
            "c": (" ", None, Decimal(1), 0.0, None, None, None, "2", None, True, True),
        },
        set(),
        set(),
    ),
]


def step(rig: Rig, model: dict[str, Row], refuse: set[str], lose: set[str], **options: Any) -> Ran:
    """Build, and run once over a vendor that refuses some and loses some."""
    rig.later(hours=5)
    build(rig, model)
    rig.vendor.refuse, rig.vendor.lose = dict.fromkeys(refuse, "NO"), lose
    return rig.run(**options)


histories = st.lists(steps, min_size=2, max_size=5)
# keys, match values that some hold, now or before, and what nobody bears
named = st.lists(
    st.sampled_from(["a", "b", "c", "d", "\u00e9", "'", "Q@example.org", "k@example.org", "nobody"]), min_size=1
)


def same(little: Rig, much: Rig, steps_: History, keys: Sequence[str] = ()) -> None:
    """Assert that one rig does what the other does, and keeps and leaves the same, step by step.

    ``keys``: after the first step, and before the last, these are named and nobody else is read.
    """
    every = [*steps_, (steps_[-1][0], set(), set())]
    for number, one in enumerate(every):
        named: dict[str, Any] = {"keys": keys, "partial": True} if keys and 0 < number < len(every) - 1 else {}
        few, all_ = (step(rig, *one, **named) for rig in (little, much))
        told = [[(did.name, did.cause, did.status, did.code, did.body) for did in ran.changes] for ran in (few, all_)]
        assert told[0] == told[1]
        notes = [note for preview in few.found.previews() for note in preview.notes if "read" in note]
        assert not named or not notes
        assert all(note.endswith("keys were read") is bool(number) for note in notes), notes
        shown = [[replace(preview, notes=()) for preview in ran.found.previews()] for ran in (few, all_)]
        assert repr(shown[0]) == repr(shown[1])
        assert repr(little.snapshot()) == repr(much.snapshot())
        assert little.members() == much.members()
        assert (little.vendor.people, little.vendor.tags) == (much.vendor.people, much.vendor.tags)

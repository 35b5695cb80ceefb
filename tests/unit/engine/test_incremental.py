"""Incremental reads: newer rows and a look at the keys find what a whole read finds; marks wait for the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from revetl.config import IncrementalConfig
from revetl.state.marks import load_marks
from revetl.types import Limits, OnLeave
from tests.unit.engine.harness import NAME, OFF, Ran, Rig, cohort, fields, plan, ref

Row = tuple[str | None, str, str | None, bool, bool]  # match value, a, joined value (None: no row), member, audience
Model = dict[str, Row]
KEYS = "abcdef"
HOUR = 3600.0


class Dated(Rig):
    """A rig whose models say when a row changed; ``known`` is what the last build wrote."""

    def __init__(self, *, leaves: str = "keys", incremental: bool = True, **more: Any) -> None:
        """Begin with a base model, a joined one, a cohort and an audience."""
        base, more_ref = replace(ref("people"), updated_at="u"), replace(ref("more"), updated_at="u")
        vip, adults = cohort("vip"), ref("adults")
        if leaves == "full":
            vip, adults = replace(vip, ref=replace(vip.ref, updated_at="u")), replace(adults, updated_at="u")
        every = (*fields("email", "a"), *fields("c", model="more"))
        whole: dict[str, Any] = {
            "cohorts": (vip,),
            "audience": (adults,),
            "joined": (more_ref,),
            "fields": every,
            **more,
        }
        super().__init__(plan(on_leave=OnLeave.DELETE, on_leave_scope="all", base=base, **whole))
        read = {"leaves": leaves, "full_every": "90d"}
        self.incremental = IncrementalConfig.model_validate(read) if incremental else None
        self.known: Model = {}
        self.dates: dict[tuple[str, str], Any] = {}

    def build(self, model: Model, *, late: float = 0.0) -> None:
        """Build the models; a row that is new or another one is dated now, or ``late`` seconds before."""
        for name, part in (
            ("people", slice(0, 2)),
            ("more", slice(2, 3)),
            ("vip", slice(3, 4)),
            ("adults", slice(4, 5)),
        ):
            for key, row in model.items():
                if key not in self.known or self.known[key][part] != row[part]:
                    self.dates[name, key] = self.now() - timedelta(seconds=late)
        self.known = dict(model)
        stamp, when = "id VARCHAR, u TIMESTAMPTZ", self.dates
        self.model(
            "people", f"{stamp}, email VARCHAR, a VARCHAR", *[(k, when["people", k], *r[:2]) for k, r in model.items()]
        )
        joined = [(k, when["more", k], r[2]) for k, r in model.items() if r[2] is not None]
        self.model("more", f"{stamp}, c VARCHAR", *joined)
        self.model("vip", stamp, *[(k, when["vip", k]) for k, r in model.items() if r[3]])
        self.model("adults", stamp, *[(k, when["adults", k]) for k, r in model.items() if r[4]])


def person(key: str, a: str = "x", c: str | None = None, *, vip: bool = False, adult: bool = True) -> Row:
    """Return a row with a match value of its own."""
    return f"{key}@example.org", a, c, vip, adult


def everybody(**other: Row) -> Model:
    """Return six people, some of them as told."""
    return {key: person(key, c="1" if key in "de" else None, vip=key in "bc") for key in KEYS} | other


def started(**more: Any) -> Dated:
    """Return a rig after its first run, an hour and more ago."""
    rig = Dated(**more)
    rig.build(everybody())
    rig.run()
    rig.later(hours=9)
    return rig


def read(done: Ran) -> str:
    """Return how much a run read, as its note says it."""
    return next(note for note in done.found.previews()[0].notes if "read" in note)


def mark(rig: Rig) -> int | None:
    """Return the base model's mark."""
    marks = load_marks(rig.store(), NAME)
    return marks.at["model.sim.people"] if marks else None


# --- what is read -----------------------------------------------------------------------------------------------------


def test_newer_rows_and_differing_keys() -> None:
    """Newer rows of every model, who came, who went, who joined and parted are read; of others nothing is."""
    rig = started()
    rig.run()
    rig.build(
        everybody(a=person("a", "y"), b=person("b"), d=person("d"), e=person("e", c="2"), f=person("f", vip=True))
    )
    del rig.known["c"]
    rig.build(dict(rig.known))
    done = rig.run()
    assert read(done) == "6 keys were read"
    assert sorted(done.sent) == [
        "a upsert", "b part vip", "c leave", "c part vip", "d upsert", "e upsert", "f join vip",
    ]  # fmt: skip
    rig.later(hours=9)
    quiet = rig.run()
    assert (read(quiet), quiet.sent) == ("2 keys were read", [])  # each model's newest row


def test_leaves_wait_for_the_full_pass() -> None:
    """With ``leaves: full`` only newer rows are read; who is gone is seen once ``full_every`` has passed."""
    rig = started(leaves="full")
    rig.build({key: row for key, row in everybody(a=person("a", "y")).items() if key != "c"})
    assert rig.run().sent == ["a upsert"]
    rig.later(days=91)
    done = rig.run()
    assert (read(done), sorted(done.sent)) == (
        "all rows were read: the last time is too long ago",
        ["c leave", "c part vip"],
    )


def test_look_back_and_null() -> None:
    """A row that was dated up to an hour before the mark is read, and so is one that is not dated at all."""
    rig = started()
    rig.build(everybody(a=person("a", "y")))
    rig.run()
    rig.build(everybody(a=person("a", "y"), b=person("b", "y", vip=True)), late=HOUR * 0.9)
    assert rig.run().sent == ["b upsert"]
    rig.con.execute("UPDATE memory.main.people SET u = NULL, a = 'z' WHERE id = 'd'")
    assert rig.run().sent == ["d upsert"]


def test_a_clock_that_is_ahead() -> None:
    """A row from the future moves the mark no further than our own clock less the margin: others are not hidden."""
    rig = started()
    rig.build(everybody(a=person("a", "y")), late=-48 * HOUR)
    rig.run()
    rig.build(everybody(a=person("a", "y"), b=person("b", "y", vip=True)))
    assert rig.run().sent == ["b upsert"]


def test_what_makes_a_whole_read() -> None:
    """A model of values that is not dated, another plan, another type: all is read, and the note says why."""
    rig = started()
    bare = replace(rig.plan, base=ref("people"))
    rig.plan, before = bare, rig.plan
    assert read(rig.run()) == "all rows were read: people has no updated_at"
    rig.plan = replace(before, guards=replace(OFF, max_leave=Limits(0.5, 1)))
    assert read(rig.run()) == "all rows were read: what is mapped, or how, has changed"
    assert read(rig.run()) != ""
    rig.con.execute("ALTER TABLE memory.main.people ALTER u TYPE VARCHAR")
    assert read(rig.run()) == "all rows were read: u of people is of the type VARCHAR"


def test_a_model_that_looks_broken_is_read_whole() -> None:
    """An empty model stops the sync as it does in a whole read."""
    rig = started(guards=replace(OFF, min_rows=3))
    rig.build({})
    assert [held.guard for held in rig.run().held] == ["min_rows"]


# --- when marks advance -----------------------------------------------------------------------------------------------


def test_marks_wait_for_what_is_held_or_lost() -> None:
    """Held, waiting, unknown, a canary: the mark stays where it is; not so for a rejected row, which state keeps."""
    rig = started(guards=replace(OFF, max_leave=Limits(0.1, 0)))
    rig.run()
    first = mark(rig)
    rig.build({key: row for key, row in everybody(a=person("a", "y")).items() if key != "f"})
    assert rig.run().held
    assert mark(rig) == first
    rig.approve("max_leave", up_to=1)
    rig.vendor.lose = {"a@example.org"}
    rig.build({key: row for key, row in everybody(a=person("a", "z")).items() if key != "f"})
    rig.run()
    assert mark(rig) == first
    rig.vendor.lose = set()
    rig.run(limit=1)
    assert mark(rig) == first
    rig.later(hours=1)
    rig.run()
    second = mark(rig)
    assert second is not None
    assert first is not None
    assert second > first
    rig.vendor.refuse = {"b@example.org": "NO"}
    rig.build({key: row for key, row in everybody(b=person("b", "q", vip=True)).items() if key != "f"})
    assert rig.run().status["b upsert"] == "NO"
    assert mark(rig) != second
    rig.vendor.refuse = {}
    rig.later(days=8)
    assert "b upsert" in rig.run().sent


def test_named_keys_advance_no_mark() -> None:
    """A run of named keys settles them, and no mark."""
    rig = started()
    before = mark(rig)
    rig.build(everybody(a=person("a", "y"), b=person("b", "y", vip=True)))
    assert rig.run(keys=["a"], partial=True).sent == ["a upsert"]
    assert mark(rig) == before
    assert rig.run().sent == ["b upsert"]


# --- incremental is as whole ------------------------------------------------------------------------------------------

rows = st.tuples(
    st.none() | st.sampled_from([f"{n}@example.org" for n in "pqrstu"]), st.sampled_from("xyz"),
    st.none() | st.sampled_from("12"), st.booleans(), st.booleans(),
)  # fmt: skip
steps = st.tuples(
    st.dictionaries(st.sampled_from(KEYS), rows, min_size=1), st.sampled_from([0.0, HOUR * 0.9]),
    st.sets(st.sampled_from([f"{n}@example.org" for n in "pqrstu"]), max_size=1),
    st.sets(st.sampled_from([f"{n}@example.org" for n in "pqrstu"]), max_size=1),
)  # fmt: skip


def step(rig: Dated, model: Model, late: float, refuse: set[str], lose: set[str]) -> Ran:
    """Build, and run once over a vendor that refuses some and loses some."""
    rig.later(hours=5)
    rig.build(model, late=late)
    rig.vendor.refuse, rig.vendor.lose = dict.fromkeys(refuse, "NO"), lose
    return rig.run()


@settings(max_examples=8, deadline=None)
@given(st.lists(steps, min_size=2, max_size=5))
def test_each_run_does_what_a_whole_one_does(history: list[tuple[Model, float, set[str], set[str]]]) -> None:
    """Over any history, with refusals and lost answers, every run sends, keeps and leaves what a whole read would."""
    little, much = Dated(), Dated(incremental=False)
    for one in [*history, (history[-1][0], 0.0, set(), set())]:
        few, all_ = (step(rig, *one) for rig in (little, much))
        assert few.status == all_.status
        assert sorted(few.sent) == sorted(all_.sent)
        assert little.snapshot() == much.snapshot()
        assert little.members() == much.members()
        assert (little.vendor.people, little.vendor.tags) == (much.vendor.people, much.vendor.tags)

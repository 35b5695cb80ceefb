"""The diff in the warehouse: it finds who differs, little leaves it, and a run does what a whole read would do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings

from revetl.diff import candidates
from revetl.engine import inside
from revetl.state.sqlowner import SqlOwner
from revetl.types import CohortPlan, FieldPlan, Guards, Hash, Limits, OnLeave, SyncPlan
from revetl.warehouse import landing
from tests.unit.engine.harness import NAME, OFF, Ran, Rig, cohort, fields, plan, ref
from tests.unit.engine.histories import STORY, History, histories, named, rich, same
from tests.unit.engine.test_links import WIDE, firms, link
from tests.unit.engine.together import Together

EXAMPLES = int(os.environ.get("REVETL_EXAMPLES", "3"))


@pytest.fixture
def together(tmp_path: Path) -> Callable[..., Together]:
    """Return a maker of rigs."""
    return lambda made=None: Together(made, tmp_path)


UUIDS = [f"00000000-0000-0000-0000-00000000000{n}" for n in range(2)]


def read(done: Ran) -> str:
    """Return how much a run read of people, as its note says it."""
    people = next(preview for preview in done.found.previews() if preview.sync == NAME)
    return next(note for note in people.notes if "read" in note)


def person(key: str, a: str | None = "x") -> tuple[str, str, str | None]:
    """Return a row of the plain model."""
    return key, f"{key}@example.org", a


# --- little leaves ----------------------------------------------------------------------------------------------------


def test_only_who_differs_is_read(together: Callable[..., Together]) -> None:
    """Of a hundred people, those leave the warehouse that are new, changed or gone, and nobody where nothing is."""
    rig = together()
    everybody = [person(f"k{n}") for n in range(100)]
    rig.people(*everybody)
    assert read(rig.run()) == "all rows were read: nothing is settled yet"
    assert read(rig.run()) == "0 keys were read"
    rig.people(person("new"), person("k1", "y"), *everybody[2:99])
    done = rig.run()
    assert read(done) == "4 keys were read"
    assert done.sent == ["k1 upsert", "new upsert"]
    assert done.status == {"k1 upsert": "delivered", "new upsert": "delivered", "k0 leave": "kept", "k99 leave": "kept"}
    assert done.found.previews()[0].rows == 99
    assert rig.run().changes == []


def started(together: Callable[..., Together], made: SyncPlan | None = None) -> Together:
    """Return a rig with ten people who are delivered."""
    rig = together(made)
    rig.people(*[person(f"k{n}") for n in range(10)])
    rig.run()
    return rig


def test_guards_count_what_is_not_read(together: Callable[..., Together]) -> None:
    """Shares are of all known records and of all members, and a verdict tells the same numbers as a whole read."""
    guards = Guards(max_leave=Limits(0.3, 1), max_change=Limits(0.2, 1), max_null=Limits(), min_rows=8)
    made = plan(guards=guards, cohorts=(CohortPlan("vip", "vip", ref("vip"), guards),), on_leave=OnLeave.DELETE)
    little, much = together(made), Rig(made)
    for people, vips, told in (
        (range(10), range(10), []),
        (range(7), range(10), ["min_rows"]),
        (range(8), range(10), []),
        (range(8), range(4), ["2 of 8 known", "4 of 8 members"]),
    ):
        for rig in (little, much):
            changed = "y" if told == ["2 of 8 known", "4 of 8 members"] else "x"
            rig.people(*[person(f"k{n}", changed if n < 2 else "x") for n in people])
            rig.keys("vip", *[f"k{n}" for n in vips])
        held = [[replace(one, release="", hash="") for one in rig.run().held] for rig in (little, much)]
        assert held[0] == held[1]
        assert len(held[0]) == len(told)


def test_what_breaks_a_model_is_counted_there(together: Callable[..., Together]) -> None:
    """A null key, a key that stands twice, in the base or a joined model, unchanged or not: the verdict of a whole
    read, without a row that leaves the warehouse."""
    made = plan(joined=(ref("more"),), fields=(*fields("email", "a"), *fields("c", model="more")))
    people, more = [person(f"k{n}") for n in range(9)], [(f"k{n}", "c") for n in range(9)]
    little, much = together(made), Rig(made)
    for base, joined, found in (
        (people, more, 0),
        ([*people, (None, "n@example.org", "x")], more, 1),
        ([*people, people[3], people[3]], more, 2),
        ([*people, person("k3", "other")], more, 1),
        (people, [*more, ("k5", "c")], 1),
    ):
        for rig in (little, much):
            rig.people(*base)
            rig.model("more", "id VARCHAR, c VARCHAR", *joined)
        few, all_ = little.run(), much.run()
        assert few.held == all_.held
        assert [held.found for held in few.held] == ([found] if found else [])


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (plan(fields=(*fields("email"), FieldPlan("a", "a", "model.sim.people", hash=Hash.PLAIN))), "a leaves hashed"),
        (plan(fields=fields("email", "b")), "people.b (UUID) cannot be compared in the warehouse"),
        (plan(joined=(ref("more"),)), "more.id is of another type than the key"),
    ],
)
def test_what_cannot_be_compared_is_read_whole(together: Callable[..., Together], made: SyncPlan, why: str) -> None:
    """Where the warehouse has no comparison as exact as ours, all is read, and the run says why."""
    rig = together(made)
    rig.people(("a", "a@example.org", "x", UUIDS[0]), columns="id VARCHAR, email VARCHAR, a VARCHAR, b UUID")
    rig.model("more", "id INTEGER")
    rig.run()
    rig.people(("a", "a@example.org", "y", UUIDS[1]), columns="id VARCHAR, email VARCHAR, a VARCHAR, b UUID")
    done = rig.run()
    assert read(done) == f"all rows were read: {why}"
    assert done.sent == (["a upsert"] if made.fields[-1].field != "email" else [])


def test_a_new_field_is_a_backfill(together: Callable[..., Together]) -> None:
    """A field that is mapped anew finds who has it: nobody else is read, and its column is made there."""
    rig = started(together, plan(fields=fields("email")))
    rig.people(*[person(f"k{n}", "x" if n < 3 else None) for n in range(10)])
    rig.plan = plan()
    done = rig.run()
    assert read(done) == "3 keys were read"
    assert {did.cause for did in done.changes} == {"mapping"}
    assert rig.run().changes == []


def test_a_question_that_fails_late(together: Callable[..., Together], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the warehouse refuses a question after some of the state is here, all of it is compared, and nobody is
    taken for new."""
    rig = started(together)
    rig.people(*[person(f"k{n}") for n in range(1, 10)], person("new"))
    monkeypatch.setattr(candidates, "standing", lambda *_: "SELECT nothing")
    done = rig.run()
    assert read(done) == "all rows were read: its keys cannot be compared"
    assert done.status == {"new upsert": "delivered", "k0 leave": "kept"}


def test_many_who_differ_are_read_whole(together: Callable[..., Together], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more than half differ, asking for each would cost more than reading all."""
    monkeypatch.setattr(inside, "FEW", 2)
    rig = started(together)
    rig.people(*[person(f"k{n}", "y") for n in range(10)])
    assert read(rig.run()) == "all rows were read: more than 5 keys differ"
    rig.people(*[person(f"k{n}", "y" if n else "z") for n in range(10)])
    assert read(rig.run()) == "1 keys were read"


def test_whoever_holds_an_identity_is_read_too(together: Callable[..., Together]) -> None:
    """One who comes to where another stands, in whichever case and with whatever spaces, is told of it by name."""
    rig = started(together)
    rig.people(("new", " K3@Example.org", "x"), *[person(f"k{n}") for n in range(10)])
    done = rig.run()
    assert read(done) == "2 keys were read"
    assert done.status == {"new upsert": "MATCH_COLLISION"}


def test_links_find_ids_of_whom_nothing_is_read(together: Callable[..., Together]) -> None:
    """A link that changes gets the id of a record that did not; one to nobody waits, and is looked at every time."""
    rig = together(plan(links=(link(),)))
    rig.others = (firms(),)
    rig.people(("a", "a@example.org", "x", "f1"), ("b", "b@example.org", "x", None), columns=WIDE)
    rig.model("firms", "id VARCHAR, email VARCHAR", ("f1", "f1@example.com"), ("f2", "f2@example.com"))
    rig.run()
    rig.people(("a", "a@example.org", "x", "f2"), ("b", "b@example.org", "x", "f9"), columns=WIDE)
    done = rig.run()
    assert read(done) == "2 keys were read"
    ids = dict(rig.rows("SELECT key, remote_id FROM revetl_state.remote WHERE sync = 'sim.firm'"))
    assert ids['["f2"]'] is not None
    assert ids['["f2"]'] in str(rig.rows("SELECT * FROM revetl_state.snap_2"))
    assert rig.rows("SELECT key, awaits FROM revetl_state.waiting_links") == [('["b"]', '["f9"]')]
    assert read(rig.run()) == "1 keys were read"


# --- named keys -------------------------------------------------------------------------------------------------------


def test_of_named_keys_little_is_fetched(together: Callable[..., Together], monkeypatch: pytest.MonkeyPatch) -> None:
    """What leaves the warehouse for named keys is proportional to them: rows of models, and rows of state."""
    left: list[int] = []
    batches, rows = landing._Incoming.batches, SqlOwner.read

    def counted(self: landing._Incoming) -> Iterator[Any]:
        for batch in batches(self):
            left.append(batch.num_rows)
            yield batch

    def fetched(self: SqlOwner, table: str, *words: Any) -> Iterator[Any]:
        for some in rows(self, table, *words):
            left.append(len(some) if table.startswith(("snap", "members", "remote")) else 0)
            yield some

    monkeypatch.setattr(landing._Incoming, "batches", counted)
    monkeypatch.setattr(SqlOwner, "read", fetched)
    made, taken = plan(cohorts=(cohort("vip"),), guards=replace(OFF, max_leave=Limits(0.01, 0))), []
    for count in (100, 200):
        rig = together(made)
        rig.people(*[person(f"k{n}") for n in range(count)])
        rig.keys("vip", *[f"k{n}" for n in range(count)])
        rig.run()
        rig.people(*[person(f"k{n}", "y") for n in range(1, count)])
        left.clear()
        done = rig.run(keys=["k0", "k1", "K2@example.org", "nobody"], partial=True)
        assert set(done.status) == {"k0 leave", "k0 part vip", "k1 upsert", "k2 upsert"}
        assert not done.held  # one of a hundred may leave; one of those that were fetched would be more
        taken.append(sum(left))
    assert taken[0] == taken[1] < 30


@pytest.mark.parametrize("named", [["new"], ["k3"]])
def test_named_keys_meet_who_is_not_named(together: Callable[..., Together], named: list[str]) -> None:
    """Who comes to where another stands waits for a run that reads both, though of state only those two are fetched."""
    rig = started(together)
    rig.people(*[person(f"k{n}") for n in range(3)], ("k3", "K4@example.org", "x"), ("new", " k4@Example.org", "x"))
    done = rig.run(keys=named, partial=True)
    assert set(done.status.values()) == {"waiting"}


@settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.explicit, Phase.generate])
@example(STORY, ["a", "b", "'", "k@example.org"])
@given(histories, named)
def test_named_keys_do_what_they_do_beside_the_whole_state(history: History, keys: list[str]) -> None:
    """Over any history, a run of named keys does the same whether it fetched all of state or what concerns them."""
    with TemporaryDirectory() as place:
        much = Rig(rich())
        same(Together(rich(), Path(place)), much, history, keys)


# --- as a whole read --------------------------------------------------------------------------------------------------


@settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.explicit, Phase.generate])
@example(STORY)
@given(histories)
def test_each_run_does_what_a_whole_one_does(history: History) -> None:
    """Over any history, with odd values, refusals and lost answers: the same changes, held rows, calls, and state."""
    with TemporaryDirectory() as place:
        much = Rig(rich())
        same(Together(rich(), Path(place)), much, history)

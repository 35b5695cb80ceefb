"""What a sync's models want, and how it differs from state: by the run's own connection as by an engine elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from revetl.diff import candidates, desired, differing, recent
from revetl.diff.shape import Pointer, Shape, Slot, identity
from revetl.diff.spelling import DUCKDB, Spelling
from revetl.types import ConsentPlan, FieldPlan, Hash, ModelRef, SyncPlan
from tests.unit.diff.picked import MAILS, NO, Picker, keyed, mostly, norm, ordered, pick, yes
from tests.unit.engine.harness import NAME, cohort, plan, ref
from tests.unit.engine.together import Spelt

NUMBER = 60
SIDE = ("pid", "zone")  # what other models call the key
PEOPLE, MORE = "model.sim.people", "model.sim.more"
FIRM = Pointer("sim.firm", ("BIGINT", "VARCHAR"), ("firm", "branch"))
SLOTS = (
    Slot(0, "email", "email", PEOPLE, "VARCHAR", through="lower({x})"),
    Slot(1, "a", "a", PEOPLE, "VARCHAR"),
    Slot(2, "c", "c", MORE, "VARCHAR"),
    Slot(3, "n", "n", PEOPLE, "BIGINT"),
    Slot(4, "gone", "", PEOPLE, "VARCHAR"),
    Slot(5, "late", "a", PEOPLE, "VARCHAR", stored=False),
    Slot(6, "firm", "firm, branch", PEOPLE, "VARCHAR", link=FIRM),
    Slot(7, "none", "", PEOPLE, "VARCHAR", link=FIRM),
)
CARRIED = (
    Slot(8, "level", "level", "model.sim.gold", "VARCHAR", cohort="gold"),
    Slot(9, "gone", "", "model.sim.gold", "VARCHAR", cohort="gold"),
)
SHAPE = Shape(1, NAME, ("BIGINT", "VARCHAR"), SLOTS, 0, cohorts=("gold", "risky", NO), consent=NO, memberships=CARRIED)
GOLD = replace(cohort("gold"), ref=ref("gold", *SIDE), fields=(FieldPlan("level", "level", "model.sim.gold"),))
PLAN = plan(
    key=("id", "region"), base=ref("people", "id", "region"), joined=(ref("more", *SIDE), ref("bare", *SIDE)),
    audience=(ref("adults", *SIDE), ref("buyers", *SIDE)), exclude=(ref("staff", *SIDE), ref("minors", *SIDE)),
    cohorts=(GOLD, replace(cohort("risky"), ref=ref("risky", *SIDE))),
    consent=ConsentPlan("ok", MORE, "unsubscribe"),
)  # fmt: skip
NAMES = {one.unique_id: one.model for one in PLAN.models}
ELSEWHERE = Spelt(lambda table: f"revetl_state.{table}", lambda kind: kind)
Key = tuple[int | None, str | None]


@dataclass
class Models:
    """What models and state hold, read back."""

    people: dict[Key, Any]
    more: dict[Key, Any]
    some: dict[str, set[Key]]  # of models of keys alone
    gold: dict[Key, Any]
    held: dict[Key, Any]
    members: dict[tuple[Key, str], Any]
    firms: dict[str, str]
    remote: set[str]

    def wanted(self, key: Key) -> bool:
        """Return whether a record is in every audience and in no excluded model."""
        inside = all(key in self.some[name] for name in ("adults", "buyers"))
        return key in self.people and inside and not any(key in self.some[name] for name in ("staff", "minors"))

    def row(self, key: Key, *, spelt: bool = True) -> tuple[Any, ...]:
        """Return match value, fields and what links wait for of a record; ``spelt``: as our own connection has it."""
        x, more = self.people[key], self.more.get(key)
        firm = None if x.firm is None or x.branch is None else f'[{x.firm},"{x.branch}"]'
        match = x.email and x.email.lower()
        waits = None if firm is None or firm in self.firms else firm if spelt else "?"
        c = more.c if more else None
        return (match, x.email, x.a, c, x.n, None, x.a, self.firms.get(firm or ""), None, waits, None)

    def says_no(self, key: Key) -> bool:
        """Return whether somebody whom the destination may know withdrew."""
        known = self.wanted(key) or f'[{key[0]},"{key[1]}"]' in self.remote or key in self.held
        return known and key in self.more and self.more[key].ok is False

    def wishes(self) -> list[tuple[Any, ...]]:
        """Return the memberships that are wanted, with what they carry."""
        found = [(*key, x.level, None, "gold") for key, x in self.gold.items() if self.wanted(key)]
        found += [(*key, None, None, "risky") for key in self.some["risky"] if self.wanted(key)]
        return found + [(*key, None, None, NO) for key in self.people if self.says_no(key)]


@pytest.fixture
def models(picker: Picker) -> Models:
    """Pick models and state."""
    key = keyed()
    here = {"id": f"{key['k0']}::INTEGER", "region": key["k1"]}
    side = {"pid": key["k0"], "zone": key["k1"]}
    picker.make("people", NUMBER, **here, email=pick(*MAILS), a=pick("x", "y", None), n=pick(1, 2, None),
                firm=pick(1, 2, None), branch=pick("u", "v", None),
                u=f"{pick('2026-11-01', '2026-11-02', '2026-11-03', 'infinity', None)}::TIMESTAMPTZ")  # fmt: skip
    picker.make("more", NUMBER, **side, c=pick("x", None), ok=pick(1, 0, None) + "::BOOLEAN")
    picker.make("gold", NUMBER, **side, level=pick("high", "low", None),
                u=f"{pick('2026-11-01', '2026-11-03')}::TIMESTAMPTZ")  # fmt: skip
    shares = {"adults": 90, "buyers": 90, "staff": 10, "minors": 10, "risky": 60, "bare": 60}
    for name in shares:
        picker.make(name, NUMBER, **side)
    for name, share in {**shares, "people": 90, "more": 85, "gold": 60}.items():
        number = len(name) + sum(map(ord, name))
        picker.run([f"DELETE FROM {name} WHERE hash(rowid, {number}) % 100 >= {share}"])
    picker.run(["INSERT INTO risky SELECT * FROM risky", "INSERT INTO people BY NAME SELECT 7 AS id, 'zz' AS email"])
    picker.make("state", NUMBER, **keyed(), m=pick(*MAILS), f0=pick(*MAILS), f1=mostly("'x'", "'y'"),
                f2=pick("x", None), f3=pick(1, 2, None), f4=pick("x", None), f6=pick("r1", "r2", None, None),
                f7=pick("r1", None), level=pick("high", "low"), here=yes(80), gold=yes(), old=yes(20))  # fmt: skip
    same = "FROM people p WHERE p.id = s.k0 AND p.region = s.k1 AND s.k0 % 3 > 0"
    picker.run([
        f"UPDATE state s SET f0 = p.email, m = lower(p.email), f1 = p.a, f3 = p.n {same}",
        "UPDATE state s SET f2 = o.c FROM more o WHERE o.pid = s.k0 AND o.zone = s.k1 AND s.k0 % 3 > 0",
        "UPDATE state SET f4 = NULL, f7 = NULL, f6 = NULL WHERE k0 % 3 = 2",
        "CREATE TABLE revetl_state.snap_1 AS SELECT k0, k1, m, f0, f1, f2, f3, f4, f6, f7 FROM state WHERE here",
        f"CREATE TABLE revetl_state.members_1 AS SELECT k0, k1, 'gold' AS cohort, level AS f8, NULL::VARCHAR AS f9 "
        f"FROM state WHERE gold UNION ALL SELECT k0, k1, CASE WHEN old THEN 'old' WHEN k0 % 2 = 0 THEN 'risky' ELSE "
        f"'{NO}' END, NULL, NULL FROM state",
    ])  # fmt: skip
    picker.put("remote", 6, sync="['sim.firm', 'sim.firm', 'sim.other'][1 + n % 3]", remote_id="'r' || n",
               key="['[1,\"u\"]', '[2,\"v\"]', '[1,\"v\"]', '[9,\"u\"]', '[8,\"u\"]', '[7,\"u\"]'][1 + n]")  # fmt: skip
    mine = keyed("n * 3")["key"]
    picker.run([f"INSERT INTO revetl_state.remote BY NAME SELECT '{NAME}' AS sync, {mine} AS key, 'p' || n "
                "AS remote_id FROM range(20) t(n)"])  # fmt: skip

    def by_key(name: str, *key: str) -> dict[Key, Any]:
        return {tuple(getattr(x, one) for one in key): x for x in picker.rows(f"SELECT * FROM {name}")}

    members = picker.rows("SELECT * FROM revetl_state.members_1")
    remote = picker.rows("SELECT * FROM revetl_state.remote")
    return Models(
        by_key("people", "id", "region"), by_key("more", *SIDE), {name: set(by_key(name, *SIDE)) for name in shares},
        by_key("gold", *SIDE), by_key("revetl_state.snap_1", "k0", "k1"),
        {((x.k0, x.k1), x.cohort): x for x in members},
        {x.key: x.remote_id for x in remote if x.sync == "sim.firm"}, {x.key for x in remote if x.sync == NAME},
    )  # fmt: skip


def views(picker: Picker, made: SyncPlan = PLAN, shape: Shape = SHAPE) -> None:
    """Make what memberships are asked of."""
    picker.run([f"CREATE OR REPLACE TEMP VIEW desired_1 AS {desired.desired(made, NAMES, shape)}",
                f"CREATE OR REPLACE TEMP VIEW everybody_1 AS {desired.everybody(made, NAMES, shape)}"])  # fmt: skip


COLUMNS = "k0, k1, m, f0, f1, f2, f3, f4, f5, f6, f7, w6, w7"


@pytest.mark.parametrize("spelling", [DUCKDB, ELSEWHERE], ids=["here", "elsewhere"])
def test_what_is_wanted(picker: Picker, models: Models, spelling: Spelling) -> None:
    """Every record of the audience, excluded ones left out, with values of all models and the ids of its links."""
    spelt = spelling is DUCKDB
    first = replace(SHAPE, slots=(replace(SLOTS[0], through="{x}"), *SLOTS[1:]))
    for shape in (SHAPE, first):
        lowered = shape is SHAPE
        every = {key: models.row(key, spelt=spelt) for key in models.people}
        every = {key: (row[0] if lowered else row[1], (row[0] if lowered and spelt else row[1]), *row[2:])
                 for key, row in every.items()}  # fmt: skip
        found = picker.tuples(f"SELECT {COLUMNS} FROM ({desired.everybody(PLAN, NAMES, shape, spelling)})")
        assert found == ordered((*key, *row) for key, row in every.items())
        found = picker.tuples(f"SELECT {COLUMNS} FROM ({desired.desired(PLAN, NAMES, shape, spelling)})")
        assert found == ordered((*key, *row) for key, row in every.items() if models.wanted(key))
    told = picker.tuples(f"SELECT k0, k1, okay FROM ({desired.everybody(PLAN, NAMES, SHAPE, spelling)})")
    oks = {key: models.more[key].ok if key in models.more else None for key in models.people}
    assert told == ordered((*key, ok) for key, ok in oks.items())
    nobody = replace(PLAN, audience=(), exclude=(), consent=None)
    assert len(picker.tuples(desired.desired(nobody, NAMES, SHAPE, spelling))) == len(models.people)
    bare = desired.everybody(nobody, NAMES, replace(SHAPE, match_slot=None, slots=()), spelling)
    assert picker.tuples(bare) == ordered((*key, x.email) for key, x in models.people.items())


def test_whom_memberships_are_of(picker: Picker, models: Models) -> None:
    """Members of each cohort who are wanted, once, with what theirs carries; and each no of whom it may know."""
    views(picker)
    found = picker.tuples(f"SELECT k0, k1, f8, f9, cohort FROM ({desired.members(PLAN, NAMES, SHAPE)})")
    assert found == ordered(models.wishes())
    assert {cohort for *_, cohort in found} == {"gold", "risky", NO}
    first = desired.members(PLAN, NAMES, replace(SHAPE, stored=False))
    held = {key for key in models.held if not models.wanted(key) and f'[{key[0]},"{key[1]}"]' not in models.remote}
    expected = ordered(one for one in models.wishes() if not (one[4] == NO and (one[0], one[1]) in held))
    assert picker.tuples(f"SELECT k0, k1, f8, f9, cohort FROM ({first})") == expected
    assert expected != found
    none = desired.members(replace(PLAN, cohorts=()), NAMES, replace(SHAPE, consent=None))
    assert picker.tuples(f"SELECT k0, k1, f8, f9, cohort FROM ({none})") == []


def changed(models: Models) -> dict[Key, tuple[bool, bool]]:
    """Return the records that differ: wanted, known."""
    found = {}
    for key in {*models.people, *models.held}:
        wanted, s = models.wanted(key), models.held.get(key)
        if wanted:
            match, *values = models.row(key)
            values = values[:8] + [one for one in values[8:] if one is not None]  # a link that waits differs
            same = s is not None and [match, *values] == [s.m, s.f0, s.f1, s.f2, s.f3, s.f4, None, s.f6, s.f7]
        else:
            same = s is None
        if not same:
            found[key] = wanted, s is not None
    return found


PLAIN = replace(SHAPE, slots=(replace(SLOTS[0], through="{x}"), *SLOTS[1:]))


def test_an_engine_elsewhere_finds_who_differs(picker: Picker, models: Models) -> None:
    """Records and memberships, each with the sides on which there is one; as many as are asked for."""
    for key, x in models.people.items():
        x.email = x.email and x.email.lower()
        models.people[key] = x
    picker.run(["UPDATE people SET email = lower(email)"])
    expected = [
        (str(key[0]), key[1], "1" if wanted else None, "1" if known else None,
         models.row(key)[0] if wanted else None, models.held[key].m if known else None)
        for key, (wanted, known) in changed(models).items()
        if key[1] is not None
    ]  # fmt: skip
    found = picker.tuples(candidates.records(PLAN, NAMES, PLAIN, ELSEWHERE, 999))
    assert found == ordered(expected)
    assert 10 < len(expected) < len(models.people)
    assert len(picker.tuples(candidates.records(PLAN, NAMES, PLAIN, ELSEWHERE, 3))) == 3
    again = candidates.records(PLAN, NAMES, replace(PLAIN, resend=True), ELSEWHERE, 999)
    every = {key for key in {*models.people, *models.held} if models.wanted(key) or key in models.held}
    assert len(picker.tuples(again)) == len(every)
    wishes = {((k0, k1), about): (level, gone) for k0, k1, level, gone, about in models.wishes()}
    members = {one: (x.f8, x.f9) for one, x in models.members.items() if one[1] != "old"}
    sides = {(str(key[0]), key[1], "1" if (key, about) in wishes else None,
              "1" if (key, about) in members else None)
             for key, about in {*wishes, *members}
             if wishes.get((key, about)) != members.get((key, about))}  # fmt: skip
    assert picker.tuples(candidates.members(PLAN, NAMES, SHAPE, ELSEWHERE, 999)) == ordered(sides)
    assert len(picker.tuples(candidates.members(PLAN, NAMES, SHAPE, ELSEWHERE, 2))) == 2
    without = candidates.members(replace(PLAN, consent=None), NAMES, replace(SHAPE, consent=None), ELSEWHERE, 999)
    assert len(picker.tuples(without)) > 2
    assert picker.tuples(candidates.count(PLAN, NAMES, SHAPE, ELSEWHERE)) == [
        (str(sum(map(models.wanted, models.people))),)
    ]


@pytest.mark.parametrize("spelling", [DUCKDB, ELSEWHERE], ids=["here", "elsewhere"])
def test_what_state_holds_is_read_with_every_column(picker: Picker, models: Models, spelling: Spelling) -> None:
    """Nulls where none is stored yet; of a first sync no row; of memberships those of mapped cohorts."""
    found = picker.tuples(f"SELECT k0, k1, m, f5, f6 FROM ({differing.snapshot(SHAPE, spelling)})")
    assert found == ordered((*key, x.m, None, x.f6) for key, x in models.held.items())
    assert picker.tuples(differing.snapshot(replace(SHAPE, stored=False), spelling)) == []
    found = picker.tuples(f"SELECT k0, k1, cohort, f8 FROM ({differing.memberships(SHAPE, spelling)})")
    assert found == ordered((*key, about, x.f8) for (key, about), x in models.members.items() if about != "old")
    assert picker.tuples(differing.memberships(replace(SHAPE, cohorts=()), spelling)) == []


def test_who_stands_where(picker: Picker, models: Models) -> None:
    """Keys as texts, by match values as they are compared: folded, or exactly."""
    found = picker.tuples(candidates.standing(SHAPE, ELSEWHERE, ["a@x.org", "b@x.org"]))
    assert found == ordered((str(k0), k1, x.m) for (k0, k1), x in models.held.items()
                            if norm(x.m) in {"a@x.org", "b@x.org"})  # fmt: skip
    exact = candidates.standing(replace(SHAPE, normalise="exact"), ELSEWHERE, [" A@x.org"])
    assert picker.tuples(exact) == ordered(
        (str(k0), k1, x.m) for (k0, k1), x in models.held.items() if x.m == " A@x.org"
    )
    lower = candidates.standing(replace(SHAPE, normalise="lower"), ELSEWHERE, ["a@x.org"])
    assert len(picker.tuples(lower)) > len(picker.tuples(exact))


def test_identities_are_compared_as_the_destination_does(picker: Picker) -> None:
    """Lowered and trimmed, lowered alone, or as they are."""
    for normalise, expected in (("email", "ab"), ("lower", " ab "), ("exact", " aB ")):
        assert picker.tuples(f"SELECT {identity(quoted(' aB '), normalise)}") == [(expected,)]


def test_what_decides_a_digest() -> None:
    """The way of hashing and the kind of value; nothing where it is in clear."""
    assert SLOTS[1].digest() is None
    assert replace(SLOTS[1], hash=Hash.PLAIN, pii="phone").digest() == f"{Hash.PLAIN}:phone"


def quoted(text: str) -> str:
    """Return a literal."""
    return f"'{text}'"


@pytest.mark.parametrize("keys", [("k",), ("k", "l"), ("k", "l", "o")])
def test_a_key_s_health(picker: Picker, keys: tuple[str, ...]) -> None:
    """Rows, rows with a null in any part of the key, and rows beyond the first of each key; elsewhere as text."""
    picker.make("sick", 200, k=pick(1, 2, 3, 4, None), l=pick("x", "y", "z", None), o=pick("u", "v"))
    rows = [tuple(getattr(x, one) for one in keys) for x in picker.rows("SELECT * FROM sick")]
    expected = (200, sum(None in row for row in rows), 200 - len(set(rows)))
    one = ref("sick", *keys)
    assert picker.tuples(desired.key_health(one, "sick")) == [expected]
    assert picker.tuples(desired.health(one, "sick")) == [expected[:2]]
    texts = tuple(map(str, expected))
    assert picker.tuples(candidates.health(one, "sick", ELSEWHERE, twice=True)) == [texts]
    assert picker.tuples(candidates.health(one, "sick", ELSEWHERE)) == [texts[:2]]


def test_keys_that_links_point_to(picker: Picker, models: Models) -> None:
    """Each once, spelt as state spells it."""
    keys = {(x.firm, x.branch) for x in models.people.values()}
    expected = {(None if None in key else f'[{key[0]},"{key[1]}"]',) for key in keys}
    assert picker.tuples(desired.pointed(SLOTS[6], NAMES)) == ordered(expected)
    assert picker.tuples(desired.pointed(SLOTS[1], NAMES)) == [(None,)]


def test_a_key_of_another_length_is_refused() -> None:
    """Of a model as of a link: no part of a key is left out, nor made up."""
    with pytest.raises(ValueError, match="zip"):
        desired.key_columns(ref("people", "id"), "b", SHAPE)
    with pytest.raises(ValueError, match="zip"):
        desired.pointed(replace(SLOTS[6], link=replace(FIRM, columns=("firm",))), NAMES)


# --- what a partial read looks at -------------------------------------------------------------------------------------

MARK = datetime(2026, 11, 2, tzinfo=UTC)
SINCE = {PEOPLE: int(MARK.timestamp() * 1e6), "model.sim.gold": int(MARK.timestamp() * 1e6)}


def dated(one: ModelRef) -> ModelRef:
    """Return a model whose rows say when they changed."""
    return replace(one, updated_at="u")


DATED = replace(PLAN, base=dated(PLAN.base), cohorts=(replace(GOLD, ref=dated(GOLD.ref)), PLAN.cohorts[1]))


def doubts(picker: Picker) -> dict[str, set[Key]]:
    """Pick what state has not settled; return the keys of each table of this sync."""
    found: dict[str, set[Key]] = {}
    for at, table in enumerate(recent.OPEN):
        more = {"near": "['d@x.org']"} if table == "pending" else {}
        picker.put(table, 6, sync=f"['{NAME}', 'sim.other'][1 + n % 2]", key=keyed(f"n * 11 + {at}")["key"], **more)
        keys = (number * 11 + at for number in range(0, 6, 2))
        found[table] = {(number // 2, "ab"[number % 2]) for number in keys}
    return found


KNOWN = replace(SHAPE, consent=None, memberships=(), cohorts=("gold", "risky"))  # what a partial read knows


def looked_at(picker: Picker, since: dict[str, int], *, by_keys: bool) -> set[Key]:
    """Return the keys that a partial read asks for."""
    picker.run(recent.statements(DATED, NAMES, KNOWN, since, "few", by_keys=by_keys))
    return {(k0, k1) for k0, k1 in picker.tuples("SELECT * FROM few")}


def test_what_is_newer_or_open_is_looked_at(picker: Picker, models: Models) -> None:
    """Rows of marked models since their mark, what state doubts, who stands where another does, links that moved."""
    new = {key for key, x in models.people.items() if newer(x)} | {key for key, x in models.gold.items() if newer(x)}
    new = {key for key in new if None not in key}
    opened = set.union(*doubts(picker).values())
    places = [norm(x.m) for x in models.held.values()]
    stands = {key for key, x in models.held.items() if x.m is not None and (norm(x.m) == "d@x.org" or
              places.count(norm(x.m)) > 1)}  # fmt: skip
    ids = set(models.firms.values())
    moved = {key for key, x in models.held.items() if {x.f6, x.f7} - ids - {None}}
    found = looked_at(picker, SINCE, by_keys=False)
    assert found == new | opened | stands | moved
    assert looked_at(picker, {}, by_keys=False) == opened | stands | moved
    assert len(picker.tuples("SELECT * FROM few")) == len(opened | stands | moved)
    assert new - opened - stands - moved


def newer(x: SimpleNamespace) -> bool:
    """Return whether a row is as new as the mark, or does not say."""
    return x.u is None or x.u == "infinity" or str(x.u) >= "2026-11-02" or getattr(x.u, "year", 0) > 2026


def test_by_keys_who_came_and_went_is_looked_at(picker: Picker, models: Models) -> None:
    """Records and memberships on one side alone, and records with values of a joined model that lost their row."""
    doubts(picker)
    picker.run(["UPDATE revetl_state.snap_1 SET m = k0 || k1, f6 = NULL, f7 = NULL"])  # nobody else is looked at
    rest = looked_at(picker, {}, by_keys=False)
    found = looked_at(picker, {}, by_keys=True) - rest
    wanted = {key for key in models.people if models.wanted(key) and None not in key}
    sides = {one for one in models.members if one[1] in {"gold", "risky"}}
    wishes = {(key, "gold") for key in models.gold if key in wanted}
    wishes |= {(key, "risky") for key in models.some["risky"] if key in wanted}
    lost = {key for key, x in models.held.items() if x.f2 is not None and key not in models.more}
    expected = (wanted ^ set(models.held)) | {key for key, _ in sides ^ wishes} | lost
    assert found == expected - rest
    assert lost - (wanted ^ set(models.held)) - rest
    none = replace(KNOWN, cohorts=())  # then no membership is looked at
    picker.run(recent.statements(replace(DATED, cohorts=()), NAMES, none, {}, "few", by_keys=True))
    assert set(picker.tuples("SELECT * FROM few")) - rest == (wanted ^ set(models.held) | lost) - rest


def test_a_mark_is_the_newest_moment(picker: Picker, models: Models) -> None:
    """In microseconds; what is infinite is none."""
    one = dated(PLAN.base)
    at = int(datetime(2026, 11, 3, tzinfo=UTC).timestamp() * 1e6)
    assert picker.tuples(recent.newest(one, "people")) == [(at,)]
    picker.run(["UPDATE people SET u = NULL"])
    assert picker.tuples(recent.newest(one, "people")) == [(None,)]
    assert models.people

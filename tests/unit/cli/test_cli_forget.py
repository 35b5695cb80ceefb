"""When ``forget`` refuses to begin, and what ``status`` says of what it began."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from revetl.engine.forgotten import Hasher
from revetl.engine.keyring import Keyring
from revetl.state.erasing import Erasure, add
from revetl.state.tombstones import FILE, Tombstone, write
from tests.unit.cli.shop import YML, Revetl, Shop, column, customers, subscribers
from tests.unit.state.written import HUB, KEY, MAIL, NOON, Sent, Written

FULL: dict[str, object] = {"email_address": "a@example.org", "LTV_BAND": "low"}
ASKED = ("forget", "c1", "--yes")


@pytest.fixture
def state(shop: Shop) -> Written:
    """One person whom Mailchimp acknowledged."""
    made = Written(shop.root / ".revetl" / "dev").make(MAIL, HUB)
    made.run("r1", Sent('["c1"]', body=FULL, band="low"))
    return made


def untouched(directory: Path) -> bool:
    """Return whether nobody is forgotten."""
    return not (directory / FILE).exists()


def left_behind(state: Written) -> tuple[set[str], list[tuple[str]]]:
    """Return the hashes of forgotten addresses, and the keys that the ledger still has."""
    with state.store() as store:
        forgotten = store.rows("SELECT hash FROM revetl_state.forgotten WHERE kind = 'identity'")
        return {row[0] for row in forgotten}, store.rows(
            f"SELECT key FROM read_parquet('{state.directory}/ledger/*.parquet')"
        )


def test_a_job_still_carries_the_person(state: Written, revetl: Revetl) -> None:
    """RVT-855: what a vendor works on would bring them back, so the sync must end first; another person can go."""
    with state.store() as store:
        state.stage(store, "r2", [Sent('["c1"]', body=FULL, status=None)])
        store.con.execute("INSERT INTO revetl_state.jobs VALUES ('r2', ?, 1, 9, '{}', now())", [MAIL])
    shown = revetl(*ASKED)
    assert (shown.exit_code, "RVT-855" in shown.stderr) == (2, True), shown.output
    assert MAIL in shown.stderr
    assert "revetl sync" in shown.stderr
    assert untouched(state.directory)


def test_a_lost_request_may_still_arrive(state: Written, revetl: Revetl) -> None:
    """RVT-856: try later, exit 4; once the request can arrive no more, it is no reason."""
    state.now = datetime.now(UTC)
    state.run("r2", Sent('["c1"]', body=FULL, status="unknown"), after=0)
    shown = revetl(*ASKED)
    assert (shown.exit_code, "RVT-856" in shown.stderr) == (4, True), shown.output
    assert untouched(state.directory)
    state.change(lambda store: store.con.execute("UPDATE revetl_state.pending SET since = ?", [NOON]))
    assert "RVT-856" not in revetl(*ASKED).stderr
    assert not untouched(state.directory)


def test_what_must_be_done_by_hand(state: Written, revetl: Revetl) -> None:
    """RVT-857: where nobody can be asked from here, it begins only if told so; --dry-run says where and why."""
    state.run("r2", Sent('["c1"]', body=FULL, sync=HUB))
    seen = revetl("forget", "c1", "--dry-run", "--output", "json")
    assert seen.exit_code == 0, seen.output
    assert {one["sync"]: one["how"] for one in json.loads(seen.stdout)["places"]}[HUB] == "unconfigured"
    of_one = revetl("forget", "c1", "--entity", "customer", "--dry-run", "--output", "json")
    assert [one["sync"] for one in json.loads(of_one.stdout)["places"]] == [HUB, MAIL]
    shown = revetl(*ASKED)
    assert (shown.exit_code, "RVT-857" in shown.stderr) == (2, True), shown.output
    assert HUB in shown.stderr
    assert "--incomplete" in shown.stderr
    assert untouched(state.directory)
    assert "RVT-857" not in revetl(*ASKED, "--incomplete").stderr
    assert not untouched(state.directory)


@pytest.mark.parametrize(("there", "theirs"), [("New@example.org", [HUB, MAIL]), ("b@example.org", [MAIL])])
def test_a_former_sync_is_known_by_any_address_of_the_person(
    state: Written, revetl: Revetl, there: str, theirs: list[str]
) -> None:
    """The one that is asked for leads to the key; the same key of another entity stands at none of theirs."""
    moved = {**FULL, "email_address": "new@example.org"}
    state.run(
        "r2", Sent('["c1"]', m="new@example.org", body=moved, status="unknown"), Sent('["c1"]', m=there, sync=HUB)
    )
    seen = revetl("forget", "a@example.org", "--dry-run", "--output", "json")
    assert [one["sync"] for one in json.loads(seen.stdout)["places"]] == theirs, seen.output


def test_a_sync_that_is_configured_no_more_and_shares_no_address(state: Written, revetl: Revetl) -> None:
    """Of which entity it was, its fields' models tell; where they do not, it is told, and its key is nobody's."""
    state.run("r2", Sent('["c1"]', m="z@example.org", body={**FULL, "email_address": "z@example.org"}, sync=HUB))
    asked, told = ("forget", "c1", "--entity", "customer", "--dry-run", "--output", "json"), []
    for model in ("model.shop.customers", "model.shop.parts"):
        with state.store() as store:
            store.con.execute("UPDATE revetl_state.fields SET model = ?", [model])
        seen = json.loads(revetl(*asked).stdout)
        told.append([[one["sync"] for one in seen[name]] for name in ("keys", "places")])
        assert [one["how"] for one in seen["places"] if one["sync"] == HUB] == ["unconfigured"]
    assert [[sorted(some) for some in both] for both in told] == [[[HUB, MAIL]] * 2, [[MAIL], [HUB, MAIL]]]


def test_an_address_of_a_sync_that_is_configured_no_more_leads_to_the_key_elsewhere(
    state: Written, revetl: Revetl
) -> None:
    """If its models are of the entity; else the same key may be somebody else's."""
    old, new = ({**FULL, "email_address": f"{name}@example.org"} for name in ("old", "new"))
    state.run(
        "r2", Sent('["c2"]', m="new@example.org", body=new), Sent('["c2"]', m="old@example.org", body=old, sync=HUB)
    )
    told = []
    for model in ("model.shop.customers", "model.shop.parts"):
        with state.store() as store:
            store.con.execute("UPDATE revetl_state.fields SET model = ?", [model])
        seen = json.loads(revetl("forget", "old@example.org", "--dry-run", "--output", "json").stdout)
        told.append([(one["sync"], one["key"]) for one in seen["keys"]])
    assert [sorted(some) for some in told] == [[(HUB, '["c2"]'), (MAIL, '["c2"]')], [(HUB, '["c2"]')]]


def test_who_is_forgotten_is_known_by_the_tombstone(state: Written, revetl: Revetl) -> None:
    """The address that was asked for leads to nobody any more, and the command died: the key is known all the same."""
    hasher = Hasher(Keyring((KEY,)))
    keys, names = hasher.key("customer", '["c1"]'), hasher.identity("new@example.org")
    state.change(lambda store: write(store, [Tombstone("t1", NOON, Keyring((KEY,)).ids[0], "customer", keys, names)]))
    seen = json.loads(revetl("forget", "new@example.org", "--dry-run", "--output", "json").stdout)
    assert {one["key"] for one in seen["keys"]} == {'["c1"]'}
    assert [one["sync"] for one in seen["places"]] == [MAIL]


def test_what_a_command_that_died_left_in_the_ledger_goes_too(state: Written, revetl: Revetl) -> None:
    """It had purged the state, and some files: the address leads to another of the person's keys alone."""
    hasher, there = Hasher(Keyring((KEY,))), "new@example.org"
    state.run("r2", Sent('["c2"]', m=there, body={**FULL, "email_address": there}))
    keys = (*hasher.key("customer", '["c1"]'), *hasher.key("customer", '["c2"]'))
    stone = Tombstone("t1", NOON, Keyring((KEY,)).ids[0], "customer", keys, hasher.identity(there))
    with state.store() as store:
        write(store, [stone])
        store.con.execute(f"DELETE FROM revetl_state.snap_{state.ids[MAIL]} WHERE k0 = 'c1'")
        store.con.execute("DELETE FROM revetl_state.remote WHERE key = '[\"c1\"]'")
    revetl("forget", there, "--yes")
    assert left_behind(state)[1] == [('["forgotten t1"]',)]  # what became of the erasure


def test_status_shows_what_is_unfinished(state: Written, revetl: Revetl) -> None:
    """An erasure that failed or was interrupted stands there with how to go on, and without the person."""
    what = (("failed", MAIL), ("open", HUB), ("erased", "braze.customer"))
    state.change(lambda store: add(store, [
        Erasure("t1", NOON, sync, '["c1"]', "a@example.org", None, status) for status, sync in what
    ]))  # fmt: skip
    shown = revetl("status")
    assert shown.exit_code == 0, shown.output
    assert "forgotten t1" in shown.stdout
    assert "revetl forget --resume" in shown.stdout
    assert "a@example.org" not in shown.output
    whole = json.loads(revetl("status", "--output", "json").stdout)
    (one,) = whole["erasures"]
    assert (one["id"], one["syncs"], whole["clean"]) == ("t1", [HUB, MAIL], False)
    state.change(lambda store: store.con.execute("UPDATE revetl_state.erasures SET status = 'erased'"))
    assert json.loads(revetl("status", "--output", "json").stdout)["erasures"] == []


def test_who_stands_at_a_former_address_now_is_left_alone(state: Written, revetl: Revetl) -> None:
    """The person moved away and another came: their address is neither erased nor forgotten, their record stays."""
    own, other = {**FULL, "email_address": "b@example.org"}, {**FULL, "email_address": "a@example.org"}
    state.run(
        "r2",
        Sent('["c1"]', "identity", "b@example.org", "a@example.org"),
        Sent('["c1"]', m="b@example.org", body=own, band="low"),
    )
    state.run("r3", Sent('["c2"]', body=other, band="low"))
    seen = revetl("forget", "c1", "--dry-run", "--output", "json")
    (place,) = json.loads(seen.stdout)["places"]
    assert place["identities"] == 1, seen.output
    revetl(*ASKED)
    with state.store() as store:
        assert store.one("SELECT count(*) FROM revetl_state.erasures") == 1
    forgotten, ledger = left_behind(state)
    assert Keyring((KEY,)).digests("b@example.org")[0] in forgotten
    assert Keyring((KEY,)).digests("a@example.org")[0] not in forgotten
    assert ('["c2"]',) in ledger


def test_a_record_that_was_kept_of_somebody_else_is_left_alone(state: Written, revetl: Revetl) -> None:
    """They came to a former address and left the audience: state knows them no more, and their record stayed there."""
    state.run("r2", Sent('["c1"]', "leave", local="kept"))
    state.run("r3", Sent('["c2"]', body=FULL, band="low"))
    state.run("r4", Sent('["c2"]', "leave", local="kept"))
    assert json.loads(revetl("forget", "c1", "--dry-run", "--output", "json").stdout)["places"] == []
    (place,) = json.loads(revetl("forget", "c2", "--dry-run", "--output", "json").stdout)["places"]
    assert place["sync"] == MAIL


@pytest.mark.parametrize("status", ["rejected", "waiting"])
def test_where_the_person_never_came_a_record_that_was_kept_is_somebody_elses(
    state: Written, revetl: Revetl, status: str
) -> None:
    """They were to be renamed to an address and were not; another came there and left the audience."""
    other: dict[str, object] = {**FULL, "email_address": "b@example.org"}
    state.run("r2", Sent('["c1"]', "identity", "b@example.org", "a@example.org", body=other, status=status))
    state.run("r3", Sent('["c2"]', m="b@example.org", body=other, band="low"))
    state.run("r4", Sent('["c2"]', "leave", m="b@example.org", local="kept"))
    (place,) = json.loads(revetl("forget", "c1", "--dry-run", "--output", "json").stdout)["places"]
    assert place["identities"] == 1


@pytest.mark.parametrize(("further", "erased"), [(False, 1), (True, 2)])
def test_a_record_that_may_have_been_kept_of_somebody_else_is_left_alone(
    state: Written, revetl: Revetl, *, further: bool, erased: int
) -> None:
    """A lost request brought them to where the person is known to have moved away; they left before it was settled.

    No sync would write them again. Where they are known to have moved on, nobody else has the address.
    """
    tells: dict[str, object] = {"email_address": "a@example.org"}  # a record in clear
    state.run("r2", Sent('["c1"]', "identity", "b@example.org", "a@example.org", body=tells))
    state.run("r3", Sent('["c2"]', m="c@example.org", body={**FULL, "email_address": "c@example.org"}, band="low"))
    state.run("r4", Sent('["c2"]', "identity", "a@example.org", "c@example.org", status="unknown"))
    if further:
        state.run("r5", Sent('["c2"]', "identity", "d@example.org", "c@example.org"))
    state.run("r6", Sent('["c2"]', "leave", m="d@example.org" if further else "c@example.org", local="kept"))
    with state.store() as store:
        assert store.rows("SELECT key FROM revetl_state.pending") == []
    (place,) = json.loads(revetl("forget", "c1", "--dry-run", "--output", "json").stdout)["places"]
    assert place["identities"] == erased


@pytest.mark.parametrize("status", ["delivered", "unknown"])
@pytest.mark.parametrize("came", [False, True])
def test_a_record_that_stayed_at_a_former_address_is_said(
    state: Written, revetl: Revetl, *, came: bool, status: str
) -> None:
    """They left the audience and came back under another address: the record tells the first as an HMAC alone.

    So it may have stayed where what wrote it was never answered. Asked by the address it is known; and whoever was
    written there since has it.
    """
    first, then = ({**FULL, "email_address": f"{name}@example.org"} for name in ("first", "then"))
    state.run("r2", Sent('["c9"]', m="first@example.org", body=first, band="low", status=status))
    state.run("r3", Sent('["c9"]', "leave", m="first@example.org", local="kept"))
    state.run("r4", Sent('["c9"]', m="then@example.org", body=then, band="low"))
    if came:
        state.run("r5", Sent('["c2"]', m="first@example.org", body=first, band="low"))
    told = []
    for asked in ("c9", "first@example.org")[: 1 if came else 2]:
        seen = json.loads(revetl("forget", asked, "--dry-run", "--output", "json").stdout)
        told.append([(place["how"], place["identities"]) for place in seen["places"]])
    assert told == ([[("open", 1)]] if came else [[("open", 1), ("unresolved", 0)], [("open", 2)]])


def test_where_somebody_else_may_stand_is_erased_but_stays_theirs(state: Written, revetl: Revetl) -> None:
    """Their record is asked to be erased there, too; whoever was written there is neither forgotten nor left out."""
    other = {**FULL, "email_address": "b@example.org"}
    state.run(
        "r2", Sent('["c1"]', body=FULL, status="unknown"),
        Sent('["c2"]', m="b@example.org", body=other, status="unknown"),
    )  # fmt: skip
    state.change(
        lambda store: store.con.execute(
            "UPDATE revetl_state.pending SET since = ?, near = ['a@example.org', 'b@example.org']", [NOON]
        )
    )
    revetl(*ASKED)
    with state.store() as store:
        assert store.one("SELECT count(*) FROM revetl_state.erasures") == 2
    forgotten, ledger = left_behind(state)
    assert Keyring((KEY,)).digests("a@example.org")[0] in forgotten
    assert Keyring((KEY,)).digests("b@example.org")[0] not in forgotten
    assert ('["c2"]',) in ledger


def test_where_a_record_stayed_and_somebody_else_may_have_come_is_erased_but_stays_theirs(
    state: Written, revetl: Revetl
) -> None:
    """The person left the audience, where a record of theirs stayed, and came back under another address."""
    then: dict[str, object] = {**FULL, "email_address": "then@example.org"}
    state.run("r2", Sent('["c1"]', "leave", local="kept"))
    state.run("r3", Sent('["c1"]', m="then@example.org", body=then, band="low"))
    state.run("r4", Sent('["c2"]', body=FULL, status="unknown"))
    revetl(*ASKED)
    with state.store() as store:
        assert store.one("SELECT count(*) FROM revetl_state.erasures") == 2
        assert store.rows("SELECT key FROM revetl_state.pending") == [('["c2"]',)]
    forgotten, _ = left_behind(state)
    assert Keyring((KEY,)).digests("then@example.org")[0] in forgotten
    assert Keyring((KEY,)).digests("a@example.org")[0] not in forgotten


TWO = (
    YML
    + """
  hubspot:
    type: hubspot
    targets: {dev: sandbox}
    syncs:
      customer: {entity: customer, match: {email: email}, allow_pii: [email]}
"""
)


@pytest.mark.parametrize("known", [False, True], ids=["may stand", "stands"])
def test_an_address_that_is_somebody_elses_in_another_sync_stays_theirs(
    state: Written, shop: Shop, revetl: Revetl, *, known: bool
) -> None:
    """One sync lags behind: the person is erased there, and whoever has their former address is not forgotten."""
    shop.yml(TWO)
    email = column("email", pii="email", to={"mailchimp": "email_address", "hubspot": "email"})
    people = customers()
    people["columns"]["email"] = email
    shop.manifest(people, subscribers())
    new: dict[str, object] = {**FULL, "email_address": "new@example.org"}
    moved = Sent('["c1"]', m="new@example.org", body=new, band="low", sync=HUB)
    state.run("r2", moved, Sent('["c2"]', body=FULL, sync=HUB, status="delivered" if known else "unknown"))
    assert "by now somebody else's in another" in " ".join(revetl("forget", "c1", "--dry-run").output.split())
    revetl(*ASKED)
    with state.store() as store:
        erased = store.rows("SELECT sync, status <> 'open' FROM revetl_state.erasures ORDER BY sync")
        assert erased == [(HUB, True), (MAIL, True)]
    forgotten, ledger = left_behind(state)
    assert Keyring((KEY,)).digests("new@example.org")[0] in forgotten
    assert Keyring((KEY,)).digests("a@example.org")[0] not in forgotten
    assert ('["c2"]',) in ledger
    assert ('["c1"]',) not in ledger


MOVED = (Sent('["c1"]', "identity", "b@example.org", "a@example.org", status="unknown"),)
OTHER = Sent('["c2"]', m="b@example.org", body={**FULL, "email_address": "b@example.org"}, band="low")


def test_somebody_elses_record_is_left_alone_and_said(state: Written, revetl: Revetl) -> None:
    """A rename in doubt onto their address: not erased, not forgotten, in doubt from now on, and on the receipt."""
    state.run("r2", OTHER)
    state.run("r3", *MOVED)
    seen = revetl("forget", "c1", "--dry-run", "--output", "json")
    assert [(one["how"], one["identities"]) for one in json.loads(seen.stdout)["places"]] == [
        ("open", 1), ("shared", 0),
    ]  # fmt: skip
    shown = revetl(*ASKED)
    assert (shown.exit_code, "RVT-857" in shown.stderr) == (2, True), shown.output
    done = revetl(*ASKED, "--incomplete", "--output", "json")
    (told,) = json.loads(done.stdout)["forgotten"]
    assert {place["status"] for place in told["destinations"]} == {"absent", "shared"}
    assert told["complete"] is False
    with state.store() as store:
        assert store.rows("SELECT key, op, near FROM revetl_state.pending") == [('["c2"]', "upsert", ["b@example.org"])]
    assert Keyring((KEY,)).digests("b@example.org")[0] not in left_behind(state)[0]


def test_what_may_be_in_somebody_elses_record_stays_on_the_receipt(state: Written) -> None:
    """Nothing else here tells of it any more; what an earlier question could not tell is told anew."""
    first, second = (
        [Erasure("t1", NOON, MAIL, '["c1"]', name, None, how) for name, how in told]
        for told in ([(None, "shared"), (None, "unresolved")], [("a@example.org", "open"), (None, "shared")])
    )
    state.change(lambda store: add(store, first))
    state.change(lambda store: add(store, second))
    with state.store() as store:
        assert store.rows("SELECT status FROM revetl_state.erasures ORDER BY 1") == [("open",), ("shared",)]


def test_a_run_that_was_killed_is_in_doubt_too(state: Written, revetl: Revetl) -> None:
    """What it may have sent is known before it is closed."""
    state.run("r2", OTHER)
    with state.store() as store:
        state.stage(store, "r3", [replace(MOVED[0], status=None)])
    seen = revetl("forget", "c1", "--dry-run", "--output", "json")
    assert [one["how"] for one in json.loads(seen.stdout)["places"]] == ["open", "shared"]


@pytest.mark.parametrize(
    ("mine", "theirs", "told"),
    [
        (None, "rejected", [("open", 1), ("shared", 0)]),  # they still stand there
        ("rejected", None, [("open", 1)]),
        ("unknown", "unknown", [("open", 2)]),
    ],
)
def test_what_a_killed_run_had_refused_is_in_no_doubt(
    state: Written, revetl: Revetl, mine: str | None, theirs: str | None, told: list[tuple[str, int]]
) -> None:
    """A rename that was refused, before it was sent or by the destination, brought nobody anywhere."""
    state.run("r2", OTHER)
    away = Sent('["c2"]', "identity", "d@example.org", "b@example.org", status=theirs)
    with state.store() as store:
        state.stage(store, "r3", [away, replace(MOVED[0], status=mine)])
    seen = revetl("forget", "c1", "--dry-run", "--output", "json")
    assert [(one["how"], one["identities"]) for one in json.loads(seen.stdout)["places"]] == told


def test_what_a_killed_run_did_is_settled_first(state: Written, revetl: Revetl) -> None:
    """It brought somebody else to where the person stood: their address is neither erased nor forgotten.

    A preview settles nothing, and says so.
    """
    state.run("r2", OTHER)
    with state.store() as store:
        moves = [
            Sent('["c1"]', "identity", "z@example.org", "a@example.org"),
            Sent('["c2"]', "identity", "a@example.org", "b@example.org"),
        ]
        state.stage(store, "r3", moves)
    seen = revetl("forget", "c1", "--dry-run", "--output", "json")
    assert any("settled before anybody is forgotten" in note for note in json.loads(seen.stdout)["notes"])
    with state.store() as store:
        assert store.rows("SELECT run FROM revetl_state.runs WHERE closed_at IS NULL") == [("r3",)]
    shown = revetl(*ASKED, "--output", "json")
    assert json.loads(shown.stdout)["forgotten"], shown.output
    with state.store() as store:
        assert store.rows("SELECT m FROM revetl_state.snap_1") == [("a@example.org",)]
        assert store.one("SELECT count(*) FROM revetl_state.erasures") == 1
    forgotten, _ = left_behind(state)
    assert Keyring((KEY,)).digests("z@example.org")[0] in forgotten
    assert Keyring((KEY,)).digests("a@example.org")[0] not in forgotten


def test_where_somebody_else_may_have_left_is_erased_but_stays_theirs(state: Written, revetl: Revetl) -> None:
    """Both renames are in doubt: the person may stand where the other one stood, who is not forgotten there."""
    state.run("r2", OTHER)
    state.run("r3", Sent('["c2"]', "identity", "d@example.org", "b@example.org", status="unknown"), *MOVED)
    seen = revetl("forget", "c1", "--dry-run", "--output", "json")
    assert [(one["how"], one["identities"]) for one in json.loads(seen.stdout)["places"]] == [("open", 3)]
    revetl(*ASKED)
    assert Keyring((KEY,)).digests("b@example.org")[0] not in left_behind(state)[0]

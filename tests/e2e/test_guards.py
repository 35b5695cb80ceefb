"""What is held is never sent; what releases it does; failed tests and half builds send nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from revetl.sandbox import Fault
from revetl.send.adapt import START
from revetl.types import RunResult
from tests.e2e.house import CRM, MAIL, House, built, dbt, of, sent_rows
from tests.e2e.receiver import Receiver, hook_up, listening

HOOK = "hubspot.customer"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    """Return a webhook's other end."""
    with listening() as receiver:
        yield receiver


def held(result: RunResult, sync: str) -> list[str]:
    """Return the names of the guards that hold something of a sync."""
    return [verdict.guard for verdict in of(result, sync).held]


def take_out_readers(house: House, share: float) -> set[str]:
    """Remove a share of the newsletter's readers; return their addresses."""
    gone = sorted(house.wanted_members())
    gone = gone[: int(len(gone) * share)]
    listed = ", ".join(f"'{address}'" for address in gone)
    house.sql(
        "delete from newsletter_subscribers where customer_id in "
        f"(select customer_id from customers where email in ({listed}))"
    )
    return set(gone)


def test_too_many_leaves_are_held_and_the_rest_goes(house: House) -> None:
    """A third of the audience goes away: not one leave is sent, a changed name is; exit 3, also of the plan."""
    gone = take_out_readers(house, 0.35)
    key, address = house.reader(-1)
    house.sql(f"update customers set first_name = 'Other' where customer_id = {key}")
    assert house.program("plan").returncode == 3
    result = house.sync()
    assert result.exit_code == 3
    assert "max_leave" in held(result, MAIL)
    assert [e for e in house.writes("mailchimp") if e["method"] == "DELETE"] == []
    assert {row["email_address"] for row in sent_rows(house.writes("mailchimp"))} == {address}
    assert gone <= set(house.members())


def test_an_approval_of_what_was_refused_lets_it_through_once(house: House) -> None:
    """`--approve HASH` releases those keys; a later loss needs another one."""
    gone = take_out_readers(house, 0.35)
    hashes = [verdict.hash for verdict in of(house.sync(), MAIL).held]
    assert all(hashes)
    released = house.sync(approve=hashes)
    assert released.exit_code == 0, of(released, MAIL)
    assert not gone & set(house.members())
    assert set(house.members()) == set(house.wanted_members())
    take_out_readers(house, 0.35)
    assert house.sync(approve=hashes).exit_code == 3


def test_the_command_that_a_refusal_prints_releases_it(house: House) -> None:
    """`revetl approve …` as printed lets the next run through."""
    gone = take_out_readers(house, 0.35)
    verdict = next(v for v in of(house.sync(), MAIL).held if v.guard == "max_leave" and v.cohort is None)
    assert f"--up-to {verdict.found}" in verdict.release
    up_to = str(verdict.found)
    words = ("approve", MAIL, "--guard", "max_leave", "--up-to", up_to, "--for", "24h", "--reason", "a spring clean")
    done = house.program(*words)
    assert done.returncode == 0, done.stderr
    house.sync()
    assert not gone & set(house.members())


def test_an_empty_model_stops_its_syncs(house: House) -> None:
    """A model that lost all its rows is broken, not a farewell to everybody; other syncs go on."""
    house.sql("delete from customers", "update companies set company_name = 'Other' where company_id = 1")
    result = house.sync()
    assert result.exit_code == 3
    assert held(result, MAIL) == held(result, CRM) == ["min_rows"]
    assert of(result, "hubspot.company").delivered == 1
    assert house.writes("mailchimp") == []


@pytest.mark.parametrize(
    "statement",
    [
        "insert into customers by name select * from customers where customer_id = 2",
        "insert into customers by name select * replace (null as customer_id) from customers where customer_id = 2",
    ],
)
def test_a_broken_key_stops_its_syncs(house: House, statement: str) -> None:
    """A key that is null or stands twice stops what is made of the model; no request leaves for it."""
    house.sql(statement)
    result = house.sync(select=[MAIL, CRM])
    assert result.exit_code == 3
    assert held(result, MAIL) == held(result, CRM) == ["key"]
    assert house.received() == []


def test_a_mapped_column_is_gone(house: House) -> None:
    """The model lacks a mapped column: its syncs stop and name it; those that do not need it go on."""
    house.sql("alter table customer_engagement drop column order_count",
              "update companies set company_name = 'Other' where company_id = 1")  # fmt: skip
    result = house.sync()
    assert result.exit_code == 1
    assert "order_count" in (of(result, MAIL).error or "")
    assert of(result, "hubspot.company").delivered == 1
    assert house.writes("mailchimp") == []


def test_one_address_of_two_customers(house: House) -> None:
    """Neither of two customers with one address wins: both rows are rejected by name, the others arrive."""
    (one, _), (two, second), (three, third) = house.reader(0), house.reader(1), house.reader(2)
    house.sql(
        f"update customers set email = '{second}', first_name = 'Twin' where customer_id = {one}",
        f"update customers set first_name = 'Other' where customer_id = {three}",
    )
    result = house.sync(select=[MAIL])
    assert result.exit_code == 1
    assert of(result, MAIL).rejected >= 1
    assert house.members()[second]["merge_fields"]["FNAME"] == f"Given-{two:04d}"
    assert house.members()[third]["merge_fields"]["FNAME"] == "Other"


def test_failed_tests_hold_and_passing_ones_release(house: House) -> None:
    """A dbt test that fails holds every sync made of the model, until it passes; `dbt test` alone is enough."""
    key, address = house.reader()
    house.sql(f"update customers set lifetime_value_band = 'odd' where customer_id = {key}")
    failed = dbt(house.root, "test", "--select", "customers")
    assert failed.returncode == 1, failed.stdout
    result = house.sync()
    assert result.exit_code == 3
    assert held(result, MAIL) == held(result, CRM) == ["tests"]
    assert house.received() == []
    house.sql(f"update customers set lifetime_value_band = 'high' where customer_id = {key}")
    built(house.root, "test", "--select", "customers")
    assert house.sync().exit_code == 0
    assert house.members()[address]["merge_fields"]["LTV_BAND"] == "high"


def test_dbt_run_without_tests_is_enough(house: House) -> None:
    """`dbt run && revetl sync`: tests that did not run are a note; changed seeds arrive."""
    seeds = house.root / "seeds" / "raw_customers.csv"
    key, address = house.reader()
    lines = seeds.read_text().splitlines(keepends=True)
    lines = [line.replace(f"Given-{key:04d}", "Other") if line.startswith(f"{key},") else line for line in lines]
    seeds.write_text("".join(lines))
    built(house.root, "seed")
    built(house.root, "run")
    done = house.program("sync")
    assert done.returncode == 0, done.stderr
    assert house.members()[address]["merge_fields"]["FNAME"] == "Other"
    assert {row["email_address"] for row in sent_rows(house.writes("mailchimp"))} == {address}


def test_an_empty_build_is_refused(house: House) -> None:
    """Models built with --empty send nothing, whatever min_rows says."""
    house.edit("revetl.yml", "guards: {max_leave: [10%, 10], max_change: [50%, 50], min_rows: 50}",
               "guards: {max_leave: off, max_change: off}")  # fmt: skip
    built(house.root, "run", "--empty")
    before = {name: box.dump() for name, box in house.boxes.items()}
    result = house.sync()
    assert result.exit_code == 3
    assert held(result, MAIL) == ["partial_build"]
    assert {name: box.dump() for name, box in house.boxes.items()} == before
    assert house.writes() == []


# --- real accounts: a webhook stands for one ----------------------------------------------------------------------


def test_a_first_sync_waits_to_be_told(fresh: House, hook: Receiver) -> None:
    """An account that was never synced gets nothing until --first or adopt; a plan says so, a run ends with exit 3."""
    hook_up(fresh, hook, rows=500)
    (preview,) = fresh.plan(select=[HOOK]).previews
    assert f"revetl sync --first {HOOK}" in preview.notes[-1]
    done = fresh.program("sync", "-s", HOOK)
    assert done.returncode == 3
    assert f"revetl adopt {HOOK}" in " ".join(done.stdout.split())
    assert f"revetl sync --first {HOOK}" in " ".join(done.stdout.split())
    assert hook.bodies == []
    assert fresh.program("sync", "-s", HOOK, "--first", HOOK).returncode == 0
    assert len(hook.keys()) == fresh.first("select count(*) from customers where email is not null")
    assert fresh.program("sync", "-s", HOOK).returncode == 0  # told once is enough
    assert len(hook.keys()) == fresh.first("select count(*) from customers where email is not null")


def test_a_canary_sends_so_many_and_the_next_run_the_rest(fresh: House, hook: Receiver) -> None:
    """--limit 3 sends three keys, --keys those named; what they sent is not sent again by the whole run."""
    hook_up(fresh, hook, rows=500)
    everybody = {f"[{row[0]}]" for row in fresh.rows("select customer_id from customers where email is not null")}
    fresh.sync(select=[HOOK], first=[HOOK], limit=3)
    assert len(set(hook.keys())) == len(hook.keys()) == 3
    fresh.sync(select=[HOOK], first=[HOOK], keys=["150", "151"])
    assert {"[150]", "[151]"} & everybody <= set(hook.keys())
    assert len(hook.keys()) <= 5
    assert fresh.sync(select=[HOOK], first=[HOOK]).exit_code == 0
    assert sorted(hook.keys()) == sorted(everybody)


def test_a_dev_target_never_writes_to_production(fresh: House, hook: Receiver) -> None:
    """A destination that names prod alone hears nothing of dev, even when told to go first."""
    hook_up(fresh, hook, target="prod")
    done = fresh.program("sync", "--first", HOOK)
    assert done.returncode == 0
    assert "RVT-125" in done.stdout
    assert hook.bodies == []
    assert not (fresh.root / ".revetl" / "prod").exists()


def test_each_target_has_a_state_of_its_own(fresh: House, hook: Receiver) -> None:
    """What prod acknowledged is prod's alone: dev's stand-ins and state know nothing of it."""
    assert fresh.sync().exit_code == 0
    hook_up(fresh, hook, rows=500, target="prod")
    fresh.variables["REVETL_DEMO_DB"] = "shop.duckdb"  # one database, two targets
    assert fresh.program("sync", "-t", "prod", "-s", HOOK, "--first", HOOK).returncode == 0
    assert len(hook.keys()) == fresh.first("select count(*) from customers where email is not null")
    assert {path.name for path in (fresh.root / ".revetl").iterdir() if path.is_dir()} == {"dev", "prod"}


@pytest.mark.parametrize("status", [401, 403])
def test_wrong_credentials_stop_that_destination_alone(fresh: House, hook: Receiver, status: int) -> None:
    """Refused credentials: exit 2, no more requests than leave at once, nothing counts as sent; right ones send all."""
    hook_up(fresh, hook, rows=5)
    hook.status = status
    result = fresh.sync(select=[HOOK], first=[HOOK])
    assert result.exit_code == 2
    assert of(result, HOOK).delivered == 0
    assert "RVT-601" in (of(result, HOOK).error or "")
    assert len(hook.bodies) <= START
    hook.status, before = 200, len(hook.bodies)
    fresh.sync(select=[HOOK], first=[HOOK])
    wanted = fresh.first("select count(*) from customers where email is not null")
    assert len(set(hook.keys(before))) == wanted


def test_a_destination_that_is_down_holds_up_no_other(house: House) -> None:
    """Mailchimp answers nothing but 503: HubSpot gets its rows, the rest comes when Mailchimp is back."""
    key, address = house.reader()
    house.sql(f"update customers set first_name = 'Other' where customer_id = {key}")
    house.boxes["mailchimp"].inject(Fault(status=503, times=1000))
    result = house.sync()
    assert result.exit_code in {1, 4}
    assert of(result, CRM).delivered == 1
    assert of(result, MAIL).delivered == 0
    assert len(house.received("mailchimp")) <= 12
    house.boxes["mailchimp"]._faults.clear()
    assert house.sync().exit_code == 0
    assert house.members()[address]["merge_fields"]["FNAME"] == "Other"

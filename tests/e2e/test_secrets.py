"""What must not leave does not leave, and what must not be written is written nowhere: canaries, searched for."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import duckdb
import orjson
import pytest

from tests.e2e.house import MAIL, House, built
from tests.e2e.receiver import hook_up, listening

SECRET = "canary-secret-5e2f61c0d9"
TOKEN = "canary-token-77b1e0aa42"
UNMAPPED = "canary-unmapped-93f4c1"
PHONE = "+15559990001"


def everything_written(root: Path) -> bytes:
    """Return all that is left behind: state, ledger, results, reports, page; also what is compressed in them."""
    files = [path for path in (root / ".revetl").rglob("*") if path.is_file()]
    files += [path for path in (root / "target").glob("revetl_*") if path.is_file()]
    found = [path.read_bytes() for path in files]
    with duckdb.connect() as con:
        ledger = [str(path) for path in (root / ".revetl").rglob("*.parquet")]
        found += [repr(con.execute("from read_parquet(?)", [path]).fetchall()).encode() for path in ledger]
        for number, path in enumerate((root / ".revetl").rglob("state.duckdb")):
            con.execute(f"attach '{path}' as s{number} (read_only)")
            tables = f"select table_name from duckdb_tables() where database_name = 's{number}'"
            for (table,) in con.execute(tables).fetchall():
                found.append(repr(con.execute(f"from s{number}.{table}").fetchall()).encode())
    return b"\n".join(found)


def test_an_unmapped_column_leaves_nothing_anywhere(fresh: House) -> None:
    """A column that names no destination is in no request, no state, no ledger, no log, no result."""
    fresh.sql(
        f"alter table customers add column internal_note varchar default '{UNMAPPED}'",
        f"update customers set lifetime_value = 98765.43, phone = '{PHONE}' where customer_id = 2",
    )
    done = fresh.program("sync", "--log-format", "json", "--output", "json")
    assert done.returncode == 0, done.stderr
    shown = fresh.program("plan", "--output", "json")
    assert fresh.program("docs").returncode == 0
    said = (done.stdout + done.stderr + shown.stdout + shown.stderr).encode()
    written, sent = everything_written(fresh.root), orjson.dumps(fresh.received())
    for canary in (UNMAPPED.encode(), b"98765.43"):
        assert canary not in said + written + sent
    assert PHONE.encode() in orjson.dumps(fresh.received("hubspot"))
    assert PHONE.encode() not in orjson.dumps(fresh.received("mailchimp"))


def test_what_a_policy_denies_leaves_nothing_anywhere(fresh: House) -> None:
    """A sync that breaks a policy does not run, and a denied value is in no request, state, report or word of it."""
    fresh.edit("revetl.yml", "version: 1\n", 'version: 1\npolicies: {deny: ["pii:phone → hubspot"]}\n')
    fresh.sql(f"update customers set phone = '{PHONE}' where customer_id = 2")
    done = fresh.program("sync", "--output", "json")
    assert done.returncode != 0
    assert "RVT-350" in done.stdout + done.stderr
    checked = fresh.program("check", "--export", str(fresh.root / "target" / "revetl_check.sarif"))
    assert checked.returncode == 2
    assert fresh.program("docs").returncode == 0
    said = (done.stdout + done.stderr + checked.stdout + checked.stderr).encode()
    sent = orjson.dumps(fresh.received())
    assert PHONE.encode() not in said + sent + everything_written(fresh.root)
    assert len(fresh.members()) == len(fresh.wanted_members())  # the other syncs ran
    assert fresh.contacts() == {}


def test_what_leaves_hashed_leaves_nothing_else_anywhere(fresh: House) -> None:
    """A field with a hash: its digest arrives, and the value is in no request, state, ledger, word or report."""
    mapped = "hubspot: {field: phone, on_null: keep}"
    fresh.edit("models/marts/customers.yml", mapped, mapped.replace("}", ", hash: sha256}"))
    built(fresh.root, "parse")
    fresh.sql("update customers set phone = null", f"update customers set phone = '{PHONE}' where customer_id = 2")
    done = fresh.program("sync", "--log-format", "json", "--output", "json")
    shown = fresh.program("plan", "--output", "json")
    asked = fresh.program("why", "2", "--to", "hubspot.customer", "--output", "json")
    assert (done.returncode, shown.returncode, asked.returncode) == (0, 0, 0), done.stderr + asked.stderr
    assert fresh.program("docs").returncode == 0
    said = "".join(one.stdout + one.stderr for one in (done, shown, asked)).encode()
    sent, digest = orjson.dumps(fresh.received()), sha256(PHONE.encode()).hexdigest()
    assert PHONE.encode() not in said + sent + everything_written(fresh.root)
    assert {one["phone"] for one in fresh.contacts().values() if one.get("phone")} == {digest}


def test_personal_values_are_in_no_output_and_only_as_hashes_in_the_ledger(fresh: House) -> None:
    """Addresses and names: not in words, results or the ledger; a plan masks them."""
    done = fresh.program("sync", "--output", "json")
    fresh.sql("update customers set first_name = 'Canaryname' where customer_id = 2")
    shown = fresh.program("plan", "--output", "json")
    assert fresh.program("sync").returncode == 0
    said = done.stdout + done.stderr + shown.stdout + shown.stderr
    said += (fresh.root / "target" / "revetl_results.json").read_text()
    with duckdb.connect() as con:
        files = str(fresh.root / ".revetl" / "dev" / "ledger" / "*.parquet")
        said += repr(con.execute("from read_parquet(?)", [files]).fetchall())
    addresses = [row[0] for row in fresh.rows("select email from customers where email is not null")]
    assert [address for address in addresses if address in said] == []
    assert "Canaryname" not in said
    assert "Given-0002" not in said


@pytest.mark.parametrize("status", [200, 401, 500])
def test_a_secret_is_written_and_shown_nowhere(fresh: House, status: int) -> None:
    """A header's secret and a token in the URL travel, and stay out of every file and word, also where calls fail."""
    with listening(status=status) as receiver:
        hook_up(fresh, receiver, rows=100, more=", headers: {X-Api-Key: \"{{ env_var('HOOK_KEY') }}\"}")
        fresh.variables |= {"HOOK_URL": f"{receiver.url}?token={TOKEN}", "HOOK_KEY": SECRET}
        sync = (
            "sync",
            "-s",
            "hubspot.customer",
            "--first",
            "hubspot.customer",
            "--log-format",
            "json",
            "--deadline",
            "4s",
        )
        done = fresh.program(*sync)
        debugged = fresh.program("debug")
        assert receiver.headers[0]["x-api-key"] == SECRET
    said = (done.stdout + done.stderr + debugged.stdout + debugged.stderr).encode()
    for canary in (SECRET.encode(), TOKEN.encode()):
        assert canary not in said + everything_written(fresh.root)


def test_a_secret_that_is_missing_is_named_and_stops_only_its_destination(fresh: House) -> None:
    """An environment variable that is not set: the message names it; nothing is sent there."""
    with listening() as receiver:
        hook_up(fresh, receiver)
        del fresh.variables["HOOK_URL"]
        done = fresh.program("sync", "-s", "hubspot.customer", "--first", "hubspot.customer")
        assert done.returncode == 2
        assert "HOOK_URL" in done.stdout + done.stderr
        assert receiver.bodies == []


def test_hostile_values_do_no_harm(house: House) -> None:
    """Escapes, workflow commands, quotes and formulas arrive as they are, and move no terminal."""
    key, address = house.reader()
    hostile = "\x1b]0;owned\x07 ::add-mask::x '\"; drop table customers; -- =1+1 </script>{{ 1 }}"
    quoted = hostile.replace("'", "''")
    house.sql(f"update customers set first_name = '{quoted}' where customer_id = {key}")
    done = house.program("sync")
    assert done.returncode == 0, done.stderr
    assert house.members()[address]["merge_fields"]["FNAME"] == hostile
    assert "\x1b]" not in done.stdout + done.stderr
    answer = house.program("why", str(key), "--to", MAIL)
    assert "\x1b]" not in answer.stdout + answer.stderr

"""A person is forgotten: erased at both stand-ins, gone from state and record, and never sent again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from revetl.engine.adopting import adopt
from revetl.engine.forgetting import Forgotten, forget, lift, meant
from revetl.engine.keyring import keyring
from revetl.engine.receipts import check_receipt
from revetl.engine.records import verify_records
from revetl.engine.why import why
from revetl.engine.workspace import Workspace, load
from revetl.errors import UsageError
from revetl.sandbox.faults import Fault
from tests.e2e.house import CRM, MAIL, House


class Crash(BaseException):
    """The process died here."""


@pytest.fixture
def person(house: House) -> tuple[str, str]:
    """Return (key, address) of somebody whom both services know."""
    number, address = house.reader(3)
    assert address in house.members()
    assert address in house.contacts()
    return str(number), address


def workspace(house: House) -> Workspace:
    """Return the loaded project."""
    return load(house.options())


def files(house: House) -> Iterator[Path]:
    """Yield every file of the target's state but its key, whoever wrote it."""
    yield from (p for p in (house.root / ".revetl").rglob("*") if p.is_file() and p.name != "ledger.key")


def nowhere(house: House, address: str) -> None:
    """Assert that no service has the person."""
    assert address not in house.members()
    assert address not in house.contacts()


def do(house: House, asked: str, **more: Any) -> Forgotten:
    """Forget somebody."""
    (done,) = forget(workspace(house), meant(workspace(house), asked, "customer"), **more)
    return done


def test_forgotten(house: House, person: tuple[str, str]) -> None:
    """Erased at both services and nowhere in state or record; the receipt says what each of them did and is signed."""
    key, address = person
    others = len(house.members())
    done = do(house, key, by="me", reason="asked by letter")
    nowhere(house, address)
    assert len(house.members()) == others - 1
    assert done.complete
    assert {place["sync"]: place["status"] for place in done.places} == {MAIL: "erased", CRM: "erased"}
    assert done.purged.ledger.rows >= 2
    assert verify_records(workspace(house)).faults == ()
    for path in files(house):
        assert address.encode() not in path.read_bytes(), path
    receipt = check_receipt(done.receipt, keyring(workspace(house)))
    assert all(place["what"] for place in receipt["destinations"])
    done.receipt.write_text(done.receipt.read_text().replace('"erased"', '"absent"', 1))
    with pytest.raises(UsageError):
        check_receipt(done.receipt, keyring(workspace(house)))


def test_the_next_sync_does_not_bring_the_person_back(house: House, person: tuple[str, str]) -> None:
    """Though the model has them: neither their old row, nor a changed one, nor a new key with the same address."""
    key, address = person
    do(house, address)
    house.sql("update customers set lifetime_value_band = 'none'")
    house.sync()
    nowhere(house, address)
    house.sql(
        f"insert into customers select * replace (900001 as customer_id, upper(email) as email) "
        f"from customers where customer_id = {key}",
        "insert into newsletter_subscribers select * replace (900001 as customer_id) from newsletter_subscribers "
        f"where customer_id = {key}",
    )  # fmt: skip
    house.sync()
    assert address not in {one.lower() for one in (*house.members(), *house.contacts())}
    (answer,) = [one for one in why(workspace(house), key).syncs if one.sync == MAIL]
    assert answer.reason.code == "forgotten"


def test_a_lost_state_does_not_bring_the_person_back(house: House, person: tuple[str, str]) -> None:
    """State and outbox gone, head and tombstones there: adopted anew, synced anew, the person stays away."""
    key, address = person
    do(house, key)
    for name in ("state.duckdb", "state.duckdb.wal"):
        (house.root / ".revetl" / "dev" / name).unlink(missing_ok=True)
    assert all(one.error is None for one in adopt(house.options(), (MAIL, CRM)))
    house.sync(first=(MAIL, CRM))
    nowhere(house, address)


def test_a_restored_state_does_not_bring_the_person_back(house: House, person: tuple[str, str], tmp_path: Path) -> None:
    """A backup from before is put back: the file of tombstones knows better."""
    key, address = person
    state = house.root / ".revetl" / "dev" / "state.duckdb"
    shutil.copy(state, tmp_path / "backup")
    do(house, key)
    shutil.copy(tmp_path / "backup", state)
    assert house.program("recover", "--target", "dev").returncode == 0
    house.sync()
    nowhere(house, address)
    for path in files(house):
        assert address.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    "point",
    ["after_tombstone_file", "after_tombstone", "after_erasures", "after_erasure", "after_erased", "after_purge"],
)
def test_killed(house: House, person: tuple[str, str], point: str) -> None:
    """Dead at any point after the tombstone: a sync sends nothing of them; the same command, or a resume, ends it."""
    key, address = person

    def crash(here: str) -> None:
        if here == point:
            raise Crash

    with pytest.raises(Crash):
        do(house, key, crash=crash)
    house.sql("update customers set lifetime_value_band = 'other' where lifetime_value_band <> 'other'")
    house.sync()
    assert not any(address in str(entry.get("body")) for entry in house.received())
    resumed = point in {"after_erasures", "after_erasure"}
    done = forget(workspace(house), None)[0] if resumed else do(house, key)
    assert done.complete
    nowhere(house, address)
    assert {place["sync"] for place in done.places} == {MAIL, CRM}
    for path in files(house):
        assert address.encode() not in path.read_bytes(), path


def test_lifted(house: House, person: tuple[str, str]) -> None:
    """Once lifted, the next sync sends the person where the service lets it."""
    key, address = person
    do(house, key)
    (gone,) = lift(workspace(house), key)
    assert gone.id
    house.sync()
    assert address in house.contacts() or address in house.members()
    with pytest.raises(UsageError):
        lift(workspace(house), key)


def test_as_a_program(house: House, person: tuple[str, str]) -> None:
    """Without a terminal it asks for --yes and changes nothing; with it, it does what it showed, as a document too."""
    key, address = person
    several = house.program("forget", key, "--yes")
    assert (several.returncode, "RVT-854" in several.stderr) == (2, True)
    shown = house.program("forget", key, "--entity", "customer", "--dry-run", "--output", "json")
    assert shown.returncode == 0, shown.stderr
    assert {place["how"] for place in json.loads(shown.stdout)["places"]} == {"open"}
    asked = house.program("forget", key, "--entity", "customer")
    assert (asked.returncode, "RVT-804" in asked.stderr) == (2, True)
    assert address in house.members()
    done = house.program("forget", key, "--entity", "customer", "--yes", "--output", "json")
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)["forgotten"]
    assert told["complete"] is True
    nowhere(house, address)
    assert house.program("forget", "--check", told["receipt"]).returncode == 0
    assert house.program("forget", "nobody@example.org", "--yes").returncode == 2
    assert told["id"] in house.program("forget", "--list").stdout


def test_a_destination_that_fails_holds_up_no_other(house: House, person: tuple[str, str]) -> None:
    """HubSpot refuses: Mailchimp erases all the same, the receipt says what is left, and ``--resume`` ends it."""
    key, address = person
    house.boxes["hubspot"].inject(Fault(status=403, body={"message": "no"}, path="gdpr-delete"))
    done = do(house, key)
    assert not done.complete
    assert {place["sync"]: place["status"] for place in done.places} == {MAIL: "erased", CRM: "failed"}
    assert check_receipt(done.receipt, keyring(workspace(house)))["complete"] is False
    assert address in house.contacts()
    house.sync()
    (again,) = forget(workspace(house), None)
    assert again.complete
    nowhere(house, address)
    assert forget(workspace(house), None) == ()
    for path in files(house):
        assert address.encode() not in path.read_bytes(), path

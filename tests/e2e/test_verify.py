"""What a person changed in a tool is found, told without personal values, and put right by the next sync."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import duckdb
import orjson

from revetl.engine.adopting import adopt
from revetl.engine.verifying import Verified, Wish, verify
from revetl.types import Op
from tests.e2e.house import CRM, MAIL, House, built, of


def found_by(house: House, *names: str, **wish: Any) -> dict[str, Verified]:
    """Return what ``verify`` found, by sync."""
    house.mark()
    return {one.sync: one for one in verify(house.options(), names, Wish(**wish))}


def edit(house: House, address: str, **properties: str) -> None:
    """Change a contact in HubSpot, as a person would."""
    records = house.boxes["hubspot"].store["objects"]["contacts"]["records"]
    (record,) = [one for one in records.values() if one["properties"].get("email") == address]
    record["properties"].update(properties)


def test_nothing_drifted(house: House) -> None:
    """After a sync all is as acknowledged; nothing is written, and the least proven are looked at first."""
    found = found_by(house)
    assert house.writes() == []
    assert [(one.drift, one.error) for one in found.values()] == [(0, None)] * len(found)
    assert found[MAIL].rows == found[MAIL].same == len(house.wanted_members())
    proofs = [one.proof for one in found.values() if one.proof]
    assert proofs == sorted(proofs, key=["accepted", "account", "row"].index)


def units(house: House) -> int:
    """Return what was used of HubSpot's calls of a day, as the next command counts it."""
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{house.root / '.revetl' / 'dev' / 'state.duckdb'}' AS s (READ_ONLY)")
        (text,) = con.execute("SELECT value FROM s.meta WHERE name = 'usage'").fetchone() or ("{}",)
    return sum(n for limits in json.loads(text).values() for _, n in limits.get("day", ()))


def test_what_commands_ask_counts_in_the_quota_of_a_day(house: House) -> None:
    """Each call to HubSpot of a run and of a command is counted once, by the server's own count."""
    key, _ = house.reader()
    asked: list[Callable[[], object]] = [
        lambda: verify(house.options(), (CRM,)),
        lambda: adopt(house.options(), (CRM,), keep=False),
        lambda: house.program("forget", str(key), "--entity", "customer", "--yes"),
    ]
    for ask in asked:
        before, calls = units(house), house.boxes["hubspot"].received
        ask()
        assert units(house) - before == house.boxes["hubspot"].received - calls > 0


def test_an_edit_there_is_found_and_put_right(house: House) -> None:
    """One field of one person: counted by field, hidden where it is personal; repaired in full, and clean again."""
    _, address = house.reader()
    edit(house, address, firstname="Somebody", ltv_band="typed by hand")
    one = found_by(house, CRM)[CRM]
    assert (one.drifted, one.missing, one.repaired) == (1, 0, 0)
    told = {drift.name: drift.samples[0] for drift in one.fields}
    assert told["ltv_band"].theirs == "typed by hand"
    assert told["firstname"].theirs == "•••"
    assert house.sync().exit_code == 0
    assert house.writes() == []  # told, not repaired
    assert found_by(house, CRM, repair=True)[CRM].repaired == 1
    assert house.writes() == []
    result = house.sync()
    assert of(result, CRM).delivered == 1
    assert house.contacts()[address]["ltv_band"] == house.wanted_members()[address]
    house.agrees()
    assert found_by(house, CRM)[CRM].drift == 0
    house.sync()
    assert house.writes() == []


def test_what_a_person_typed_into_an_empty_field_is_theirs(house: House) -> None:
    """A field that revetl left null is no drift, whatever stands there; nor does a repair of others wipe it."""
    key, address = house.reader()
    house.sql(f"update customers set first_name = null where customer_id = {key}")
    house.sync()
    edit(house, address, firstname="Typed", ltv_band="drifted")
    one = found_by(house, CRM, repair=True)[CRM]
    assert [drift.name for drift in one.fields] == ["ltv_band"]
    house.sync()
    assert house.contacts()[address]["firstname"] == "Typed"


def test_lost_memberships_come_back(house: House) -> None:
    """A tag that was taken off by hand is drift of the cohort, and the next sync puts it on; one put on stays."""
    audience = house.boxes["mailchimp"].store["lists"]["sandbox"]
    (tag,) = [one for one in audience["segments"].values() if one["name"] == "High Value"]
    contact = next(iter(tag["members"]))
    del tag["members"][contact]
    strangers = [c for c, m in audience["members"].items() if m["status"] == "subscribed" and c not in tag["members"]]
    other = next(c for c in strangers if c != contact)
    tag["members"][other] = "2026-01-01T00:00:00+00:00"
    one = found_by(house, MAIL, repair=True)[MAIL]
    assert [(drift.name, drift.rows) for drift in one.cohorts] == [("high_value_customers", 1)]
    assert (one.drifted, one.extra) == (1, 1)
    result = house.sync()
    assert of(result, MAIL).delivered == 1
    assert contact in tag["members"]
    assert other in tag["members"]


def test_who_was_deleted_there_comes_back_whole(house: House) -> None:
    """A record that is gone is missing; repaired, it is made anew with its fields and its cohorts."""
    _, address = house.reader(where="customer_id in (from high_value_customers)")
    table = house.boxes["hubspot"].store["objects"]["contacts"]
    number = table["index"]["email"].pop(address)
    del table["records"][number]
    for one in house.boxes["hubspot"].store["lists"].values():
        if number in one["members"]:
            del one["members"][number]
    one = found_by(house, CRM, repair=True)[CRM]
    assert (one.missing, one.drifted) == (1, 0)
    result = house.sync()
    assert result.exit_code == 0
    house.agrees()
    assert found_by(house, CRM)[CRM].drift == 0


def test_a_changed_model_is_no_drift(house: House) -> None:
    """What the model has changed since the last sync is counted as unsent, and stays the next sync's work."""
    key, _ = house.reader()
    house.sql(f"update customers set first_name = 'Other' where customer_id = {key}")
    one = found_by(house, CRM)[CRM]
    assert (one.drift, one.unsent) == (0, 1)
    counts = {p.sync: [(c.op, c.rows) for c in p.counts] for p in house.plan().previews if p.counts}
    assert counts[CRM] == [(Op.UPSERT, 1)]


def test_an_opt_out_is_told_and_respected(house: House) -> None:
    """Who unsubscribed there is counted; a repair writes their fields and brings nobody back."""
    key, address = house.reader()
    unsubscribe(house, address)["merge_fields"]["LTV_BAND"] = "typed by hand"
    one = found_by(house, MAIL, repair=True)[MAIL]
    assert (one.opted_out, one.drifted) == ((f"[{key}]",), 1)
    house.sync()
    assert house.members("unsubscribed")[address]["merge_fields"]["LTV_BAND"] == house.wanted_members()[address]


def unsubscribe(house: House, address: str) -> dict[str, Any]:
    """Let a member of the audience say no there; return the member."""
    members: dict[str, dict[str, Any]] = house.boxes["mailchimp"].store["lists"]["sandbox"]["members"]
    (member,) = [one for one in members.values() if one["email_address"] == address]
    member["status"] = "unsubscribed"
    return member


OPT_OUTS = """
version: 2
sources:
  - name: revetl
    config: {meta: {external_location: "read_parquet('.revetl/{{ target.name }}/{name}.parquet')"}}
    tables:
      - name: opt_outs
"""
WHO = """{{ config(materialized='table') }}
select c.email from {{ source('revetl', 'opt_outs') }} o join {{ ref('customers') }} c on c.customer_id = o.id
"""


def test_dbt_reads_who_opted_out(house: House) -> None:
    """The file is a source of the project: a model joins it to the customers, before and after somebody says no."""
    (house.root / "models/opt_outs.yml").write_text(OPT_OUTS)
    (house.root / "models/said_no.sql").write_text(WHO)
    built(house.root, "run", "--select", "said_no")
    assert house.rows("select * from said_no") == []
    _, address = house.reader()
    unsubscribe(house, address)
    done = house.program("verify", MAIL)
    assert "opted out there" in done.stdout
    built(house.root, "run", "--select", "said_no")
    assert house.rows("select * from said_no") == [(address,)]


def test_some_keys_or_a_sample(house: House) -> None:
    """``--keys`` asks for those alone, ``--sample`` for so many; neither repairs anybody else."""
    key, address = house.reader(0)
    _, other = house.reader(1)
    for name in (address, other):
        edit(house, name, ltv_band="drifted")
    one = found_by(house, CRM, keys=(str(key),), repair=True)[CRM]
    assert (one.rows, one.drifted, one.repaired) == (1, 1, 1)
    house.sync()
    assert house.contacts()[other]["ltv_band"] == "drifted"
    assert found_by(house, CRM, sample=7)[CRM].rows == 7


def test_the_command_tells_and_fails(house: House) -> None:
    """Exit 1 with the field named on drift, 0 without; JSON is one document; personal values are in neither."""
    _, address = house.reader()
    assert house.program("verify", CRM).returncode == 0
    edit(house, address, firstname="Somebody")
    done = house.program("verify", CRM)
    assert done.returncode == 1
    assert f"{CRM}: firstname is not as acknowledged: 1 record" in done.stdout
    assert "Somebody" not in done.stdout
    shown = orjson.loads(house.program("verify", "--output", "json").stdout)
    assert (shown["command"], shown["drift"], shown["exit_code"]) == ("verify", 1, 1)
    assert "Somebody" not in str(shown)
    wrong = house.program("verify", "nope.customer")
    assert (wrong.returncode, "RVT-890" in wrong.stderr) == (2, True)

"""What travels, by real builds, over real HTTP, to strict stand-ins: everything once, then only what changed."""

from __future__ import annotations

import orjson

from revetl.types import Op
from tests.e2e.house import CRM, MAIL, House, built, of, sent_rows


def test_first_sync_brings_everything(fresh: House) -> None:
    """After the first sync both tools hold exactly what the models say, in the fewest calls."""
    result = fresh.sync()
    assert result.exit_code == 0
    fresh.agrees()
    assert of(result, MAIL).delivered == len(fresh.wanted_members()) + len(fresh.tagged("High Value")) + len(
        fresh.tagged("Churn Risk")
    )
    batches = [e for e in fresh.writes("mailchimp") if e["path"] == "/3.0/lists/sandbox"]
    assert len(batches) == 1


def test_second_sync_sends_nothing(house: House) -> None:
    """Nothing changed: no request at all, not even a question."""
    before = {name: box.dump() for name, box in house.boxes.items()}
    result = house.sync()
    assert result.exit_code == 0
    assert house.received() == []
    assert [one.calls for one in result.syncs] == [0, 0, 0, 0]
    assert {name: box.dump() for name, box in house.boxes.items()} == before


def test_plan_sends_nothing_and_tells_the_truth(house: House) -> None:
    """A plan asks nobody and changes nothing; the sync after it does what the plan said."""
    key, _ = house.reader()
    house.sql(f"update customers set first_name = 'Other' where customer_id = {key}")
    house.mark()
    found = house.plan()
    assert house.received() == []
    counted = {preview.sync: [(c.op, c.rows) for c in preview.counts] for preview in found.previews if preview.counts}
    assert counted == {MAIL: [(Op.UPSERT, 1)], CRM: [(Op.UPSERT, 1)]}
    assert {preview.sync for preview in found.previews if preview.seconds > 0} == {MAIL, CRM}
    result = house.sync()
    assert (of(result, MAIL).delivered, of(result, CRM).delivered) == (1, 1)


def test_one_changed_row_sends_one_row(house: House) -> None:
    """One name changes: one call to each tool with that row alone, and to Mailchimp with that field alone."""
    key, address = house.reader()
    house.sql(f"update customers set first_name = 'Other' where customer_id = {key}")
    assert house.sync().exit_code == 0
    (mail,), (crm,) = house.writes("mailchimp"), house.writes("hubspot")
    (row,) = sent_rows([mail])
    assert (row["email_address"], row["merge_fields"]) == (address, {"FNAME": "Other"})
    (row,) = sent_rows([crm])
    assert (row["id"], row["properties"]["firstname"]) == (house.contacts()[address]["hs_object_id"], "Other")
    assert house.members()[address]["merge_fields"]["FNAME"] == "Other"
    house.sync()
    assert house.received() == []


def test_an_unmapped_column_sends_nothing(house: House) -> None:
    """A column that names no destination may change as it likes."""
    house.sql("update customers set lifetime_value = lifetime_value + 1, updated_at = now()")
    assert house.sync().exit_code == 0
    assert house.writes() == []


def test_who_leaves_a_cohort_parts(house: House) -> None:
    """Out of the model, out of tag and list; nobody else moves, and the record stays."""
    before = house.tagged("High Value")
    key, address = house.reader(where="customer_id in (from high_value_customers)")
    house.sql(f"delete from high_value_customers where customer_id = {key}")
    result = house.sync()
    assert (of(result, MAIL).delivered, of(result, CRM).delivered) == (1, 1)
    assert house.tagged("High Value") == before - {address}
    assert address not in house.listed("High Value")
    assert address in house.members()
    house.agrees()


def test_who_joins_a_cohort_is_tagged(house: House) -> None:
    """Into the model, into tag and list."""
    key, address = house.reader(where="customer_id not in (from high_value_customers)")
    house.sql(f"insert into high_value_customers values ({key})")
    house.sync()
    assert address in house.tagged("High Value") & house.listed("High Value")
    house.agrees()


def test_an_address_changes_and_nothing_stays_behind(house: House) -> None:
    """The old identity is nowhere afterwards, the contact is the same one, its tags and fields came along."""
    key, old = house.reader(where="customer_id in (from high_value_customers)")
    new = f"moved-{key}@example.org"
    (contact,) = [m["contact_id"] for a, m in house.members().items() if a == old]
    numbers = {p["email"]: p["hs_object_id"] for p in house.contacts().values()}
    house.sql(f"update customers set email = '{new}' where customer_id = {key}")
    assert house.sync().exit_code == 0
    assert old not in house.members(None)
    assert house.members()[new]["contact_id"] == contact
    assert new in house.tagged("High Value") & house.listed("High Value")
    assert old not in house.contacts()
    assert house.contacts()[new]["hs_object_id"] == numbers[old]
    house.agrees()
    house.sync()
    assert house.received() == []


def test_two_customers_swap_their_addresses(house: House) -> None:
    """Neither tool can swap two identities in one call: both rows are rejected by name, never a mixture of the two."""
    (one, first), (two, second) = house.reader(0), house.reader(1)
    before = {name: box.dump() for name, box in house.boxes.items()}
    house.sql(
        f"update customers set email = case customer_id when {one} then '{second}' else '{first}' end "
        f"where customer_id in ({one}, {two})"
    )
    result = house.sync()
    assert (result.exit_code, of(result, MAIL).rejected, of(result, CRM).rejected) == (1, 2, 2)
    assert {name: box.dump() for name, box in house.boxes.items()} == before
    listed = house.program("errors", "--output", "json").stdout
    assert {f"[{one}]", f"[{two}]"} <= {one["change"]["key"] for one in orjson.loads(listed)["rejected"]}


def test_who_disappears_is_archived_only_where_revetl_made_the_record(fresh: House) -> None:
    """`on_leave: archive` ends the records that revetl made, and leaves alone those that were there before it."""
    (made, ours), (known, theirs) = fresh.reader(0), fresh.reader(1)
    status, _, _ = fresh.boxes["mailchimp"].handle(
        "POST", "/3.0/lists/sandbox/members", headers={"Authorization": "Bearer sandbox-us1"},
        body=orjson.dumps({"email_address": theirs, "status": "subscribed"}),
    )  # fmt: skip
    assert status == 200
    assert fresh.sync().exit_code == 0
    assert fresh.members()[theirs]["merge_fields"]["FNAME"] == f"Given-{known:04d}"
    fresh.sql(*(f"delete from {name} where customer_id in ({made}, {known})" for name in HELD_BY))
    assert fresh.sync().exit_code == 0
    assert fresh.members(None)[ours]["status"] == "archived"
    assert fresh.members(None)[theirs]["status"] == "subscribed"
    assert not {ours, theirs} & (fresh.tagged("High Value") | fresh.tagged("Churn Risk"))
    assert {ours, theirs} <= set(fresh.contacts())  # HubSpot's policy here is keep
    assert not {ours, theirs} & (fresh.listed("High Value") | fresh.listed("Churn Risk"))


HELD_BY = (
    "customers", "customer_engagement", "high_value_customers", "newsletter_subscribers", "churn_risk_customers",
    "employees",
)  # fmt: skip


def test_null_clears_only_what_was_delivered(house: House) -> None:
    """A value that becomes null is cleared where it stood; a field that was never delivered is never touched."""
    key, address = house.reader(where="first_order_at is not null and phone is not null")
    box = house.boxes["hubspot"]
    never = house.first("select email from customers where email is not null and first_order_at is null "
                        "and customer_id not in (from employees) order by 1")  # fmt: skip
    for record in box.store["objects"]["contacts"]["records"].values():
        if record["properties"].get("email") == never:
            record["properties"]["first_order_at"] = "2020-01-01T00:00:00.000Z"  # a person wrote it there
    house.sql(
        f"update customers set first_order_at = null, phone = null where customer_id = {key}",
        f"update customers set first_name = 'Other' where email = '{never}'",
    )
    assert house.sync().exit_code == 0
    found = house.contacts()
    assert found[address]["first_order_at"] == ""
    assert found[address]["phone"].startswith("+1555")  # on_null: keep
    assert found[never]["first_order_at"] == "2020-01-01T00:00:00.000Z"
    assert found[never]["firstname"] == "Other"


def test_a_poison_row_is_rejected_and_the_others_arrive(house: House) -> None:
    """One address that Mailchimp refuses costs nobody else anything; it is listed, not sent again, and heals."""
    (bad, _), (good, address) = house.reader(0), house.reader(1)
    house.sql(
        f"update customers set email = 'poison@example.com', first_name = 'Bad' where customer_id = {bad}",
        f"update customers set first_name = 'Good' where customer_id = {good}",
    )
    result = house.sync(select=[MAIL])
    assert result.exit_code == 1
    assert of(result, MAIL).newly_rejected >= 1
    assert house.members()[address]["merge_fields"]["FNAME"] == "Good"
    assert "poison@example.com" not in house.members(None)
    done = house.program("errors", "--output", "json")
    assert done.returncode in {0, 1}, done.stderr
    assert f"[{bad}]" in str(orjson.loads(done.stdout))
    again = house.sync(select=[MAIL])
    assert (again.exit_code, house.writes("mailchimp")) == (0, [])
    house.sql(f"update customers set email = 'healed-{bad}@example.org' where customer_id = {bad}")
    assert house.sync(select=[MAIL]).exit_code == 0
    assert house.members()[f"healed-{bad}@example.org"]["merge_fields"]["FNAME"] == "Bad"
    assert set(house.members()) == set(house.wanted_members())


def test_a_new_property_backfills_itself_alone(house: House) -> None:
    """One line of YAML: the sync carries that field and no other, once, to everybody who has a value."""
    house.edit(
        "models/marts/customers.yml",
        "      - name: favourite_category # no `to`: it never leaves; `revetl demo` adds one line here\n",
        "      - name: favourite_category\n        config: {meta: {revetl: {to: {mailchimp: FAVOURITE}}}}\n",
    )
    built(house.root, "parse")
    found = house.plan()
    (preview,) = [preview for preview in found.previews if preview.sync == MAIL]
    assert {str(count.cause) for count in preview.counts} == {"mapping"}
    assert house.sync().exit_code == 0
    rows = sent_rows([e for e in house.writes("mailchimp") if e["path"] == "/3.0/lists/sandbox"])
    having = house.rows(
        "select c.email from customers c join customer_engagement e using (customer_id) where c.email is not null and "
        "c.customer_id in (from newsletter_subscribers) and c.customer_id not in (from employees)"
    )
    assert {row["email_address"] for row in rows} == {row[0] for row in having}
    assert {name for row in rows for name in row["merge_fields"]} == {"FAVOURITE"}
    assert house.writes("hubspot") == []

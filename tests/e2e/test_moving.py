"""Moving from another tool: what stands there is taken as sent, nothing is written twice, and then revetl goes on."""

from __future__ import annotations

import shutil

from revetl.engine.adopting import adopt
from tests.e2e.house import CRM, MAIL, House, of

COMPANIES = "hubspot.company"


def test_adopt_then_plan_shows_no_writes_then_switch(house: House) -> None:
    """Accounts that another tool filled: adopted in any order, no change is left; the next change alone travels."""
    shutil.rmtree(house.root / ".revetl")
    everywhere = ["mailchimp", "hubspot"]
    assert house.plan(select=everywhere).changes > 0
    house.mark()
    done = adopt(house.options(), (CRM, MAIL, COMPANIES))
    assert [(one.sync, one.differing, one.missing) for one in done] == [(CRM, 0, 0), (MAIL, 0, 0), (COMPANIES, 0, 0)]
    assert house.plan(select=everywhere).changes == 0
    assert house.writes() == []
    number, address = house.reader(where="lifetime_value_band != 'high'")
    house.sql(f"update customers set lifetime_value_band = 'high' where customer_id = {number}")
    result = house.sync(select=everywhere)
    assert (of(result, MAIL).delivered, of(result, CRM).delivered, of(result, COMPANIES).delivered) == (1, 1, 0)
    assert house.members()[address]["merge_fields"]["LTV_BAND"] == "high"

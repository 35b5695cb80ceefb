"""Samples of a preview: a few changes, shown before they leave, and no personal value among them."""

from __future__ import annotations

from dataclasses import replace

from revetl.types import HIDDEN
from tests.unit.engine.harness import Rig, fields, plan


def test_a_personal_value_is_masked_and_its_absence_is_shown() -> None:
    """Of a personal field a sample says whether there was a value and whether there is one now; of others, which."""
    (phone, note) = fields("phone", "a")
    rig = Rig(plan(fields=(replace(phone, pii="phone"), note)))
    columns = "id VARCHAR, email VARCHAR, phone VARCHAR, a VARCHAR"
    rig.people(("1", "1@example.org", "111", "x"), ("2", "2@example.org", None, "y"), columns=columns)
    rig.run()
    rig.people(
        ("1", "1@example.org", None, "x"),
        ("2", "2@example.org", "222", "z"),
        ("3", "3@example.org", "333", None),
        columns=columns,
    )
    (shown,) = rig.look().previews()
    assert {sample.key: dict(sample.fields) for sample in shown.samples} == {
        '["1"]': {"phone": (HIDDEN, None)},
        '["2"]': {"phone": (None, HIDDEN), "a": ("y", "z")},
        '["3"]': {"phone": (None, HIDDEN)},
    }

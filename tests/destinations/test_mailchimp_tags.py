"""Mailchimp's tags: found, joined, parted."""

from __future__ import annotations

from typing import Any

import pytest
from mailchimp_case import context, hash_of, person, run
from scripted import Script

from revetl.destinations.mailchimp import MAILCHIMP
from revetl.testing.drive import drive
from revetl.testing.seeds import change
from revetl.types import Op, Proof, Status

# --- tags -----------------------------------------------------------------------------------------------------------

SEGMENT = "POST /lists/a1b2c3/segments/77"
PREPARED = {"cohorts": {"vip": "77"}}


def tagged(key: str, *addresses: str, errors: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Return the answer to a change of a segment."""
    empty: dict[str, Any] = {"members_added": [], "members_removed": [], "total_removed": 0}
    total = {"total_removed": len(addresses)} if key == "members_removed" else {}
    return {**empty, key: [person(a) for a in addresses], "errors": list(errors), **total}


def test_joining_takes_one_call_for_all() -> None:
    """500 people a call, by address."""
    script = Script((SEGMENT, 200, tagged("members_added", "c1@example.org", "c2@example.org")))
    seen = run(Op.JOIN, [change(1, Op.JOIN), change(2, Op.JOIN)], script, prepared=PREPARED)
    assert script.bodies == [{"members_to_add": ["c1@example.org", "c2@example.org"]}]
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.DELIVERED}


def test_whom_the_join_passes_over_is_read() -> None:
    """An address that wears the tag already, and one that is nobody's, are passed over alike."""
    script = Script(
        (SEGMENT, 200, tagged("members_added", "c1@example.org")),
        (f"GET {hash_of('c2@example.org')}", 200, person("c2@example.org", tags=[{"id": 77, "name": "High Value"}])),
        (f"GET {hash_of('c3@example.org')}", 404, {}),
    )
    seen = run(Op.JOIN, [change(n, Op.JOIN) for n in (1, 2, 3)], script, prepared=PREPARED)
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.DELIVERED, 3: Status.REJECTED}
    assert seen.of(change(3))[0].code == "NOT_IN_AUDIENCE"


def test_parting_somebody_unknown_is_done() -> None:
    """A complete removal that does not name a person as failed proves that the person wears no tag."""
    script = Script((SEGMENT, 200, tagged("members_removed", "c1@example.org")))
    seen = run(Op.PART, [change(1, Op.PART), change(2, Op.PART)], script, prepared=PREPARED)
    assert [o.proof for o in seen.outcomes] == [Proof.ROW, Proof.ACCOUNT]


def test_a_removal_whose_total_disagrees_proves_nothing_of_the_rest() -> None:
    """Whoever is not named is read."""
    body = {**tagged("members_removed", "c1@example.org"), "total_removed": 2}
    still = person("c2@example.org", tags=[{"id": 77, "name": "High Value"}])
    script = Script((SEGMENT, 200, body), (f"GET {hash_of('c2@example.org')}", 200, still))
    seen = run(Op.PART, [change(1, Op.PART), change(2, Op.PART)], script, prepared=PREPARED)
    assert seen.statuses() == {1: Status.DELIVERED, 2: Status.REJECTED}


LISTED = "GET /lists/a1b2c3/segments"


@pytest.mark.parametrize(
    ("ids", "steps", "expected"),
    [
        ({}, [("POST /lists/a1b2c3/segments", 200, {"id": 90, "name": "High Value"})], "90"),
        ({"vip": "5"}, [("PATCH /lists/a1b2c3/segments/5", 200, {"id": 5, "name": "High Value"})], "5"),
        ({"vip": "404"}, [("POST /lists/a1b2c3/segments", 200, {"id": 90})], "90"),
    ],
    ids=["created", "renamed", "gone and created"],
)
def test_a_cohort_finds_its_tag(ids: dict[str, str], steps: list[Any], expected: str) -> None:
    """By the id of earlier runs, which outlives a new label; else it is created."""
    script = Script((LISTED, 200, {"segments": [{"id": 5, "name": "Old Label"}], "total_items": 1}), *steps)
    assert MAILCHIMP.prepare is not None
    seen = drive(MAILCHIMP.prepare(context(cohorts=(("vip", "High Value"),), ids=ids)), script)
    assert seen.value == {"cohorts": {"vip": expected}}
    assert script.left == []


def test_a_tag_of_the_same_label_is_taken_over_without_a_write() -> None:
    """One read finds all tags."""
    script = Script((LISTED, 200, {"segments": [{"id": 5, "name": "High Value"}], "total_items": 1}))
    assert MAILCHIMP.prepare is not None
    seen = drive(MAILCHIMP.prepare(context(cohorts=(("vip", "High Value"),))), script)
    assert seen.value == {"cohorts": {"vip": "5"}}

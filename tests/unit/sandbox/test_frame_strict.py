"""The frame of the stand-ins: the order of faults, and state that is not its own."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from revetl.errors import StateError, UsageError
from revetl.sandbox import Fault
from revetl.sandbox.mailchimp import Mailchimp
from revetl.sandbox.process import start_process
from tests.unit.sandbox.mailchimp_caller import LIST, Api, person

BATCH = orjson.dumps({"members": [person("a@example.org")]})


def people(api: Api) -> int:
    """Return how many are in the audience."""
    return int(api.call("GET", "/members")["total_items"])


def test_ordered_status_is_met_once_and_applies_nothing() -> None:
    """The next matching request gets the ordered answer, others and later ones the true one."""
    api = Api(Mailchimp())
    api.box.inject(Fault(status=503, headers={"Retry-After": "7"}, body={"a": 1}, method="POST", path="/lists/"))
    assert people(api) == 0
    status, headers, body = api.raw("POST", LIST, BATCH)
    assert (status, headers["retry-after"], orjson.loads(body)) == (503, "7", {"a": 1})
    assert people(api) == 0
    assert api.raw("POST", LIST, BATCH)[0] == 200
    assert people(api) == 1


def test_answer_is_lost_after_the_work_with_a_status() -> None:
    """``applied`` with a status: a gateway's 502 for a call that was done."""
    api = Api(Mailchimp())
    api.box.inject(Fault(status=502, applied=True))
    assert api.raw("POST", LIST, BATCH)[0] == 502
    assert people(api) == 1


def test_fault_counts_down_and_first_ordered_comes_first() -> None:
    """``times`` requests meet a fault, then the next fault's turn comes."""
    api = Api(Mailchimp())
    api.box.inject(Fault(status=500, times=2))
    api.box.inject(Fault(status=429))
    assert [api.raw("GET", LIST)[0] for _ in range(4)] == [500, 500, 429, 200]


def test_process_that_cannot_start_says_why(tmp_path: Path) -> None:
    """A broken state file is not overwritten by an empty account."""
    state = tmp_path / "sandbox.json"
    state.write_text("{")
    with pytest.raises(UsageError) as refused, start_process(["mailchimp"], state):
        pytest.fail("started on a broken state file")
    assert refused.value.code == "RVT-682"
    assert "RVT-683" in str(refused.value) or "cannot be read" in str(refused.value)
    assert state.read_text() == "{"


@pytest.mark.parametrize(
    "dumped",
    [{}, {"sandbox": "hubspot", "version": 1, "store": {}}, {"sandbox": "mailchimp", "version": 99, "store": {}}],
)
def test_dump_of_something_else_is_refused_and_changes_nothing(dumped: dict[str, object]) -> None:
    """Another stand-in's state, or another version's, is not taken for one's own."""
    api = Api(Mailchimp())
    api.raw("POST", LIST, BATCH)
    with pytest.raises(StateError) as refused:
        api.box.load(dumped)
    assert refused.value.code == "RVT-683"
    assert people(api) == 1

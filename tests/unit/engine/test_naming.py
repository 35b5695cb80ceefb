"""Two targets that one place cannot tell apart: the second one is refused, and sends nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from revetl.engine.naming import own
from revetl.errors import StateError
from tests.unit.engine.harness import Rig


def opened(rig: Rig, target: str, *, sandbox: bool = False) -> None:
    """Open the rig's state as that of a target."""
    session = rig.session(rig.store(), sandbox=sandbox)
    own(replace(session.workspace, target=target), session.store)


@pytest.mark.parametrize(
    ("first", "rehearsed", "second", "rehearses", "whose"),
    [
        ("prod", False, "Prod", False, "target prod"),
        ("a-b", False, "a_b", False, "target a-b"),
        ("x-sandbox", False, "x", True, "target x-sandbox"),
        ("x", True, "x-sandbox", False, "the rehearsal of target x"),
    ],
)
def test_another_target_s_state_is_refused(
    first: str, rehearsed: bool, second: str, rehearses: bool, whose: str
) -> None:
    """By name, both ways, and the first target goes on."""
    rig = Rig()
    opened(rig, first, sandbox=rehearsed)
    with pytest.raises(StateError, match=f"is the state of {whose}") as refused:
        opened(rig, second, sandbox=rehearses)
    assert refused.value.code == "RVT-520"
    opened(rig, first, sandbox=rehearsed)


def test_a_state_that_was_moved_is_the_new_target_s() -> None:
    """Whoever renames a target takes its directory along."""
    rig = Rig()
    opened(rig, "prod")
    opened(rig, "production")
    opened(rig, "production")
    assert rig.rows("SELECT value FROM revetl_state.meta WHERE name = 'target'") == ["production"]

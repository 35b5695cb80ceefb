"""The built project, rehearsed in pytest: what leaves, and that a second run sends nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import revetl
from revetl.testing.rehearsal import Rehearsal, rehearse


@pytest.fixture(scope="module")
def play() -> Iterator[Rehearsal]:
    """Return the project on its stage, after a first sync."""
    project = Path(__file__).parent
    with rehearse(revetl.Options(project_dir=project, profiles_dir=project)) as rehearsal:
        assert rehearsal.sync().exit_code == 0
        yield rehearsal


def test_nobody_gets_mail_who_did_not_ask(play: Rehearsal) -> None:
    """The newsletter's tool knows fewer people than the sales team's, and no telephone number."""
    mail, crm = play.records("mailchimp.customer"), play.records("hubspot.customer")
    assert set(mail) < set(crm)
    assert not any("phone" in record.fields for record in mail.values())


def test_a_second_run_sends_nothing(play: Rehearsal) -> None:
    """Every value is sent as the stand-ins keep it: nothing differs in the next run."""
    assert play.plan().changes == 0
    play.sync()
    assert play.calls("hubspot") == play.calls("mailchimp") == []

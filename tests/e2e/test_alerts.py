"""People are told when a sync's condition changes, by a real webhook, a real mail server, and only then."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from typing import Any

import pytest

from revetl.engine.session import utc_now
from revetl.sandbox import Fault
from revetl.types import RunResult
from tests.e2e.house import CRM, MAIL, House, of
from tests.e2e.receiver import Receiver, listening

CHANNELS = """
freshness: {{error: 3d}}
notify:
  channels:
    - {{type: webhook, url: "{{{{ env_var('HOOK') }}}}", token: "{{{{ env_var('TOKEN') }}}}"}}
    - {{type: slack, url: "{{{{ env_var('HOOK') }}}}", on: [failing]}}
    - {{type: email, host: 127.0.0.1, port: {port}, tls: none, sender: revetl@example.org, to: team@example.org}}
"""


class Mailbox:
    """What an SMTP server (aiosmtpd, on loopback) took, oldest first."""

    def __init__(self) -> None:
        """Begin empty."""
        self.mails: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Take one mail."""
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    """Return a mail server's box and its port."""
    from aiosmtpd.controller import Controller

    with socket.create_server(("127.0.0.1", 0)) as free:  # aiosmtpd itself wants to be told a port
        port = free.getsockname()[1]
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box, port
    finally:
        controller.stop()


@pytest.fixture
def told(house: House, mailbox: tuple[Mailbox, int]) -> Iterator[tuple[Receiver, Mailbox]]:
    """Return a webhook's other end and a mail box that the house's project tells."""
    box, port = mailbox
    with listening() as receiver:
        house.variables |= {"HOOK": receiver.url, "TOKEN": "a-token-of-the-hook"}
        path = house.root / "revetl.yml"
        path.write_text(path.read_text() + CHANNELS.format(port=port))
        yield receiver, box


def change(house: House, name: str) -> None:
    """Change one reader's name in the models."""
    key, _ = house.reader()
    house.sql(f"update customers set first_name = '{name}' where customer_id = {key}")


def documents(receiver: Receiver) -> list[list[tuple[str, str, str]]]:
    """Return what the webhook was told: sync, condition, state of each change of each notice."""
    found = [body["changes"] for body in receiver.bodies if "changes" in body]
    return [[(one["sync"], one["what"], one["state"]) for one in some] for some in found]


def warned(result: RunResult) -> list[str]:
    """Return the codes of a run's problems."""
    return [one.code for one in result.problems]


def test_a_failure_is_told_once_and_so_is_its_end(house: House, told: tuple[Receiver, Mailbox]) -> None:
    """Down, still down, back, unchanged: two notices on each channel, with the token and nothing secret in a text."""
    receiver, box = told
    change(house, "Other")
    house.boxes["mailchimp"].inject(Fault(status=503, times=1000))
    house.sync()
    house.sync()
    assert documents(receiver) == [[(MAIL, "failing", "began")]]
    house.boxes["mailchimp"]._faults.clear()
    assert house.sync().exit_code == 0
    house.sync()
    assert documents(receiver) == [[(MAIL, "failing", "began")], [(MAIL, "failing", "ended")]]
    slack = [body["text"] for body in receiver.bodies if "text" in body]
    assert len(slack) == 2
    assert f"{MAIL}: failing: " in slack[0]
    assert [mail["To"] for mail in box.mails] == ["team@example.org"] * 2
    assert "1 began, 0 ended" in box.mails[0]["Subject"]
    assert {headers.get("authorization") for headers in receiver.headers} == {"Bearer a-token-of-the-hook", None}
    assert "a-token-of-the-hook" not in str(receiver.bodies) + str(box.mails[0])


def test_a_channel_that_is_down_fails_no_sync_and_is_told_later(house: House, told: tuple[Receiver, Mailbox]) -> None:
    """The run's outcome is what it is; a warning names the channel, not its URL, and the next run tells it."""
    receiver, box = told
    receiver.status = 500
    change(house, "Other")
    late = house.sync(clock=lambda: utc_now() + timedelta(days=4))
    assert late.exit_code == 0
    assert {of(late, sync).delivered for sync in (MAIL, CRM)} == {1}
    assert warned(late).count("RVT-622") == 1
    assert receiver.url not in str(late.problems)
    assert len(box.mails) == 1
    receiver.status = 200
    change(house, "Another")
    assert "RVT-622" not in warned(house.sync(clock=lambda: utc_now() + timedelta(days=4)))
    assert documents(receiver)[-1] == [(CRM, "stale", "began"), (MAIL, "stale", "began")]
    assert len(box.mails) == 1


def test_status_tells_the_age(house: House) -> None:
    """The lag of the last run stands in the results and in status; what is too old is called stale."""
    path = house.root / "revetl.yml"
    path.write_text(path.read_text() + "\nfreshness: {warn: 1s, error: 30d}\n")
    change(house, "Other")
    result = house.sync()
    lag = of(result, MAIL).lag
    assert lag is not None
    assert 0 < lag.p50 <= lag.p95
    done = house.program("status")
    assert done.returncode == 0
    assert "stale (warn)" in done.stdout
    assert "from build to acknowledgement" in done.stdout

"""Exchanges that are not about rows: account, fields, read-back, tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from revetl.contract import Reply
from revetl.errors import DestinationError, TryLater
from revetl.send.books import ContractBroken
from revetl.send.ports import Trouble
from revetl.types import Outcome


class Ask:
    """Waits for the result of one exchange."""

    def __init__(self) -> None:
        """Start without a result."""
        self.done = False
        self.trouble: Trouble | None = None
        self.value: Any = None

    def result(self, subject: str) -> Any:
        """Return the result.

        Raises:
            RevetlError: what the exchange raised.
            TryLater: the destination cannot be reached, is down, or has no allowance left; the run was stopped.
            DestinationError: it refuses, or answers what nobody can read.
        """
        if self.trouble is not None:
            raise_trouble(self.trouble, subject)
        return self.value

    def settled(self, _outcomes: Iterable[Outcome], _reply: Reply | None) -> None:
        """Refuse: there are no changes here."""
        raise ContractBroken("it settled outcomes outside of an action")

    def job(self, _job: str) -> None:
        """Refuse: there are no changes here."""
        raise ContractBroken("it started a job outside of an action")

    def called(self) -> None:
        """Let it leave: there is no sync to count it for."""

    def uncalled(self) -> None:
        """Let it wait: there is no sync that counted it."""

    def lost(self) -> None:
        """Go on: there are no changes to doubt."""

    def before_once(self) -> None:
        """Let it leave: there are no changes to mark."""

    def returned(self, value: Any, _reply: Reply | None) -> None:
        """Keep the result."""
        self.value, self.done = value, True

    def failed(self, trouble: Trouble, _reply: Reply | None, **_: bool) -> None:
        """Keep the reason."""
        self.trouble, self.done = trouble, True


def raise_trouble(trouble: Trouble, subject: str) -> None:
    """Raise ``trouble`` as the error it is, about ``subject`` (a lane's name)."""
    if trouble.error is not None:
        raise trouble.error
    what = f"{subject}: {trouble.reason}"
    if trouble.later:
        raise TryLater(trouble.code, what, hint="run the same command again later")
    raise DestinationError(trouble.code, what, hint="check the destination's settings: revetl debug")

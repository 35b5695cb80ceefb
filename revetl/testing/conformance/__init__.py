"""The conformance suite: what every destination must do, as pytest classes to inherit.

A destination's package tests itself with::

    class TestMine(DestinationSuite):
        destination = MINE
        settings = {"api_key": "canary-9f1c"}
        secrets = ("canary-9f1c",)

        def service(self) -> Handler:
            return my_stand_in()

Nothing is optional by silence: a case that a destination has no use for is skipped with the reason that its declaration
gives (no cohorts, no read-back), and a method that is not written fails.
"""

from __future__ import annotations

from revetl.testing.conformance.answers import AnswerCases
from revetl.testing.conformance.base import stand_in
from revetl.testing.conformance.cohorts import CohortCases
from revetl.testing.conformance.declaration import DeclarationCases
from revetl.testing.conformance.records import RecordCases
from revetl.testing.conformance.snapshot import SnapshotCases

__all__ = ["DestinationSuite", "stand_in"]


class DestinationSuite(DeclarationCases, SnapshotCases, AnswerCases, RecordCases, CohortCases):
    """All cases; see the module's words on how to inherit them."""

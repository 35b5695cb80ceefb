"""The conformance suite: what every destination must do, as pytest classes to inherit.

A destination's package tests itself with::

    class TestMine(DestinationSuite):
        destination = MINE
        settings = {"api_key": "canary-9f1c"}
        secrets = ("canary-9f1c",)

        def service(self) -> Handler:
            return my_stand_in()

Nothing is optional by silence: a case that a destination has no use for is *not applicable* for a reason, which the
suite gives in ``lacks`` (``{"erase": "the service has no call for it"}``) or the declaration itself; any other skip
fails under ``-p revetl.testing.plugin``, and a method that is not written fails anyway.
"""

from __future__ import annotations

from revetl.testing.conformance.answers import AnswerCases
from revetl.testing.conformance.asking import AskingCases
from revetl.testing.conformance.base import stand_in
from revetl.testing.conformance.chance import ChanceCases
from revetl.testing.conformance.declaration import DeclarationCases
from revetl.testing.conformance.erasing import ErasureCases
from revetl.testing.conformance.jobs import JobCases
from revetl.testing.conformance.living import LifeCases
from revetl.testing.conformance.snapshot import SnapshotCases
from revetl.testing.conformance.stopped import StoppedCases

__all__ = ["DestinationSuite", "stand_in"]


class DestinationSuite(
    DeclarationCases,
    SnapshotCases,
    AnswerCases,
    AskingCases,
    LifeCases,
    ChanceCases,
    ErasureCases,
    JobCases,
    StoppedCases,
):
    """All cases; see the module's words on how to inherit them."""

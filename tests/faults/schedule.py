"""One schedule: a few faulty runs over a changing model, then clean ones; afterwards the promises are checked."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.world import World, carried, truth, world

LATE = 1000.0  # seconds: beyond the destination's late_apply


class Broken(AssertionError):
    """A promise was not kept; the text has the seed and how to replay it."""


def play(seed: int, make: Callable[[int], World] = World) -> list[str]:
    """Play one schedule in the world that ``make`` returns, and return its log.

    Raises:
        Broken: a promise does not hold after it.
    """
    with world(make(seed)) as made:
        for _ in range(made.random.randint(1, 3)):
            made.mutate()
            made.run()
            made.clock.advance(made.random.choice([10.0, 300.0, 2000.0]))
        _settle(made, seed)
        return made.log


def _settle(made: World, seed: int) -> None:
    made.faulty = False
    for _ in range(3):
        made.run()
        if not made.vendor.late and not made.pending() and not made.rejected():
            break
        made.clock.advance(8 * 86_400.0)  # beyond the longest gap between two tries of a rejected change
        made.vendor.land(made.clock.now())
        made.untangle()
    people, tags = truth(made)
    found = {email: set(kept) for email, kept in made.vendor.tags.items() if kept}
    if made.vendor.people != people or found != tags:
        raise Broken(_report(made, seed, f"the destination holds {made.vendor.people} {found}, not {people} {tags}"))
    wrong = carried(made)
    if wrong:
        raise Broken(_report(made, seed, wrong))
    before = len(made.requests)
    made.run()
    if len(made.requests) != before:
        raise Broken(_report(made, seed, "nothing changed, and yet something was sent"))
    if made.pending():
        raise Broken(_report(made, seed, f"{made.pending()} keys are pending for ever"))
    missing = set(made.requests) - (made.ledger() if made.requests else set())
    if missing:
        raise Broken(_report(made, seed, f"sent without a ledger row: {sorted(missing)[:5]}"))


def _report(made: World, seed: int, what: str) -> str:
    return "\n".join([what, f"replay: pytest tests/faults --seed {seed}", *made.log])

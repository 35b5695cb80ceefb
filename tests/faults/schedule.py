"""One schedule: a few faulty runs over a changing model, then clean ones; afterwards the promises are checked."""

from __future__ import annotations

from collections.abc import Callable, Collection

from tests.faults.door import Broken
from tests.faults.people import island_of, truth
from tests.faults.world import World, world

WEEK = 8 * 86_400.0  # seconds: beyond the longest gap between two tries of a rejected change


def play(seed: int, make: Callable[[int], World] = World, how: str = "") -> list[str]:
    """Play one schedule in the world that ``make`` returns, and return its log; ``how``: options that replay it.

    Raises:
        Broken: a promise does not hold after it.
    """
    with world(make(seed)) as made:
        try:
            _play(made)
        except Broken as broken:
            told = [str(broken), f"replay: pytest tests/faults --seed {seed}{how}", *made.log]
            raise Broken("\n".join(told)) from None
        return made.log


def _play(made: World) -> None:
    if made.random.random() < 0.3:
        made.vendor.blocked = made.random.choice(made.islands.emails(0))
    for _ in range(made.random.randint(2 if made.seed % 16 == 8 else 1, 3)):
        made.mutate()
        made.run()
        made.clock.advance(made.random.choice([10.0, 300.0, 2000.0]))
        if made.forgets:
            made.forget()
    made.faulty = False
    _settle(made)
    if made.vendor.blocked is not None:
        for _ in range(3):
            made.run()  # what is refused again and again comes to rest, for a while
        if not made.pending():  # else whoever may be concerned is asserted until the doubt is over
            _still(made)
        made.mutate()
        made.run()
        _agrees(made, without=made.refused())  # and holds up nobody else
        made.vendor.blocked = None
        made.clock.advance(WEEK)
        _settle(made)
    _still(made)
    _agrees(made)
    if made.pending():
        raise Broken(f"{made.pending()} keys are pending for ever")
    _kept(made)


def _settle(made: World) -> None:
    """Let runs without faults do what is left to do."""
    for _ in range(3):
        made.run()
        if not made.vendor.late and not made.pending() and not made.rejected():
            return
        made.clock.advance(WEEK)
        made.vendor.land(made.real())
        made.untangle()


def _still(made: World) -> None:
    before = len(made.requests)
    made.run()
    sent = [email for email in made.door.sent[before:] if island_of(email) not in made.graves.islands]
    if sent:
        raise Broken(f"nothing changed, and yet {made.requests[before:]} were sent, about {sent[:5]}")


def _agrees(made: World, without: Collection[int] = ()) -> None:
    """Compare what the destination holds with what it must hold, of all islands but some."""
    without = {*without, *made.graves.islands}
    people, tags = truth(made.model)
    held, worn = made.vendor.people, {email: set(kept) for email, kept in made.vendor.tags.items() if kept}
    wrong = sorted(
        email
        for email in {*people, *tags, *held, *worn}
        if island_of(email) not in without
        and (people.get(email) != held.get(email) or tags.get(email) != worn.get(email))
    )
    if wrong:
        told = [f"{e}: {held.get(e)} {worn.get(e)}, not {people.get(e)} {tags.get(e)}" for e in wrong[:5]]
        raise Broken(f"the destination holds, of {len(wrong)}, for example: {'; '.join(told)}")
    carried = _carried(made, without)
    if carried is not None:
        raise Broken(carried)


def _carried(made: World, without: Collection[int]) -> str | None:
    """Return what is wrong with memberships' fields and with consent there, None where all is as it must be."""
    for row in made.model.values():
        if row.email is None or island_of(row.email) in without:
            continue
        if row.ok is False and made.vendor.status.get(row.email) != "unsubscribed":
            return f"{row.email} said no and is {made.vendor.status.get(row.email)}"
        held = made.vendor.told.get(row.email, {}).get("gold", {}).get("level")
        if "gold" in row.tags and held != row.level:
            return f"{row.email} carries {held} as gold, not {row.level}"
    return None


def _kept(made: World) -> None:
    """Look whether the ledger has everything that left, in a chain that holds, and nothing personal in clear."""
    missing = set(made.requests) - (made.ledger() if made.requests else set()) - made.graves.rows
    if missing:
        raise Broken(f"sent without a ledger row: {sorted(missing)[:5]}")
    back = sorted(made.graves.emails & set(made.vendor.people))
    if back:
        raise Broken(f"the destination holds {back[0]} again, who is forgotten")
    wrong = made.chain()
    if wrong:
        raise Broken(f"the ledger's chain does not hold: {wrong[0]}")
    if made.mask.values == "hash" and made.personal():
        raise Broken("what is personal stands in the ledger in clear")

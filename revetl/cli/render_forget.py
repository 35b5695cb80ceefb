"""Erasures → rich, and the words that are said before somebody agrees to one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from revetl.cli.render import hint, note, row, table
from revetl.cli.words import clean, many
from revetl.engine.forgetting import Forgotten, Meant
from revetl.engine.times import moment
from revetl.state.tombstones import Tombstone


def lines(who: Meant) -> Iterator[str]:
    """Yield who is meant and where something of them stands."""
    for key in dict.fromkeys(one.key for one in who.found):
        yield f"key {key}: {', '.join(one.sync for one in who.found if one.key == key)}"
    if who.stone is not None:
        yield f"forgotten since {moment(who.stone.at)} ({who.stone.id})"
    for place in who.places:
        many_there = f", {many(place.identities, 'identity', 'identities')}" if place.identities else ""
        yield f"{place.sync} ({place.title}{many_there}): {place.what}"
    if not who.places:
        yield "nothing of the person stands at any destination, as far as the record tells"


def preview(who: Meant) -> Iterator[RenderableType]:
    """Yield the same as a result."""
    yield from (Text(clean(line)) for line in lines(who))
    yield from (note(text) for text in who.notes)


def forgotten(one: Forgotten) -> Iterator[RenderableType]:
    """Yield what became of each erasure."""
    made = table("destination", "sync", "outcome", "said")
    for place in one.places:
        said = ": ".join(part for part in (str(place["code"]), str(place["reason"])) if part)
        row(made, str(place["destination"]), str(place["sync"]), str(place["status"]), clean(said))
    if one.places:
        yield made
    ledger = one.purged.ledger
    yield Text(f"taken out: {many(one.purged.state, 'row')} of state, {many(ledger.rows, 'row')} of the record "
               f"({many(ledger.files, 'file')})")  # fmt: skip
    yield Text(f"receipt: {one.receipt}")
    yield from (note(text) for text in one.notes)
    if not one.complete:
        yield hint("something is left to do; what failed is tried again by: revetl forget --resume")


def stones(known: Sequence[Tombstone]) -> Iterator[RenderableType]:
    """Yield who is forgotten."""
    if not known:
        yield Text("nobody is forgotten")
        return
    made = table("id", "since", "entity", "key of the ledger")
    for one in known:
        row(made, one.id, moment(one.at), one.entity, one.key_id)
    yield made

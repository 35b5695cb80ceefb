"""What an engine is asked that has models and state: who differs, who stands where, and how many there are.

Every column of an answer is text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from revetl.diff import desired, differing
from revetl.diff.recent import keys_alone
from revetl.diff.shape import Shape
from revetl.diff.spelling import Elsewhere
from revetl.types import ModelRef, SyncPlan


def _side(shape: Shape, spelling: Elsewhere) -> str:
    """Return the columns that say of which key a row is, and on which sides there is one."""
    keys = [f"{spelling.typed(f'coalesce(d.{k}, s.{k})', 'VARCHAR')} AS {k}" for k in shape.ks]
    there = [
        f"CASE WHEN {alias}.{shape.ks[0]} IS NOT NULL THEN {spelling.text('1')} END AS {name}"
        for alias, name in (("d", "wanted"), ("s", "known"))
    ]
    return ", ".join((*keys, *there))


def records(plan: SyncPlan, names: desired.Names, shape: Shape, spelling: Elsewhere, most: int) -> str:
    """Return the SELECT of records that differ, with their match values: ``dm`` wanted, ``sm`` held."""
    wanted = f"({desired.desired(plan, names, shape, spelling)}) z"
    known = f"({differing.snapshot(shape, spelling)}) z"
    return (
        f"SELECT {_side(shape, spelling)}, d.c0 AS dm, s.c0 AS sm "
        f"{differing.records(shape, wanted, known, spelling)} LIMIT {most}"
    )


def members(plan: SyncPlan, names: desired.Names, shape: Shape, spelling: Elsewhere, most: int) -> str:
    """Return the SELECT of keys whose memberships differ."""
    nobody = _nobody(shape)
    parts = {"desired": desired.desired(keys_alone(plan), names, nobody, spelling)}
    if shape.consent is not None:
        parts["everybody"] = desired.everybody(_bare(plan), names, nobody, spelling)
    made = ", ".join(f"{spelling.temp(shape, name)} AS ({sql})" for name, sql in parts.items())
    wish, known = desired.members(plan, names, shape, spelling), differing.memberships(shape, spelling)
    return (
        f"WITH {made} SELECT DISTINCT {_side(shape, spelling)} "
        f"{differing.members(shape, f'({wish})', known, spelling)} LIMIT {most}"
    )


def count(plan: SyncPlan, names: desired.Names, shape: Shape, spelling: Elsewhere) -> str:
    """Return the SELECT of how many records are wanted."""
    rows = desired.desired(_bare(plan), names, _nobody(shape), spelling)
    return f"SELECT {spelling.typed('count(*)', 'VARCHAR')} AS n FROM ({rows}) z"


def health(ref: ModelRef, name: str, spelling: Elsewhere, *, twice: bool = False) -> str:
    """Return the SELECT of rows and nulls over a model's key; ``twice``: and of rows that repeat one."""
    made = (desired.key_health if twice else desired.health)(ref, name, spelling)
    told = [f"{spelling.typed(one, 'VARCHAR')} AS {one}" for one in ("n", "nulls", *(["extra"] if twice else []))]
    return f"SELECT {', '.join(told)} FROM ({made}) z"


def standing(shape: Shape, spelling: Elsewhere, identities: Sequence[str]) -> str:
    """Return the SELECT of who may stand at identities: match values, folded where the destination folds them."""
    listed = ", ".join(map(spelling.text, identities))
    keys = {k: spelling.typed(spelling.name(k), kind) for k, kind in shape.columns.items()}
    match = spelling.name("m")
    at = match if shape.normalise not in FOLDED else spelling.folded(match)
    columns = ", ".join(f"{spelling.typed(key, 'VARCHAR')} AS {k}" for k, key in keys.items())
    return f"SELECT {columns}, {match} AS m FROM {spelling.state(f'snap_{shape.id}')} WHERE {at} IN ({listed})"


FOLDED = frozenset({"email", "lower"})


def _bare(plan: SyncPlan) -> SyncPlan:
    """Return the sync with all of its rows, and nothing that they carry but consent."""
    return replace(plan, fields=(), links=(), match_property=plan.base.key[0])


def _nobody(shape: Shape) -> Shape:
    return replace(shape, slots=(), match_slot=None)

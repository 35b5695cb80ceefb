"""Keys that are spelt alike: which new ones stand beside another that only case, blanks or Unicode form tell apart."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import Any

import pytest

from revetl.diff import likeness
from tests.unit.diff.picked import Picker, ordered, pick, shaped, yes

SHAPE = shaped()
SPELT = ("a", "A", " a", "b", "c", "C ", "\u00e9", "e\u0301", "d")


def seen(key: Any) -> tuple[int, str]:
    """Return what a person sees of a key."""
    return key.k0, unicodedata.normalize("NFC", key.k1).strip(" ").lower()


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("number", [2, 9, 30])
def test_new_keys_that_are_like_another(picker: Picker, number: int, *, stored: bool) -> None:
    """How many spellings stand for several keys, one of them new, and which two; none that only state has."""
    text = """'[' || k0 || ',' || to_json(k1) || ']'"""
    picker.make("every", 3 * number, k0="n % 4", k1=pick(*SPELT), key=text)
    picker.run(["CREATE TEMP TABLE once AS SELECT DISTINCT * FROM every"])
    picker.run([f"CREATE TEMP TABLE delta_1 AS SELECT *, {yes(80)} AS wanted, {yes(40)} AS known FROM "
                "(SELECT *, row_number() OVER (ORDER BY key) AS n FROM once) WHERE n % 2 = 0",
                "CREATE TABLE revetl_state.snap_1 AS SELECT k0, k1 FROM once WHERE key NOT IN "
                "(SELECT key FROM delta_1 WHERE wanted AND NOT known)"])  # fmt: skip
    shape = replace(SHAPE, stored=stored)
    new = picker.rows("SELECT * FROM delta_1 WHERE wanted AND NOT known")
    held = picker.rows(f"SELECT *, {text} AS key FROM revetl_state.snap_1") if stored else []
    looks = {seen(x) for x in new}
    groups: dict[tuple[int, str], list[str]] = {}
    for x in [*new, *(x for x in held if seen(x) in looks)]:
        groups.setdefault(seen(x), []).append(x.key)
    several = ordered(sorted(keys)[:2] for keys in groups.values() if len(keys) > 1)
    assert picker.tuples(likeness.suspected(shape)) == [(len(several),)]
    ((count, first),) = picker.tuples(likeness.alike(shape))
    assert (count, first) == (len(several), min(map(list, several), default=None))
    assert bool(picker.tuples(likeness.any_new(shape))) is bool(new)
    assert (likeness.textual(shape), likeness.textual(replace(shape, keys=("BIGINT", "UUID")))) == (True, False)

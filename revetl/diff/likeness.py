"""New keys that differ from another key by case, blanks or Unicode form alone: most likely one entity, spelt anew."""

from __future__ import annotations

from revetl.diff.shape import Shape


def textual(shape: Shape) -> bool:
    """Return whether any part of the key is text."""
    return "VARCHAR" in shape.keys


def any_new(shape: Shape) -> str:
    """Return a SELECT of a row if any key is new; only such a key can be like another."""
    return f"SELECT 1 FROM {shape.temp('delta')} WHERE wanted AND NOT known LIMIT 1"


def suspected(shape: Shape) -> str:
    """Return a SELECT of how many spellings may stand for several keys: by hashes, which take little memory."""
    return f"SELECT count(*) FROM (SELECT 1 FROM ({_near(shape)}) GROUP BY hash(i) HAVING count(*) > 1)"


def alike(shape: Shape) -> str:
    """Return a SELECT of how many spellings stand for several keys, one of them new, and two such keys."""
    return (
        "SELECT count(*), min(pair) FROM (SELECT list(key ORDER BY key)[:2] AS pair "
        f"FROM ({_near(shape)}) GROUP BY i HAVING count(*) > 1)"
    )


def _near(shape: Shape) -> str:
    """Return a SELECT of new keys, and of known ones that are spelt alike: ``i`` without what nobody sees, ``key``."""
    fresh = f"SELECT {_folded(shape, 'x')} AS i, x.key FROM {shape.temp('delta')} x WHERE x.wanted AND NOT x.known"
    if not shape.stored:
        return fresh
    known = f"SELECT {_folded(shape, 's')} AS i, {shape.key_text('s')} AS key FROM {shape.table('snap')} s"
    return f"{fresh} UNION ALL SELECT * FROM ({known}) WHERE hash(i) IN (SELECT hash(i) FROM ({fresh}))"


def _folded(shape: Shape, alias: str) -> str:
    """Return SQL of a key without what a person does not see."""
    parts = [
        f"lower(trim(nfc_normalize({alias}.{k})))" if kind == "VARCHAR" else f"CAST({alias}.{k} AS VARCHAR)"
        for k, kind in shape.columns.items()
    ]
    return f"concat_ws(chr(0), {', '.join(parts)})"

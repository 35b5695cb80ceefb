"""New keys that differ from another key by case, blanks or Unicode form alone: most likely one entity, spelt anew."""

from __future__ import annotations

from revetl.diff.shape import Shape


def textual(shape: Shape) -> bool:
    """Return whether any part of the key is text."""
    return "VARCHAR" in shape.keys


def any_new(shape: Shape) -> str:
    """Return a SELECT of a row if any key is new; only such a key can be like another."""
    return f"SELECT 1 FROM {shape.temp('delta')} WHERE wanted AND NOT known LIMIT 1"


def alike(shape: Shape) -> str:
    """Return a SELECT of how many spellings stand for several keys, one of them new, and two such keys."""
    known = f"SELECT {_folded(shape, 's')} AS i, {shape.key_text('s')} AS key FROM {shape.table('snap')} s"
    near = f" UNION ALL SELECT * FROM ({known}) WHERE i IN (SELECT i FROM fresh)" if shape.stored else ""
    return (
        f"WITH fresh AS (SELECT {_folded(shape, 'x')} AS i, x.key FROM {shape.temp('delta')} x "
        "WHERE x.wanted AND NOT x.known) "
        "SELECT count(*), min(pair) FROM (SELECT list(key ORDER BY key)[:2] AS pair "
        f"FROM (SELECT * FROM fresh{near}) GROUP BY i HAVING count(*) > 1)"
    )


def _folded(shape: Shape, alias: str) -> str:
    """Return SQL of a key without what a person does not see."""
    parts = [
        f"lower(trim(nfc_normalize({alias}.{k})))" if kind == "VARCHAR" else f"CAST({alias}.{k} AS VARCHAR)"
        for k, kind in zip(shape.ks, shape.keys, strict=True)
    ]
    return f"concat_ws(chr(0), {', '.join(parts)})"

"""Changed keys with both of their sides, and records that meet: one at whose identity another stands, or stood.

At the destination they are one record, whatever state says of two.
"""

from __future__ import annotations

from revetl.diff.differing import snapshot
from revetl.diff.shape import Shape


def pairs(shape: Shape) -> list[str]:
    """Return statements that make ``pair``, changed keys, what is wanted (``f…``), what stands (``s…``), and ``met``.

    That has, for changed keys (``c…``), others at the identity that they come to, stay at, or are renamed away from
    (``n`` = 1). Only where somebody comes or goes is the snapshot read again.
    """
    both = [(f"k{n}", f"c{n}") for n in range(len(shape.ks))]
    cs = [c for _, c in both]
    mine, theirs = ", ".join(f"x.{k} AS {c}" for k, c in both), ", ".join(f"h.{k}" for k in shape.ks)
    pair = shape.temp("pair")
    at = f"SELECT {', '.join(shape.ks)}, {shape.normalised('m')} AS i FROM ({snapshot(shape)})"
    moving = f"FROM {pair} x WHERE x.i IS DISTINCT FROM x.si"
    places = f"SELECT {mine}, x.i, 0 AS n {moving} UNION ALL SELECT {mine}, x.si, 1 {moving} AND x.wanted"
    return [
        f"CREATE OR REPLACE TEMP TABLE pair_{shape.id} AS {_pair(shape, shape.temp('changed'))}",
        f"CREATE OR REPLACE TEMP TABLE met_{shape.id} AS SELECT {', '.join(f'p.{c}' for c in cs)}, {theirs}, p.n "
        f"FROM ({places}) p JOIN ({at}) h ON h.i = p.i AND NOT ({' AND '.join(f'h.{k} = p.{c}' for k, c in both)}) "
        f"UNION ALL SELECT {mine}, {theirs}, 0 FROM {pair} x JOIN {pair} h ON h.si = x.si "
        f"AND NOT ({shape.same_key('h', 'x')}) WHERE x.wanted AND x.i = x.si",
    ]


def _pair(shape: Shape, source: str) -> str:
    columns = [
        *(f"c.{k}" for k in shape.ks),
        f"c.wanted, c.known, d.m, {shape.normalised('d.m')} AS i, s.m AS sm, {shape.normalised('s.m')} AS si",
        *(f"d.{f}" for f in shape.fs),
        *(f"s.{f} AS s{f}" for f in shape.fs),
        *(f"d.{w}" for w in shape.ws),
        *(["d.okay"] if shape.consent is not None else []),
    ]
    return (
        f"SELECT {', '.join(columns)} FROM {source} c "
        f"LEFT JOIN {shape.temp('desired')} d ON {shape.same_key('c', 'd')} "
        f"LEFT JOIN ({snapshot(shape)}) s ON {shape.same_key('c', 's')}"
    )


def rivals(shape: Shape) -> list[str]:
    """Return statements that make ``rival``: for changed keys (``c…``), what the records that they met have.

    Two records that met at an identity are one there, and whoever is renamed first takes along what the other had. Who
    stays behind then has changed, too. Few find another, so whole records are fetched for those few.
    """
    both = [(f"k{n}", f"c{n}") for n in range(len(shape.ks))]
    cs = [c for _, c in both]
    pair, met = shape.temp("pair"), shape.temp("met")
    held = ", ".join(f"any_value(s.{column} ORDER BY o.n) AS {column}" for column in (shape.ks[0], *shape.fs))
    turned = ", ".join([*(f"{k} AS {c}" for k, c in both), *(f"{c} AS {k}" for k, c in both)])
    return [
        f"CREATE OR REPLACE TEMP TABLE stay_{shape.id} AS SELECT DISTINCT {', '.join(f'h.{k}' for k in shape.ks)}, "
        f"true AS wanted, true AS known "
        f"FROM (FROM {met} WHERE n = 1) h SEMI JOIN {shape.temp('desired')} d ON {shape.same_key('d', 'h')} "
        f"ANTI JOIN {shape.temp('changed')} c ON {shape.same_key('c', 'h')}",
        f"INSERT INTO {shape.temp('changed')} FROM {shape.temp('stay')}",
        f"INSERT INTO {pair} {_pair(shape, shape.temp('stay'))}",
        f"CREATE OR REPLACE TEMP TABLE rival_{shape.id} AS SELECT {', '.join(f'o.{c}' for c in cs)}, {held} "
        f"FROM (FROM {met} UNION ALL BY NAME SELECT {turned}, 2 AS n FROM {met} WHERE n = 1) o "
        f"JOIN ({snapshot(shape)}) s ON {shape.same_key('o', 's')} GROUP BY ALL",
    ]

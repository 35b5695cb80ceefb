"""Cases about random values of every type; ``REVETL_VALUES`` says how many of each (``8``, or the next: ``8:16``)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from struct import pack, unpack
from typing import Any

import pytest

from revetl.encode import Unencodable, encode
from revetl.encode import same as equal
from revetl.engine.fielding import kind_of
from revetl.testing.conformance.values import ValueCases
from revetl.testing.drive import Handler
from revetl.types import Change, Outcome, RemoteField, Status
from revetl.warehouse.connection import connect

_EACH = 8  # values before one stand-in, so that no limit of its is met
_LETTERS = (
    "abcXYZ019 .,;:|/\\'\"<>&=+-@#%{}[]()_*?!$~^`",
    "äßéžŁıİ\u0301\u00a0\u00ad",
    "שלוםعر\u200f\u200d日本語ไทย",
    "🧺👩‍👩‍👧\U0001d49e\ufeff\u2028\u2029\u0085",
    "\t\n\r\x1b\x7f\x00",
)
_WEIGHTS = (60, 12, 8, 5, 1)
Maker = Callable[[Random], str]


def _integer(dice: Random) -> str:
    return str(dice.choice((-1, 1)) * dice.getrandbits(dice.randint(1, 63)))


def _huge(dice: Random) -> str:
    return str(dice.choice((-1, 1)) * dice.getrandbits(dice.randint(60, 120)))


def _decimal(digits: int, scale: int) -> Maker:
    def make(dice: Random) -> str:
        number = str(dice.randrange(10 ** dice.randint(1, digits))).rjust(scale + 1, "0")
        return f"{dice.choice(('', '-'))}{number[:-scale]}.{number[-scale:]}"

    return make


def _double(dice: Random) -> str:
    whole: float = unpack("<d", pack("<Q", dice.getrandbits(64)))[0]
    return repr(dice.choice((whole, dice.uniform(-1e6, 1e6), float(dice.randint(-9999, 9999)), dice.random())))


def _day(dice: Random) -> str:
    year = dice.choice((dice.randint(1900, 2100), dice.randint(1, 9999)))
    return f"{year:04}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}"


def _instant(dice: Random) -> str:
    fraction = dice.choice(("", f".{dice.randrange(1000):03}", f".{dice.randrange(10**6):06}"))
    clock = f"{dice.randrange(24):02}:{dice.randrange(60):02}:{dice.randrange(60):02}{fraction}"
    return f"{_day(dice)} {clock}{dice.choice(('+00', '+02', '-09:30'))}"


def _text(dice: Random) -> str:
    length = dice.choice((0, 1, dice.randint(2, 40), dice.randint(41, 400)))
    return "".join(dice.choice(dice.choices(_LETTERS, _WEIGHTS)[0]) for _ in range(length))


def _json(dice: Random, depth: int) -> Any:
    kinds = ("text", "number", "truth", "null") if depth == 2 else ("text", "number", "truth", "null", "list", "object")
    kind = dice.choice(kinds)
    parts: Mapping[str, Callable[[], Any]] = {
        "text": lambda: _text(dice).replace("\x00", ""),
        "number": lambda: dice.choice((dice.randint(-(2**53), 2**53), round(dice.uniform(-99, 99), 3))),
        "truth": lambda: dice.random() < 0.5,
        "null": lambda: None,
        "list": lambda: [_json(dice, depth + 1) for _ in range(dice.randint(0, 3))],
        "object": lambda: {f"k{n}": _json(dice, depth + 1) for n in range(dice.randint(0, 3))},
    }
    return parts[kind]()


def _texts(dice: Random) -> str:
    return json.dumps([_text(dice).replace("\x00", "") for _ in range(dice.randint(0, 4))])


def _struct(dice: Random) -> str:
    return json.dumps({"a": dice.randint(-999, 999), "b": _text(dice).replace("\x00", "")})


KINDS: Mapping[str, tuple[tuple[str, Maker], ...]] = {  # what is varied → DuckDB types, and what makes their values
    "integers": (("BIGINT", _integer), ("HUGEINT", _huge), ("INTEGER", lambda d: str(d.randint(-(2**31), 2**31 - 1)))),
    "decimals": (
        ("DECIMAL(18,4)", _decimal(18, 4)),
        ("DECIMAL(38,10)", _decimal(38, 10)),
        ("DECIMAL(9,2)", _decimal(9, 2)),
    ),
    "doubles": (("DOUBLE", _double),),
    "days": (("DATE", _day),),
    "instants": (("TIMESTAMP WITH TIME ZONE", _instant),),
    "texts": (("VARCHAR", _text),),
    "nested values": (
        ("VARCHAR[]", _texts),
        ("STRUCT(a INTEGER, b VARCHAR)", _struct),
        ("JSON", lambda dice: json.dumps({f"k{n}": _json(dice, 1) for n in range(dice.randint(1, 3))})),
        ("JSON", lambda dice: json.dumps([_json(dice, 2) for _ in range(dice.randint(0, 3))])),
    ),
}


def _numbers() -> range:
    """Return which values to try."""
    first, colon, last = os.environ.get("REVETL_VALUES", "8").partition(":")
    return range(int(first), int(last)) if colon else range(int(first))


def spelt(kind: str, values: list[str], field: RemoteField, wire: Any) -> list[tuple[str | None, str | None]]:
    """Return of each value (why it cannot be carried, its JSON text), as a run's SQL gives them."""
    try:
        encoding = encode(kind, field, wire, timezone="UTC").over("x")
    except Unencodable as error:
        return [(error.reason, None)] * len(values)
    given = "CAST(t AS JSON)" if kind.startswith(("VARCHAR[", "STRUCT")) else "t"
    con = connect()
    try:
        found: list[tuple[str | None, str | None]] = con.execute(
            f"SELECT w, CASE WHEN w IS NULL THEN {encoding.value} END FROM ("  # noqa: S608 - no value stands in it
            f"SELECT x, n, {encoding.refusal or 'NULL'} AS w FROM (SELECT n, CAST({given} AS {kind}) AS x "
            "FROM (SELECT unnest(CAST(? AS VARCHAR[])) AS t, generate_subscripts(CAST(? AS VARCHAR[]), 1) AS n))"
            ") ORDER BY n",
            [values, values],
        ).fetchall()
    finally:
        con.close()
    return found


class ChanceCases(ValueCases):
    """Whatever a column holds: it arrives exactly, or its row is refused by name."""

    @pytest.mark.parametrize("number", range(_numbers().start // _EACH, -(-_numbers().stop // _EACH)))
    @pytest.mark.parametrize("name", list(KINDS))
    def test_any_value_is_carried_exactly_or_refused_by_name(
        self, name: str, number: int, record_property: Callable[[str, object], None]
    ) -> None:
        """Random ones of each type."""
        dice = Random(f"{name} {number}")  # noqa: S311 - cases
        kind, make = dice.choice(KINDS[name])
        service = self.service()
        field = self.field_of(service, kind_of(kind))
        texts = [make(dice) for _ in range(_EACH)]
        refused = self.arrive(service, field, kind, texts)
        record_property("values", _EACH)
        record_property("refused", refused)

    def arrive(self, service: Handler, field: RemoteField, kind: str, texts: list[str]) -> int:
        """Send values of one type and hold what stands there to them; return how many were refused."""
        rows: dict[int, tuple[Change, str]] = {}
        for seq, (why, text) in enumerate(spelt(kind, texts, field, self.destination.wire), 1):
            assert (text is None) == bool(why), "what is not carried has a reason"
            if text is not None:
                rows[seq] = (self.carrying(service, field, seq, text), text)
        if not rows:
            return len(texts)
        outcomes = self.run(service, [row for row, _ in rows.values()]).outcomes
        stands = [o.change.seq for o in outcomes if self.accepted(o)]
        if self.destination.read_back is not None and stands:
            there = self.read(service, *(rows[seq][0].match for seq in stands), fields=[field])
            same = self.destination.same or equal
            for row, text in (rows[seq] for seq in stands):
                found = there[row.identity].fields.get(field.name)
                assert same(field, json.loads(text), found), f"{text[:200]} is {str(found)[:200]}"
        return len(texts) - len(stands)

    def accepted(self, outcome: Outcome) -> bool:
        """Return whether a row was delivered; else it was refused with a reason."""
        if outcome.status is Status.REJECTED:
            assert outcome.code
            assert outcome.reason
            return False
        assert outcome.status is Status.DELIVERED
        return True

    def carrying(self, service: Handler, field: RemoteField, seq: int, text: str) -> Change:
        """Return the change of a record that carries a value, and what must stand beside it."""
        needed = [f for f in self.fields(service) if f.required and f.name != field.name]
        values = {name: json.dumps(v) for name, v in self.values(needed, seq).items()} | {field.name: text}
        body = ",".join(f"{json.dumps(name)}:{spelling}" for name, spelling in values.items())
        return replace(self.change(seq), body=f"{{{body}}}".encode())

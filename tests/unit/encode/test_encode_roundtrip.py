"""For every type: a value is carried and reads back equal, or it is refused; nothing changes in silence."""

from __future__ import annotations

import json
import math
import struct
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from revetl.contract import WireFormat
from revetl.encode import encode
from revetl.types import RemoteField
from tests.unit.encode.carry import CON, WIRE, carried, column

AS_TEXT = WireFormat(number="text", boolean="text")
BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def lists(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=1, max_size=12)


@pytest.mark.parametrize("kind", [*BITS, *(f"U{kind}" for kind in BITS)])
@pytest.mark.parametrize("wire", [WIRE, AS_TEXT], ids=["json", "text"])
@given(data=st.data())
@quick
def test_integers(kind: str, wire: WireFormat, data: st.DataObject) -> None:
    """An integer arrives equal; as a JSON number only up to 2^53 - 1, beyond it is refused, never rounded."""
    bits = BITS[kind.removeprefix("U")]
    low, high = (0, 2**bits - 1) if kind.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    edges = [n for n in (2**53 - 1, 2**53, 1 - 2**53, -(2**53), low, high) if low <= n <= high]
    values = data.draw(lists(st.integers(low, high) | st.sampled_from(edges)))
    found = column(kind, [str(n) for n in values], encode(kind, None, wire, timezone=None))
    for n, row in zip(values, found, strict=True):
        if wire is AS_TEXT:
            assert carried(row) == str(n)
        elif abs(n) < 2**53:
            assert carried(row) == n
        else:
            assert row[1] == "integer beyond 2^53"


@pytest.mark.parametrize(("precision", "scale"), [(4, 2), (18, 3), (38, 0), (38, 10), (5, 5), (38, 38)])
@pytest.mark.parametrize("wire", [WIRE, AS_TEXT], ids=["json", "text"])
@given(data=st.data())
@quick
def test_decimals(precision: int, scale: int, wire: WireFormat, data: st.DataObject) -> None:
    """A decimal keeps every digit; as a JSON number it is refused where a double would not give it back."""
    limit = 10**precision - 1
    numbers = st.integers(-limit, limit) | st.integers(-9999, 9999) | st.integers(-limit, limit).map(lambda n: n // 10)
    units = data.draw(lists(numbers))
    values = [Decimal(f"{n}e-{scale}") for n in units]
    kind = f"DECIMAL({precision},{scale})"
    found = column(kind, [f"{value:f}" for value in values], encode(kind, None, wire, timezone=None))
    for unit, value, row in zip(units, values, found, strict=True):
        digits = str(abs(unit)).strip("0")
        whole = unit % 10**scale == 0
        fits = abs(value) <= 2**53 - 1 if whole else len(digits) <= 15
        if wire is WIRE and not fits:
            assert row[1] in ("integer beyond 2^53", "more than 15 digits")
            continue
        assert row[1] is None
        assert row[0] is not None
        json.loads(row[0])
        text = row[0].strip('"')
        assert Decimal(text) == value
        assert len(text.partition(".")[2]) == scale
        if wire is WIRE:
            assert Decimal(repr(float(text))) == value


@pytest.mark.parametrize("wire", [WIRE, AS_TEXT], ids=["json", "text"])
@given(values=lists(st.floats() | st.sampled_from([5e-324, 1e22, 0.1, -0.0, 1e16, 123456789.0])))
@quick
def test_doubles(wire: WireFormat, values: list[float]) -> None:
    """A double reads back as the same double; NaN and the infinities are refused."""
    found = column("DOUBLE", [repr(value) for value in values], encode("DOUBLE", None, wire, timezone=None))
    for value, row in zip(values, found, strict=True):
        if not math.isfinite(value):
            assert row[1] == "not a finite number"
        else:
            assert float(carried(row)) == value


@given(values=lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
@quick
def test_floats(values: list[float]) -> None:
    """A 32-bit float is spelt by the shortest decimal: 0.1, not 0.10000000149011612."""
    found = column("FLOAT", values, encode("FLOAT", None, WIRE, timezone=None))
    for value, row in zip(values, found, strict=True):
        assert struct.unpack("f", struct.pack("f", carried(row)))[0] == value
        assert len(f"{Decimal(str(row[0])).normalize():e}".partition("e")[0].strip("-").replace(".", "")) <= 9


@given(values=lists(texts))
@quick
def test_text(values: list[str]) -> None:
    """Any text arrives as it is: quotes, backslashes, control characters, NUL, emoji."""
    for value, row in zip(values, column("VARCHAR", values, encode("VARCHAR", None, WIRE, timezone=None)), strict=True):
        assert carried(row) == value


DATES = st.dates() | st.sampled_from([date(1, 1, 1), date(9999, 12, 31), date(1969, 12, 31), date(1900, 2, 28)])


@given(values=lists(DATES))
@quick
def test_dates(values: list[date]) -> None:
    """A date arrives as itself, in a timestamp field as its midnight in UTC, in epoch milliseconds too."""
    given_as = [value.isoformat() for value in values]
    plain = column("DATE", given_as, encode("DATE", None, WIRE, timezone=None))
    stamped = column("DATE", given_as, encode("DATE", RemoteField("f", "timestamp"), WIRE, timezone=None))
    epoch = column("DATE", given_as, encode("DATE", None, WireFormat(date="epoch_ms"), timezone=None))
    for value, row, stamp, millis in zip(values, plain, stamped, epoch, strict=True):
        assert carried(row) == value.isoformat()
        assert carried(stamp) == f"{value.isoformat()}T00:00:00Z"
        assert carried(millis) == (value - date(1970, 1, 1)).days * 86_400_000


INSTANTS = st.datetimes(timezones=st.just(UTC))


@pytest.mark.parametrize("kind", ["TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS"])
@given(values=lists(INSTANTS))
@quick
def test_timestamps(kind: str, values: list[datetime]) -> None:
    """An instant arrives equal to the precision of the pattern; what lies below is cut towards the past."""
    unit = {"TIMESTAMP_S": 1_000_000, "TIMESTAMP_MS": 1_000}.get(kind, 1)
    values = [value - timedelta(microseconds=value.microsecond % unit) for value in values]
    zone = "+00" if kind.endswith("ZONE") else ""
    given_as = [value.replace(tzinfo=None).isoformat() + zone for value in values]
    kinds = [WIRE, WireFormat(timestamp="%Y-%m-%dT%H:%M:%S.%f"), WireFormat(timestamp="epoch_s")]
    kinds.append(WireFormat(timestamp="epoch_ms"))
    rows = [column(kind, given_as, encode(kind, None, wire, timezone="UTC")) for wire in kinds]
    for value, seconds, micros, epoch_s, epoch_ms in zip(values, *rows, strict=True):
        since = (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        assert carried(seconds) == value.replace(microsecond=0, tzinfo=None).isoformat() + "Z"
        assert carried(micros) == value.replace(tzinfo=None).isoformat(timespec="microseconds")
        assert carried(epoch_s) == since // 1_000_000
        assert carried(epoch_ms) == since // 1_000


@given(nanos=lists(st.integers(-(2**62), 2**62)))
@quick
def test_nanoseconds(nanos: list[int]) -> None:
    """Nanoseconds are cut, never rounded up into the next second."""
    CON.execute("CREATE OR REPLACE TABLE n (i INTEGER, x TIMESTAMP_NS)")
    CON.executemany("INSERT INTO n SELECT ?, make_timestamp_ns(CAST(? AS BIGINT))", list(enumerate(nanos)))
    sql = encode("TIMESTAMP_NS", None, WireFormat(timestamp="epoch_s"), timezone="UTC").over("x")
    found = CON.execute(f"SELECT {sql.value}, {sql.refusal} FROM n ORDER BY i").fetchall()
    assert [carried(row) for row in found] == [n // 10**9 for n in nanos]


JSONS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(values=lists(JSONS.filter(lambda value: value is not None)))
@quick
def test_json(values: list[Any]) -> None:
    """A JSON column arrives digit for digit, and as text where the destination takes text."""
    given_as = [json.dumps(value) for value in values]
    bare = column("JSON", given_as, encode("JSON", None, WIRE, timezone=None))
    text = column("JSON", given_as, encode("JSON", None, WireFormat(json="text"), timezone=None))
    assert list(bare) == [(source, None) for source in given_as]
    assert [carried(row) for row in text] == given_as


@given(values=lists(st.lists(st.none() | texts, max_size=4)))
@quick
def test_json_lists(values: list[list[str | None]]) -> None:
    """A list arrives item by item, its order and its nulls kept."""
    CON.execute("CREATE OR REPLACE TABLE l (i INTEGER, x VARCHAR[])")
    CON.executemany("INSERT INTO l VALUES (?, ?)", [[i, value] for i, value in enumerate(values)])
    sql = encode("VARCHAR[]", None, WIRE, timezone=None).over("x")
    rows = CON.execute(f"SELECT {sql.value}, {sql.refusal or 'NULL'} FROM l ORDER BY i").fetchall()
    assert [carried(row) for row in rows] == values


@given(values=lists(st.lists(st.none() | texts | st.sampled_from(["a;b", "", "x"]), max_size=4)))
@quick
def test_joined_lists(values: list[list[str | None]]) -> None:
    """A joined list gives its items back by splitting; a list that would not is refused."""
    CON.execute("CREATE OR REPLACE TABLE l (i INTEGER, x VARCHAR[])")
    CON.executemany("INSERT INTO l VALUES (?, ?)", [[i, value] for i, value in enumerate(values)])
    sql = encode("VARCHAR[]", None, WireFormat(list=";"), timezone=None).over("x")
    rows = CON.execute(f"SELECT {sql.value}, {sql.refusal} FROM l ORDER BY i").fetchall()
    for value, row in zip(values, rows, strict=True):
        if any(not item or ";" in item for item in value):
            assert row[1] in ("an empty item in the list", "an item that holds ';'")
        else:
            assert carried(row) == ";".join(item for item in value if item)

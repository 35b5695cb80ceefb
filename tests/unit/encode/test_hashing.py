"""Digests are those that the vendors print for their own examples; what cannot be normalised is refused by name."""

from __future__ import annotations

from hashlib import sha256

import duckdb
import pytest

from revetl.encode import DIGEST, digest, encode, refusing
from revetl.encode.encoding import HOLE
from revetl.encode.hashing import RULES
from revetl.types import Hash
from tests.unit.encode.carry import WIRE, Refused, carried

GOOGLE, META, PLAIN = Hash.SHA256, Hash.META, Hash.PLAIN


def hashed(how: Hash, kind: str, value: object, type_name: str = "VARCHAR") -> object:
    """Return the wire value of one value through the digest and its encoding, or why it is refused."""
    encoding = refusing(encode(DIGEST, None, WIRE, timezone=None), how, kind).over("d")
    with duckdb.connect(config={"threads": "1"}) as con:
        con.execute(f"CREATE TABLE t (v {type_name})")
        con.execute("INSERT INTO t VALUES (?)", [value])
        source = f"(SELECT {digest(how, kind).replace(HOLE, 'v')} AS d FROM t)"
        row = con.execute(f"SELECT {encoding.value}, {encoding.refusal or 'NULL'} FROM {source}").fetchone()
    assert row is not None
    return None if row == (None, None) else carried(row)


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("email", "John_Smith@gmail.com", "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"),
        ("phone", "+1 (650)555-1212", "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"),
        ("first_name", "Mary", "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec"),
        ("first_name", "정", "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14"),
        ("name", " Valéry\n", "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"),
    ],
)
def test_meta_prints_the_same_digests(kind: str, value: str, wanted: str) -> None:
    """The examples of Meta's customer information parameters give the digests printed there."""
    assert hashed(META, kind, value) == wanted


@pytest.mark.parametrize(
    ("how", "kind", "value", "normal"),
    [
        (GOOGLE, "email", "cloudy.sanfrancisco+shopping@gmail.com", "cloudysanfrancisco@gmail.com"),
        (GOOGLE, "email", " A.B+c@GoogleMail.com ", "ab@googlemail.com"),
        (GOOGLE, "email", "user.name+NYC@Example.com", "user.name+nyc@example.com"),
        (GOOGLE, "email", "us er@notgmail.com", "user@notgmail.com"),
        (GOOGLE, "phone", "+1 (800) 555-0100", "+18005550100"),
        (GOOGLE, "phone", "0044 20.7031.3000", "+442070313000"),
        (GOOGLE, "first_name", "  Anne Marie ", "anne marie"),
        (GOOGLE, "last_name", "O'Neill", "o'neill"),
        (META, "email", " A.B+c@Gmail.com", "a.b+c@gmail.com"),
        (META, "phone", "0044 20 7031 3000", "442070313000"),
        (META, "last_name", "O'Neill-Smith", "oneillsmith"),
        (META, "city", "St. John's 2", "stjohns"),
        (META, "state", "New South Wales", "newsouthwales"),
        (META, "zip", "94035-1234", "94035"),
        (META, "zip", "SW1A 1AA", "sw1a1aa"),
        (META, "country", "US", "us"),
        (META, "birth", "1990-05-17", "19900517"),
        (META, "gender", "Female", "f"),
        (PLAIN, "true", " As it Stands ", " As it Stands "),
        (PLAIN, "true", "", ""),
    ],
)
def test_normalised_first(how: Hash, kind: str, value: str, normal: str) -> None:
    """A value is normalised by the vendor's rules for its kind before it is hashed."""
    assert hashed(how, kind, value) == sha256(normal.encode()).hexdigest()


@pytest.mark.parametrize("how", [GOOGLE, META])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "nobody"), ("email", "a@b@example.org"), ("email", " "), ("phone", "(650) 555-1212"),
        ("phone", "16505551212"), ("phone", "+1 650 555 1212 ext. 3"), ("phone", "+1"), ("phone", "+"),
        ("phone", "+12345678901234567"), ("name", "\t"),
    ],
)  # fmt: skip
def test_what_matches_nobody_is_refused(how: Hash, kind: str, value: str) -> None:
    """No digest leaves of what cannot be an address, a number with its country code, or a name."""
    found = hashed(how, kind, value)
    assert isinstance(found, Refused)
    assert found.startswith("not a")
    assert value.strip("+\t ") not in found or not value.strip("+\t ")


def test_types_and_nulls() -> None:
    """A date and a number are read as text; a null stays one, and nothing is hashed of it."""
    assert hashed(META, "birth", "1990-05-17", "DATE") == sha256(b"19900517").hexdigest()
    assert isinstance(hashed(META, "birth", "17 May 1990"), Refused)
    assert isinstance(hashed(GOOGLE, "phone", 16505551212, "BIGINT"), Refused)
    assert [hashed(how, "email", None) for how in Hash] == [None, None, None]


def test_every_kind_has_its_rule() -> None:
    """The kinds that the plan lets through are those that there are rules for."""
    assert {how: set(rules) for how, rules in RULES.items()} == {how: set(how.kinds) for how in Hash if how.kinds}

"""How each engine spells a comparison: what is rendered can be parsed, and says what it must."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from revetl.diff import candidates
from revetl.diff.engines import EXPERIMENTAL, SPELLINGS
from revetl.diff.shape import Pointer, Shape, Slot
from revetl.diff.spelling import Elsewhere, fold
from revetl.state.postgres import Postgres
from revetl.types import SyncPlan
from tests.unit.engine.harness import ref
from tests.unit.engine.histories import VIP, rich
from tests.unit.engine.test_links import link

KINDS = {"email": "VARCHAR", "a": "VARCHAR", "d": "DECIMAL(12,2)", "f": "DOUBLE", "t": "TIMESTAMP WITH TIME ZONE"}
ENGINES = {**SPELLINGS, **EXPERIMENTAL}
ODD = 'it\'s \\ `x` "y"'


def spelling(engine: str) -> Elsewhere:
    """Return an engine's spelling over a state in the schema ``kept``."""
    native = Postgres.native if engine == "postgres" else lambda _self, _kind: "VARCHAR"
    made: Elsewhere
    made = ENGINES[engine](lambda table: f"{made.name('kept')}.{made.name(table)}", lambda kind: native(None, kind))  # type: ignore[arg-type]
    return made


def everything() -> tuple[SyncPlan, Shape]:
    """Return a sync with all that a comparison may have, and its shape."""
    plan = rich(links=(link(model="firms"),), exclude=(ref("staff"),))
    slots = [Slot(n, name, name, "model.sim.people", kind) for n, (name, kind) in enumerate(KINDS.items())]
    slots.append(Slot(5, "c", "c", "model.sim.more", "VARCHAR", stored=False))
    slots.append(
        Slot(6, "firm", "firm", "model.sim.people", "VARCHAR", link=Pointer("sim.firm", ("BIGINT",), ("firm",)))
    )
    level = Slot(7, "level", "level", "model.sim.vip", "VARCHAR", cohort=VIP.name)
    shape = Shape(1, plan.name, ("VARCHAR", "BIGINT"), tuple(slots), 0, cohorts=("vip", ODD), memberships=(level,))
    key = ("id", "region")
    models = {name: replace(getattr(plan, name), key=key) for name in ("base",)}
    plan = replace(
        plan, key=key, joined=(ref("more", *key),), audience=(ref("adults", *key),), exclude=(ref("staff", *key),),
        cohorts=(replace(VIP, ref=ref("vip", *key)),), **models,
    )  # fmt: skip
    assert plan.consent is not None
    return plan, replace(shape, consent=plan.consent.cohort)


def statements(engine: str) -> Iterator[str]:
    """Yield all that an engine is asked."""
    plan, shape = everything()
    made = spelling(engine)
    names = {model.unique_id: f"(SELECT * FROM {made.name(model.model)})" for model in plan.models}
    yield candidates.records(plan, names, shape, made, 10)
    yield candidates.members(plan, names, shape, made, 10)
    yield candidates.count(plan, names, shape, made)
    for twice in (False, True):
        yield candidates.health(plan.base, names[plan.base.unique_id], made, twice=twice)
    yield candidates.standing(shape, made, [ODD, "b"])
    yield candidates.standing(replace(shape, normalise="exact"), made, [ODD])


@pytest.mark.parametrize("engine", ENGINES)
def test_every_statement_is_sql_of_its_engine(engine: str) -> None:
    """A parser of the engine's SQL takes every statement, and finds odd texts in it as they are."""
    for sql in statements(engine):
        parsed = sqlglot.parse_one(sql, read=engine)
        assert isinstance(parsed, exp.Select)
        joins = [join for join in parsed.find_all(exp.Join) if join.side == "FULL"]
        assert len(joins) == (1 if " FULL JOIN " in sql else 0)
        if "`x`" in sql and engine != "postgres":  # whose escapes the parser leaves to others
            assert ODD in {node.this for node in parsed.find_all(exp.Literal)}


GOLDEN = {
    "postgres": (
        'CAST("k0" AS text) COLLATE "C" AS k0', "d.c1 IS DISTINCT FROM s.c1", '(CAST(l6."key" AS json) ->> 0)',
    ),
    "snowflake": (
        'CAST("f2" AS NUMBER(12,2)) AS f2', "CAST(\"f4\" || ':00' AS TIMESTAMP_TZ) AS f4",
        'CAST(GET(PARSE_JSON(l6."key"), 0) AS VARCHAR)',
    ),
    "bigquery": ("CAST(`k1` AS BIGNUMERIC) AS k1", "d.c1 IS DISTINCT FROM s.c1", "JSON_VALUE(l6.`key`, '$[0]')"),
    "databricks": ("CAST(`f3` AS DOUBLE) AS f3", "d.c1 IS DISTINCT FROM s.c1", "GET_JSON_OBJECT(l6.`key`, '$[0]')"),
    "redshift": (
        'CAST("f3" AS DOUBLE PRECISION) AS f3', "(d.c1 <> s.c1 OR (d.c1 IS NULL) <> (s.c1 IS NULL))",
        'JSON_EXTRACT_ARRAY_ELEMENT_TEXT(l6."key", 0)',
    ),
}  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_where_engines_differ(engine: str) -> None:
    """What state holds is read as its type, nulls are the same as nulls, and a key's text is taken apart."""
    records = next(statements(engine))
    assert [part for part in GOLDEN[engine] if part not in records] == []


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_compared_nowhere(engine: str) -> None:
    """Bytes and structs have no comparison that is as exact as ours; texts, numbers and instants have."""
    made = spelling(engine)
    for kind in ("BLOB", "STRUCT(a INTEGER)", "DOUBLE[]"):
        assert made.comparable("x", kind, "x") is None
    for kind in ("VARCHAR", "BIGINT", "DECIMAL(38,10)", "DOUBLE", "DATE", "BOOLEAN", "TIMESTAMP", "UUID"):
        assert made.comparable("x", kind, "x") is not None


def test_folded_identities() -> None:
    """What DuckDB compares as one identity is folded into one, letters whose lower case is ASCII included."""
    for one, other in (
        (" A@x.org ", "a@X.org"),
        ("\u212aim@x.org", "KIM@x.org"),
        ("\u0130a", "IA"),
        ("\u00c9a", "\u00e9A"),
    ):
        assert fold(one) == fold(other)
    assert fold("a b") != fold("a c")


def test_postgres_compares_what_state_can_be_compared_with() -> None:
    """Lists and texts by their text, byte by byte; bytes and structures nowhere; times as times."""
    made = spelling("postgres")
    asked = ["VARCHAR[]", "STRUCT(a INTEGER)", "BLOB", "VARCHAR", "INTEGER"]
    expected = ['(s) COLLATE "C"', None, None, '(s) COLLATE "C"', "c"]
    assert [made.comparable("c", kind, "s") for kind in asked] == expected
    held = ['CAST(c AS text) COLLATE "C"', "CAST(c AS time)", "c"]
    assert [made.held("c", kind) for kind in ("UUID", "TIME", "INTEGER")] == held


PRINTABLE = "".join(map(chr, range(32, 127)))


def test_folding_is_the_same_there() -> None:
    """All printable ASCII but the blank stays, lowered; SQL and Python make the same of any text."""
    assert fold(PRINTABLE) == PRINTABLE[1:].lower()
    made = Elsewhere(str, str)
    texts = [PRINTABLE, " A\u212a\u0130b\u00e9~!\x7f\t", "\u017dlu\u0165", ""]
    for text in texts:
        (found,) = duckdb.execute(f"SELECT {made.folded('?')}", [text]).fetchall()[0]
        assert found == fold(text)


NUL = "a\0b"
QUOTED = {  # a literal with everything odd in it, one with a NUL, and a name
    "postgres": (r"""E'it''s \\ `x` "y"'""", "('a' || chr(0) || 'b')", '"it\'s \\ `x` ""y"""'),
    "snowflake": (r"""'it''s \\ `x` "y"'""", "('a' || chr(0) || 'b')", '"it\'s \\ `x` ""y"""'),
    "bigquery": (r"""'it\'s \\ `x` "y"'""", r"'a\000b'", r"""`it's \\ \`x\` "y"`"""),
    "databricks": (r"""'it\'s \\ `x` "y"'""", r"'a\0b'", r"""`it's \ ``x`` "y"`"""),
    "redshift": (r"""'it''s \\ `x` "y"'""", "('a' || chr(0) || 'b')", '"it\'s \\ `x` ""y"""'),
}


@pytest.mark.parametrize("engine", ENGINES)
def test_odd_texts_and_names_are_quoted(engine: str) -> None:
    """As the engine escapes them; what is no text or no name is refused."""
    made = spelling(engine)
    assert (made.text(ODD), made.text(NUL), made.name(ODD)) == QUOTED[engine]
    escaped = r"'it\'s'" if engine in {"bigquery", "databricks"} else "'it''s'"
    assert (made.text("it's"), made.text("plain")) == (escaped, "'plain'")
    for wrong in ("", NUL, "\ud800"):
        with pytest.raises(ValueError, match=r".*"):
            made.name(wrong)
    with pytest.raises(ValueError, match=r".*"):
        made.text("\ud800")


EXACT = {
    "snowflake": "COLLATE({}, '')", "bigquery": "COLLATE({}, '')", "databricks": "{} COLLATE UTF8_BINARY",
    "redshift": "COLLATE({}, 'case_sensitive')",
}  # fmt: skip
TYPES = {  # text, whole, decimal, real, boolean, naive, instant
    "snowflake": ("VARCHAR", "NUMBER(38,0)", "NUMBER(12,2)", "FLOAT", "BOOLEAN", "TIMESTAMP_NTZ", "TIMESTAMP_TZ"),
    "bigquery": ("STRING", "BIGNUMERIC", "BIGNUMERIC", "FLOAT64", "BOOL", "DATETIME", "TIMESTAMP"),
    "databricks": ("STRING", "DECIMAL(38,0)", "DECIMAL(12,2)", "DOUBLE", "BOOLEAN", "TIMESTAMP_NTZ", "TIMESTAMP"),
    "redshift": ("VARCHAR(65535)", "DECIMAL(38,0)", "DECIMAL(12,2)", "DOUBLE PRECISION", "BOOLEAN", "TIMESTAMP",
                 "TIMESTAMPTZ"),
}  # fmt: skip


@pytest.mark.parametrize("engine", EXACT)
def test_values_that_state_keeps_as_texts(engine: str) -> None:
    """Each is read as what it is; texts are compared without any collation, instants have minutes in their offset."""
    made, exact = spelling(engine), EXACT[engine].format
    text, whole, decimal, real, boolean, naive, instant = TYPES[engine]
    cut = "DATE_TRUNC('MICROSECOND', c)" if engine == "snowflake" else "c"
    wholes = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
    types = {
        "DECIMAL(12,2)": decimal, "DECIMAL(12, 2)": decimal, "FLOAT": real, "DOUBLE": real, "BOOLEAN": boolean,
        "DATE": "DATE", **dict.fromkeys(wholes, whole),
    }  # fmt: skip
    for kind, its in types.items():
        assert (made.typed("e", kind), made.held("e", kind)) == (f"CAST(e AS {its})",) * 2
        assert made.comparable("c", kind, "s") == "c"
    assert made.typed("e", "TIMESTAMP") == made.held("e", "TIMESTAMP") == f"CAST(e AS {naive})"
    assert made.held("e", "TIMESTAMP WITH TIME ZONE") == f"CAST(e || ':00' AS {instant})"
    assert made.typed("e", "TIMESTAMP WITH TIME ZONE") == f"CAST(e AS {instant})"
    assert {made.comparable("c", kind, "s") for kind in ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE")} == {cut}
    same = exact(f"CAST(e AS {text})")
    assert [made.typed("e", "VARCHAR"), made.held("e", "VARCHAR"), made.held("e", "UUID")] == [same] * 3
    assert made.typed("e", "UUID") == made.typed("e", "BLOB") == f"CAST(e AS {text})"
    assert [made.comparable("c", kind, "s") for kind in ("VARCHAR", "UUID", "BLOB")] == [exact("s")] * 2 + [None]
    assert made.stripped("e") == "REGEXP_REPLACE(e, '[^!-~]', '')"
    differ = "(a <> b OR (a IS NULL) <> (b IS NULL))" if engine == "redshift" else "a IS DISTINCT FROM b"
    assert made.other("a", "b") == differ


def test_postgres_types_keep_their_collation_out() -> None:
    """Only what is text there is compared byte by byte."""
    made = spelling("postgres")
    assert made.typed("e", "VARCHAR") == 'CAST(e AS text) COLLATE "C"'
    assert made.typed("e", "BIGINT") == f"CAST(e AS {Postgres.native(None, 'BIGINT')})"  # type: ignore[arg-type]
    asked = ("JSON", "UUID", "BIGINT[]", "BOOLEAN[]", "DOUBLE[]", "MAP(VARCHAR, VARCHAR)", "UNION(a INTEGER)")
    assert [made.comparable("c", kind, "s") for kind in asked] == ['(s) COLLATE "C"'] * 4 + [None] * 3
    texts = ("VARCHAR", "JSON", "UUID", "VARCHAR[]", "INTEGER[3]", "STRUCT(a INTEGER)", "MAP(VARCHAR, VARCHAR)")
    assert {made.held("c", kind) for kind in texts} == {'CAST(c AS text) COLLATE "C"'}
    assert made.comparable("c", "VARCHAR[][]", "s") is None
    assert made.other("a", "b") == "a IS DISTINCT FROM b"

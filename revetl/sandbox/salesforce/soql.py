"""The part of SOQL that connectors ask with: SELECT, FROM, WHERE with = and IN, ORDER BY, LIMIT."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from revetl.sandbox.core import Sandbox
from revetl.sandbox.salesforce.errors import invalid_field, refuse
from revetl.sandbox.salesforce.records import Record, Table
from revetl.sandbox.wire import Answer, RefusedError, Request, answer
from revetl.types import JSON

TOKEN = re.compile(r"\s*('(?:[^'\\]|\\.)*'|[A-Za-z_][\w.]*|\d+|[(),=])")
ESCAPE = re.compile(r"\\(.)")
ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
LONGEST_URL = 16_384  # bytes, headers included

Test = Callable[[Record], bool]


class Parser:
    """Reads one query, token by token."""

    def __init__(self, text: str) -> None:
        """Cut the text into tokens."""
        self.tokens: list[str] = []
        at = 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            if found is None:
                raise malformed(text[at:].strip())
            self.tokens.append(found[1])
            at = found.end()
        self.at = 0

    def word(self, *expected: str) -> bool:
        """Step over these words if they come next."""
        ahead = self.tokens[self.at : self.at + len(expected)]
        if [one.upper() for one in ahead] != list(expected):
            return False
        self.at += len(expected)
        return True

    def need(self, expected: str) -> None:
        """Step over a word that must come."""
        if not self.word(expected):
            raise malformed(" ".join(self.tokens[self.at :]))

    def name(self) -> str:
        """Return a name."""
        if self.at < len(self.tokens) and self.tokens[self.at][0].isalpha():
            self.at += 1
            return self.tokens[self.at - 1]
        raise malformed(" ".join(self.tokens[self.at :]))

    def names(self) -> list[str]:
        """Return names between commas."""
        found = [self.name()]
        while self.word(","):
            found.append(self.name())
        return found

    def text(self) -> str:
        """Return a quoted literal."""
        token = self.tokens[self.at] if self.at < len(self.tokens) else ""
        if not token.startswith("'"):
            raise malformed(token)
        self.at += 1
        return ESCAPE.sub(lambda found: ESCAPED.get(found[1], found[1]), token[1:-1])

    def condition(self) -> tuple[str, list[str]]:
        """Return a field and the values it may have."""
        name = self.name()
        if self.word("="):
            return name, [self.text()]
        self.need("IN")
        self.need("(")
        values = [self.text()]
        while self.word(","):
            values.append(self.text())
        self.need(")")
        return name, values


def malformed(near: str) -> RefusedError:
    """Return the refusal of a query that cannot be read."""
    return refuse(400, "MALFORMED_QUERY", f"unexpected token: '{near[:80]}'")


def run(box: Sandbox, request: Request) -> Answer:
    """GET /query?q=: a page of records, and where the next one is."""
    if len(request.path) + len(request.query) > LONGEST_URL:
        raise refuse(414, "URI_TOO_LONG", "The URI is longer than allowed")
    parser = Parser(request.params.get("q", ""))
    parser.need("SELECT")
    names = parser.names()
    parser.need("FROM")
    table = _table(box, parser.name())
    known(table, names)
    rows = _where(table, parser)
    if parser.word("ORDER", "BY"):
        order = parser.names()
        known(table, order)
        rows.sort(key=lambda row: tuple(str(row.get(name)) for name in order))
    if parser.word("LIMIT"):
        rows = rows[: int(parser.tokens[parser.at])]
        parser.at += 1
    if parser.at < len(parser.tokens):
        raise malformed(" ".join(parser.tokens[parser.at :]))
    return _page(box, [_shown(table.kind, row, names) for row in rows], 0)


def _table(box: Sandbox, kind: str) -> Table:
    if kind not in box.store["fields"]:
        raise refuse(400, "INVALID_TYPE", f"sObject type '{kind}' is not supported.")
    return Table.of(box, kind)


def known(table: Table, names: Iterable[str]) -> None:
    """Refuse names that are no fields of the object, and names that come twice."""
    seen: set[str] = set()
    for name in names:
        if name not in table.fields:
            raise invalid_field(table.kind, name)
        if name in seen:
            raise malformed(f"duplicate field selected: {name}")
        seen.add(name)


def _where(table: Table, parser: Parser) -> list[Record]:
    if not parser.word("WHERE"):
        return list(table.records.values())
    conditions = [parser.condition()]
    joint = "AND" if parser.word("AND") else "OR" if parser.word("OR") else ""
    while joint:
        conditions.append(parser.condition())
        if not parser.word(joint):
            break
    for name, _ in conditions:
        known(table, [name])
        if table.fields[name]["type"] in ("double", "currency", "percent", "int", "boolean", "date", "datetime"):
            told = f"filter criteria must be of type {table.fields[name]['type']} and should not be enclosed in quotes"
            raise refuse(400, "INVALID_FIELD", told)
    tests = [_test(table, name, values) for name, values in conditions]
    every = any if joint == "OR" else all
    first = conditions[0]
    rows = _candidates(table, *first) if joint != "OR" else list(table.records.values())
    return [row for row in rows if every(test(row) for test in tests)]


def _candidates(table: Table, name: str, values: Sequence[str]) -> list[Record]:
    if name not in table.index:
        return list(table.records.values())
    ids = dict.fromkeys(one for value in values for one in table.find(name, value))
    return [table.records[one] for one in ids]


def _test(table: Table, name: str, values: Sequence[str]) -> Test:
    wanted = {table.normal(name, value) for value in values}
    return lambda row: row.get(name) is not None and table.normal(name, row[name]) in wanted


def _shown(kind: str, row: Record, names: Sequence[str]) -> dict[str, JSON]:
    url = f"/services/data/v68.0/sobjects/{kind}/{row['Id']}"
    return {"attributes": {"type": kind, "url": url}, **{name: row.get(name) for name in names}}


def more(box: Sandbox, _request: Request, locator: str) -> Answer:
    """GET /query/{locator}: the next page."""
    cursor, _, at = locator.partition("-")
    rows = box.store["cursors"].get(cursor)
    if rows is None or not at.isdecimal():
        raise refuse(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
    return _page(box, rows, int(at), cursor)


def _page(box: Sandbox, rows: list[JSON], at: int, cursor: str = "") -> Answer:
    size = box.options["page"]
    done = at + size >= len(rows)
    told: dict[str, JSON] = {"totalSize": len(rows), "done": done}
    if not done:
        cursor = cursor or f"01g{box.received:012d}AAA"
        box.store["cursors"][cursor] = rows
        told["nextRecordsUrl"] = f"/services/data/v68.0/query/{cursor}-{at + size}"
    return answer(200, {**told, "records": rows[at : at + size]})

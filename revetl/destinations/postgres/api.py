"""What every exchange with Postgres shares: settings, names, calls, and what a refusal says.

Source of the codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from revetl.contract import BatchRejected, Diagnosis, Fault, Limit, Reply, Settled, Sql, UnreadableReply
from revetl.errors import DestinationError
from revetl.sqltext import quote_identifier, quote_text
from revetl.types import JSON, Change, Effect, Outcome

ROWS = 10_000
BYTES = 16_000_000


class SslMode(StrEnum):
    """How far the connection is secured, in libpq's words."""

    VERIFY_FULL = "verify-full"
    VERIFY_CA = "verify-ca"
    REQUIRE = "require"
    DISABLE = "disable"


class PostgresSettings(BaseModel):
    """A database, and the table that a sync writes to."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: Annotated[str, Field(description="Where the server is.")]
    port: Annotated[int, Field(description="The server's port.")] = 5432
    dbname: Annotated[str, Field(description="The database.")]
    user: Annotated[str, Field(description="The role that writes.")]
    password: Annotated[SecretStr | None, Field(description="The role's password, where it has one.")] = None
    sslmode: Annotated[SslMode, Field(description="How the connection is protected, in libpq's words.")] = (
        SslMode.VERIFY_FULL
    )
    sslrootcert: Annotated[
        str | None,
        Field(description="The file of the authorities that verify-full and verify-ca trust, else the public ones."),
    ] = None
    table: Annotated[
        str, Field(description="name or schema.name; without it, the table of the sync's own name in public.")
    ] = ""
    connections: Annotated[int, Field(ge=1, le=50, description="How many revetl opens at most.")] = 4

    @field_validator("host", "dbname", "user", "table")
    @classmethod
    def _must_be_a_name(cls, name: str) -> str:
        if "\0" in name or name != name.strip() or any(not part for part in name.split(".") if name):
            raise ValueError("a name has neither spaces around it nor empty parts")
        return name


def database(settings: PostgresSettings) -> dict[str, str]:
    """Return the settings as libpq's parameters."""
    told = {"host": settings.host, "port": str(settings.port), "dbname": settings.dbname, "user": settings.user}
    told["sslmode"] = settings.sslmode.value
    if settings.sslmode in (SslMode.VERIFY_FULL, SslMode.VERIFY_CA):
        told["sslrootcert"] = settings.sslrootcert or "system"
    return told if settings.password is None else told | {"password": settings.password.get_secret_value()}


def account_key(settings: PostgresSettings) -> str:
    """Return a name of the database that shows no secret."""
    return f"{settings.host}:{settings.port}/{settings.dbname}"


def limits(settings: PostgresSettings) -> tuple[Limit, ...]:
    """Return the connections that may be open at once."""
    return (Limit("connections", settings.connections, kind="concurrency"),)


@dataclass(frozen=True, slots=True)
class Table:
    """A sync's table; as a text it is its name in SQL."""

    schema: str
    name: str

    def __str__(self) -> str:
        """Return the name, quoted."""
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.name)}"

    @property
    def members(self) -> Table:
        """Return the table that holds its cohorts."""
        return Table(self.schema, f"{self.name}_cohorts")


def table(settings: PostgresSettings, sync: str) -> Table:
    """Return the table of a sync."""
    schema, _, name = (settings.table or sync.rpartition(".")[2]).rpartition(".")
    return Table(schema or "public", name)


def given(at: Table, record: str = "o.f") -> str:
    """Return a SELECT of what ``$1`` holds: number ``n``, object ``f``, and ``x``, which has the types of the table."""
    return (
        f"SELECT o.n, o.f, jsonb_populate_record(NULL::{at}, {record}) AS x "
        "FROM jsonb_array_elements($1::text::jsonb) WITH ORDINALITY AS o(f, n)"
    )


def found(source: str, match: str, *, record: str = "s.f", **more: str) -> str:
    """Return a SELECT of the one text that a statement answers: an object for each row of ``source`` (as ``s``)."""
    told = {"match": f"{record}->>{quote_text(match)}", **more}
    pairs = ", ".join(f"{quote_text(name)}, {sql}" for name, sql in told.items())
    return f"SELECT coalesce(json_agg(json_build_object({pairs}) ORDER BY s.n), '[]')::text FROM {source}"


def call(verb: str, at: Table, text: str, argument: JSON = None, *, effect: Effect = Effect.REPEATABLE) -> Sql:
    """Return a statement; ``argument`` is its ``$1``."""
    told = None if argument is None else orjson.dumps(argument)
    return Sql(text, told, name=f"{verb} {at.schema}.{at.name}", effect=effect)


def people(match_field: str, identities: Iterable[str]) -> list[dict[str, str]]:
    """Return identities as ``$1`` of a statement holds them."""
    return [{match_field: one} for one in identities]


_WORDS = {
    "22001": "a text is too long for its column",
    "22003": "a number is out of its column's range",
    "22P05": "a text holds a character that Postgres cannot keep",
    "22": "a value is none of its column's type",
    "23502": "a column may not be null",
    "23503": "a foreign key forbids it",
    "23505": "another row has a value that must be unique",
    "23514": "a check constraint forbids it",
    "23": "a constraint forbids it",
    "40": "another transaction was in the way",
    "42P01": "there is no such table",
    "42703": "there is no such column",
    "42P10": "the match column has no unique constraint of its own",
    "42830": "the match column has no unique constraint of its own",
    "42501": "this user may not do that: GRANT SELECT, INSERT, UPDATE, DELETE on the table",
    "42": "the statement does not fit the table",
    "53": "the server has no room",
    "55P03": "a lock was not to be had",
    "57014": "the statement took too long",
}


def refusal(reply: Reply) -> tuple[str, str]:
    """Return code and sentence of a refusal: the server's own words may repeat values, so they are never here."""
    said = reply.problem()
    code = str(said.get("sqlstate") or reply.status)
    what = _WORDS.get(code) or _WORDS.get(code[:2]) or f"the database refuses it ({code})"
    where = [f"{kind} {said[kind]}" for kind in ("column", "constraint") if said.get(kind)]
    return code, f"{what} ({', '.join(where)})" if where else what


def diagnose(reply: Reply) -> Diagnosis | None:
    """Return that a server which is busy with another transaction undid this one; the rest is read off the status."""
    if reply.status == 423:
        code, reason = refusal(reply)
        return Diagnosis(Fault.THROTTLED, reason, code, after=1.0)
    return None


def refuse_all(reply: Reply, changes: Sequence[Change]) -> BatchRejected | list[Outcome]:
    """Return what a refused statement makes of its changes: nothing of it was applied."""
    code, reason = refusal(reply)
    if reply.status in (400, 409, 413, 422):
        return BatchRejected(code, reason)
    return [Outcome.waiting(change, code=code, reason=reason) for change in changes]


def answered(reply: Reply) -> list[dict[str, JSON]]:
    """Return the rows of a good reply.

    Raises:
        UnreadableReply: there are none.
    """
    said = reply.json()
    rows = said.get("rows") if isinstance(said, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnreadableReply(reply.status, "it has no rows")
    return rows


def by_match(reply: Reply) -> dict[str, dict[str, JSON]]:
    """Return match value, as it was given → row."""
    return {str(row["match"]): row for row in answered(reply) if "match" in row}


def expect(reply: Reply, what: str) -> list[dict[str, JSON]]:
    """Return the rows of a reply.

    Raises:
        DestinationError: RVT-651, it is a refusal.
    """
    if not reply.ok:
        code, reason = refusal(reply)
        raise DestinationError("RVT-651", f"Postgres refuses {what}: {code}, {reason}", hint="revetl debug")
    return answered(reply)


def unnamed(change: Change) -> Outcome:
    """Return the outcome of a change that the answer leaves out."""
    return Outcome.unknown(change, code="UNNAMED", reason="the answer does not name the row")


def settle(outcomes: Iterable[Outcome]) -> Generator[Settled, None, None]:
    """Acknowledge outcomes, if there are any."""
    done = tuple(outcomes)
    if done:
        yield Settled(done)

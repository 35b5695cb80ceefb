"""Tables of a Postgres database (https://www.postgresql.org/docs/current/).

Nuances: a row's values travel as one JSON parameter and take the types of their columns there, so that a batch is one
statement whatever its width; a number that a column would round is found by comparing what it became; one bad value
undoes the whole statement, which names its kind and not its row; a cohort is rows of a table that refers to the first.
"""

from __future__ import annotations

from revetl.contract import Action, CohortStyle, Destination, Erase, Object, ReadBack, WireFormat
from revetl.destinations.postgres import api, identity, members, read, rows
from revetl.types import OnLeave, Op

POSTGRES = Destination(
    name="postgres",
    title="Postgres",
    settings=api.PostgresSettings,
    database=api.database,
    objects={
        # "*": any column with a unique constraint of its own.
        "row": Object(
            match=("id", "*"),
            normalise="exact",
            cohorts={"row": CohortStyle("row", "a row of the table `<table>_cohorts`, which refers to the record's")},
            on_leave=frozenset({OnLeave.KEEP, OnLeave.CLEAR, OnLeave.DELETE}),
            if_empty=True,
        )
    },
    actions={
        Op.IDENTITY: Action(identity.rename, max_records=api.ROWS, max_bytes=api.BYTES),
        Op.UPSERT: Action(rows.upsert, max_records=api.ROWS, max_bytes=api.BYTES),
        Op.JOIN: Action(members.join, max_records=api.ROWS, max_bytes=api.BYTES),
        Op.PART: Action(members.part, max_records=api.ROWS, max_bytes=api.BYTES),
        Op.LEAVE: Action(rows.leave, max_records=api.ROWS, max_bytes=api.BYTES),
    },
    limits=api.limits,
    # a text becomes a number there with every digit
    wire=WireFormat(number="text", timestamp="%Y-%m-%dT%H:%M:%S.%fZ"),
    account=read.account,
    account_key=api.account_key,
    discover=read.discover,
    create_field=read.create_field,
    prepare=members.prepare,
    read_back=ReadBack(read.read_back, max_records=api.ROWS),
    erase=Erase(
        rows.erase,
        max_records=api.ROWS,
        what="The row is deleted with its memberships; what other tables, triggers and backups took of it stays.",
    ),
    diagnose=api.diagnose,
    docs="https://www.postgresql.org/docs/current/sql-insert.html",
)

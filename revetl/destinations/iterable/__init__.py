"""Iterable users (https://api.iterable.com/api/docs).

Nuances: the project decides whether an address or a userId identifies a person, so there are two objects; one value of
a wrong type refuses its whole batch of 1,000; a bulk call says neither who was created nor refuses to create, so users
are looked for first where that matters; writes are accepted at once and show within a minute; ``null`` clears; a field
cannot be made but by sending a value, which fixes its type for ever.
"""

from __future__ import annotations

from revetl.contract import Action, Auth, CohortStyle, Destination, Object, ReadBack, WireFormat
from revetl.destinations.iterable import consent, endings, erasing, identity, lists, read, users
from revetl.destinations.iterable.api import BATCH, IterableSettings, authorise, base_url, diagnose, limits
from revetl.types import OnLeave, Op, Proof

_BYTES = 3_900_000  # "Max size of request body: 4MB", less what frames the rows
_LIST = {"list": CohortStyle("list", "a static list")}
_CONSENT = {consent.WAY: CohortStyle(consent.WAY, "out of every marketing channel of e-mail")}
_ON_LEAVE = frozenset({OnLeave.KEEP, OnLeave.CLEAR, OnLeave.DELETE})

ITERABLE = Destination(
    name="iterable",
    title="Iterable",
    settings=IterableSettings,
    base_url=base_url,
    hosts=("api.iterable.com", "api.eu.iterable.com"),
    auth=Auth(authorise),
    objects={
        "user": Object(match=("email",), cohorts=_LIST, consent=_CONSENT, on_leave=_ON_LEAVE, if_empty=True),
        "user_by_id": Object(
            match=("userId",), normalise="exact", cohorts=_LIST, consent=_CONSENT, on_leave=_ON_LEAVE, if_empty=True
        ),
    },
    actions={
        Op.IDENTITY: Action(identity.rename, max_records=100, proof=Proof.ACCEPTED, calls=lambda rows: 3 * rows),
        Op.UPSERT: Action(users.upsert, max_records=BATCH, proof=Proof.ACCOUNT, max_bytes=_BYTES),
        Op.JOIN: Action(consent.join, max_records=BATCH, proof=Proof.ACCOUNT),
        Op.PART: Action(lists.part, max_records=BATCH, proof=Proof.ACCOUNT),
        Op.LEAVE: Action(
            endings.leave, max_records=BATCH, proof=Proof.ACCEPTED, max_bytes=_BYTES, calls=lambda rows: rows + 1
        ),
    },
    limits=limits,
    # "yyyy-MM-dd HH:mm:ss ZZ", by support.iterable.com; a day is its midnight, for there is no type without a time
    wire=WireFormat(date="%Y-%m-%d 00:00:00 +00:00", timestamp="%Y-%m-%d %H:%M:%S +00:00"),
    account_key=lambda settings: f"{settings.region}:{settings.project or 'iterable'}",
    discover=read.discover,
    prepare=lists.prepare,
    read_back=ReadBack(read.read_back, max_records=10_000),
    erase=erasing.ERASE,
    diagnose=diagnose,
    opted_out=frozenset({"forgotten"}),
    same=read.same,
    rehearsal={"api_key": "sandbox", "create_fields": True},
    docs="https://api.iterable.com/api/docs",
)

"""Braze users by external id (https://www.braze.com/docs/api/home/).

Nuances: one call takes 75 users, is queued, and names by index whom it refuses; a user who is not there is made, or
silently left out where the call says so, hence users are looked for first where it matters; an attribute comes into
being with its first value, which fixes its type; a renamed external id stays good until it is removed; ``null`` clears,
but inside an object it voids the whole object.
"""

from __future__ import annotations

from revetl.contract import Action, Auth, CohortStyle, Destination, Erase, Object, ReadBack, WireFormat
from revetl.destinations.braze import api, cohorts, endings, identity, read, users
from revetl.types import OnLeave, Op, Proof


def _fits(settings: api.BrazeSettings) -> int:
    return settings.max_records


BRAZE = Destination(
    name="braze",
    title="Braze",
    settings=api.BrazeSettings,
    base_url=lambda settings: f"https://{settings.endpoint}",
    hosts=("*.braze.com", "*.braze.eu"),
    auth=Auth(api.authorise),
    objects={
        "user": Object(
            match=("external_id",),
            normalise="exact",
            cohorts={
                "attribute": CohortStyle("attribute", "a custom attribute that is true for members", max_label=255)
            },
            consent={"unsubscribe": CohortStyle("unsubscribe", "email_subscribe becomes unsubscribed; never back")},
            on_leave=frozenset({OnLeave.KEEP, OnLeave.CLEAR, OnLeave.DELETE}),
        )
    },
    actions={
        Op.IDENTITY: Action(identity.rename, max_records=api.LOOK, proof=Proof.ACCEPTED, calls=lambda _: 4),
        Op.UPSERT: Action(users.upsert, max_records=api.MOST, proof=Proof.ACCOUNT, max_bytes=api.BYTES, fits=_fits),
        Op.JOIN: Action(cohorts.join, max_records=api.MOST, proof=Proof.ACCOUNT, fits=_fits),
        Op.PART: Action(cohorts.part, max_records=api.MOST, proof=Proof.ACCOUNT, fits=_fits),
        Op.LEAVE: Action(endings.leave, max_records=api.LOOK, proof=Proof.ACCEPTED, max_bytes=api.BYTES, fits=_fits),
    },
    limits=api.limits,
    # Dates "in the ISO 8601 format"; texts beyond 255 characters would be cut.
    wire=WireFormat(max_text=255),
    account_key=lambda settings: f"{settings.endpoint}:{settings.workspace}",
    discover=read.discover,
    prepare=cohorts.prepare,
    read_back=ReadBack(read.read_back, max_records=5_000),
    erase=Erase(
        endings.erase,
        max_records=api.LOOK,
        what="Braze deletes the profile for good; counts of events that are not about a person stay.",
    ),
    diagnose=api.diagnose,
    same=read.same,
    rehearsal={"api_key": "sandbox", "endpoint": "rest.iad-01.braze.com", "create_fields": True},
    docs="https://www.braze.com/docs/api/home/",
)

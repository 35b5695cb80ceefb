"""Customer.io people by id (https://docs.customer.io/integrations/api/).

Nuances: two APIs with a key each, Track to write and App to read; a batch is bounded by bytes, names whom it refuses by
index, and says nothing else; a write makes whoever is not there, so people are looked for first where that matters;
an empty text clears; attributes are read back as texts; people of a manual segment are named by id.
"""

from __future__ import annotations

from revetl.contract import Action, Auth, CohortStyle, Destination, Erase, Object, ReadBack, WireFormat
from revetl.destinations.customerio import api, endings, identity, people, read, segments
from revetl.types import OnLeave, Op, Proof

CUSTOMERIO = Destination(
    name="customerio",
    title="Customer.io",
    settings=api.CustomerioSettings,
    base_url=api.track_host,
    hosts=("track.customer.io", "track-eu.customer.io", "api.customer.io", "api-eu.customer.io"),
    auth=Auth(api.authorise),
    objects={
        "person": Object(
            match=("id",),
            normalise="exact",
            cohorts={"segment": CohortStyle("segment", "a manual segment")},
            consent={"unsubscribe": CohortStyle("unsubscribe", "the attribute unsubscribed becomes true; never false")},
            on_leave=frozenset({OnLeave.KEEP, OnLeave.CLEAR, OnLeave.DELETE}),
        )
    },
    actions={
        Op.IDENTITY: Action(identity.rename, max_records=api.LOOK, proof=Proof.ACCEPTED, calls=lambda _: 4),
        Op.UPSERT: Action(people.upsert, max_records=api.ROWS, proof=Proof.ACCEPTED, max_bytes=api.BYTES, overhead=200),
        Op.JOIN: Action(segments.join, max_records=1_000, proof=Proof.ACCEPTED),
        Op.PART: Action(segments.part, max_records=1_000, proof=Proof.ACCEPTED),
        Op.LEAVE: Action(
            endings.leave,
            max_records=api.ROWS,
            proof=Proof.ACCEPTED,
            max_bytes=api.BYTES,
            overhead=200,
            calls=lambda rows: 1 + -(-rows // api.LOOK),
        ),
    },
    limits=api.limits,
    # Segments and campaigns compare times as seconds since 1970; a day is its midnight.
    wire=WireFormat(null="", date="epoch_s", timestamp="epoch_s", max_text=1_000),
    account=read.account,
    account_key=api.account_key,
    discover=read.discover,
    prepare=segments.prepare,
    read_back=ReadBack(read.read_back, max_records=5_000),
    erase=Erase(
        endings.erase,
        max_records=api.LOOK,
        what="Customer.io deletes the person; deliveries that were sent stay in its reports without the person.",
    ),
    diagnose=api.diagnose,
    same=read.same,
    rehearsal={"site_id": "sandbox", "track_key": "sandbox", "app_key": "sandbox"},
    docs="https://docs.customer.io/integrations/api/track/",
)

"""HubSpot contacts and companies (https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/guide).

Nuances: every property value is text; ``""`` clears; an upsert by e-mail must carry the full record, so records whose
id is known are updated by id; one bad value refuses its whole batch of 100; results come in another order than the
inputs and are found again by ``objectWriteTraceId``; lists take record ids, not addresses.
"""

from __future__ import annotations

from revetl.contract import Action, Auth, CohortStyle, Destination, LinkStyle, Object, ReadBack, WireFormat
from revetl.destinations.hubspot import consent, endings, erasing, fields, identity, links, lists, read
from revetl.destinations.hubspot.api import HubSpotSettings, authorise, diagnose, limits
from revetl.types import OnLeave, Op, Proof

_ROWS = 100  # "up to 100 records" per batch call, by the guide named above
_LIST = {"list": CohortStyle("list", "a MANUAL list")}

HUBSPOT = Destination(
    name="hubspot",
    title="HubSpot",
    settings=HubSpotSettings,
    base_url=lambda _: "https://api.hubapi.com",
    hosts=("api.hubapi.com",),
    auth=Auth(authorise),
    objects={
        # "*": any property that discovery shows as unique (hasUniqueValue).
        "contacts": Object(
            match=("email", "*"),
            partial=False,
            cohorts=_LIST,
            on_leave=frozenset(OnLeave),
            if_empty=True,
            consent={consent.WAY: CohortStyle(consent.WAY, "opted out of all marketing e-mail, by address")},
            links={links.PRIMARY: LinkStyle("companies", "the contact's primary company")},
        ),
        "companies": Object(
            match=("*",),
            normalise="exact",
            partial=False,
            cohorts=_LIST,
            if_empty=True,
            on_leave=frozenset({OnLeave.KEEP, OnLeave.CLEAR, OnLeave.ARCHIVE}),  # gdpr-delete knows contacts alone
        ),
    },
    actions={
        # One read of the old and the new identities together must stay within one batch.
        Op.IDENTITY: Action(identity.rename, max_records=_ROWS // 2, proof=Proof.ACCEPTED, calls=lambda _: 2),
        Op.UPSERT: Action(consent.upsert, max_records=_ROWS),
        Op.JOIN: Action(consent.join, max_records=5_000, proof=Proof.ACCOUNT),
        Op.PART: Action(lists.part, max_records=5_000, proof=Proof.ACCOUNT),
        Op.LEAVE: Action(endings.leave, max_records=_ROWS, proof=Proof.ACCEPTED),
    },
    limits=limits,
    wire=WireFormat(null="", boolean="text", number="text", list=";", json="text"),
    account=read.account,
    account_key=lambda settings: settings.portal or "hubspot",
    discover=read.discover,
    create_field=fields.create_field,
    prepare=lists.prepare,
    read_back=ReadBack(read.read_back, max_records=10_000),
    erase=erasing.ERASE,
    diagnose=diagnose,
    request_id="x-hubspot-correlation-id",
    rehearsal={"access_token": "sandbox"},
    docs="https://developers.hubspot.com/docs/api-reference/overview",
)

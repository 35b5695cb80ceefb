"""Salesforce contacts, leads and accounts (https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest).

Nuances: identities are text fields marked External ID (an e-mail address is none); rows fail one by one inside a 200,
by position; ``null`` clears; a record whose id is known is updated by id, so that nobody is doubled whose external id
was changed there; SOQL reads go by URL and are cut to fit it; deleted records stay in the recycle bin for 15 days.
Not served: Bulk API 2.0, external ids that are numbers, JWT bearer (it needs a signature; no dependency makes one).
"""

from __future__ import annotations

from revetl.contract import Action, Auth, CohortStyle, Destination, Object, ReadBack, WireFormat
from revetl.destinations.salesforce import api, auth, cohorts, endings, identity, read, records
from revetl.destinations.salesforce.auth import SalesforceSettings
from revetl.types import OnLeave, Op

_FIELD = CohortStyle("field", "a checkbox field of that API name or label, made in Setup before")
_CAMPAIGN = CohortStyle("campaign", "a campaign: members are its campaign members", max_label=80)
_PEOPLE = {"campaign": _CAMPAIGN, "field": _FIELD}
_ROOM = {"max_records": api.BATCH, "overhead": 160}  # attributes, id and the names around them

SALESFORCE = Destination(
    name="salesforce",
    title="Salesforce",
    settings=SalesforceSettings,
    base_url=auth.base_url,
    hosts=("*.salesforce.com",),
    auth=Auth(auth.authorise, auth.token),
    objects={
        # "*": any text field that discovery shows as unique (externalId). Required fields: those no record is made
        # without in a new org.
        "Contact": Object(
            match=("*",),
            normalise="lower",
            partial=False,
            required=("LastName",),
            cohorts=_PEOPLE,
            on_leave=frozenset(OnLeave),
        ),
        "Lead": Object(
            match=("*",),
            normalise="lower",
            partial=False,
            required=("LastName", "Company"),
            cohorts=_PEOPLE,
            on_leave=frozenset(OnLeave),
        ),
        "Account": Object(
            match=("*",),
            normalise="lower",
            partial=False,
            required=("Name",),
            cohorts={"field": _FIELD},
            on_leave=frozenset(OnLeave),
        ),
    },
    actions={
        # One read of the old and the new identities together must stay within one batch.
        Op.IDENTITY: Action(identity.rename, max_records=api.BATCH // 2, overhead=160, calls=lambda _: 2),
        Op.UPSERT: Action(records.upsert, **_ROOM),
        Op.JOIN: Action(cohorts.join, **_ROOM),
        Op.PART: Action(cohorts.part, **_ROOM, calls=lambda _: 2),
        Op.LEAVE: Action(endings.leave, **_ROOM),
    },
    limits=auth.limits,
    wire=WireFormat(list=";", json="text"),
    account=read.account,
    account_key=lambda settings: settings.host,
    discover=read.discover,
    prepare=cohorts.prepare,
    read_back=ReadBack(read.read_back, max_records=2_000),
    diagnose=auth.diagnose,
    same=read.same,
    docs="https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest",
)

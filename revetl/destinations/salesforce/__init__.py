"""Salesforce contacts, leads and accounts (https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest).

Nuances: identities are text fields marked External ID (an e-mail address is none); rows fail one by one inside a 200,
by position; ``null`` clears; a record whose id is known is updated by id, so that nobody is doubled whose external id
was changed there; SOQL reads go by URL and are cut to fit it; deleted records stay in the recycle bin for 15 days.
Not served: Bulk API 2.0, external ids that are numbers, JWT bearer (it needs a signature; no dependency makes one).
"""

from __future__ import annotations

from collections.abc import Mapping

from revetl.contract import Action, Auth, CohortStyle, Destination, Object, ReadBack, WireFormat
from revetl.destinations.salesforce import api, auth, cohorts, endings, erasing, fields, identity, read, records
from revetl.destinations.salesforce.auth import SalesforceSettings
from revetl.types import OnLeave, Op

_FIELD = CohortStyle("field", "a checkbox field of that API name or label", field="boolean")
_CAMPAIGN = CohortStyle("campaign", "a campaign: members are its campaign members", max_label=80)
_PEOPLE = {"campaign": _CAMPAIGN, "field": _FIELD}
_OVERHEAD = 160  # bytes: attributes, id and the names around them


def _thing(styles: Mapping[str, CohortStyle]) -> Object:
    """Return an object that External ID fields identify ("*": by any name; discovery shows them as unique).

    What a record cannot be made without (LastName, Company, Name, and what the org adds) is for discovery to say: an
    update needs none of it.
    """
    match = ("External_Id__c", "*")
    return Object(match, normalise="lower", partial=False, cohorts=styles, on_leave=frozenset(OnLeave))


SALESFORCE = Destination(
    name="salesforce",
    title="Salesforce",
    settings=SalesforceSettings,
    base_url=auth.base_url,
    hosts=("*.salesforce.com",),
    auth=Auth(auth.authorise, auth.token),
    objects={"Contact": _thing(_PEOPLE), "Lead": _thing(_PEOPLE), "Account": _thing({"field": _FIELD})},
    actions={
        # One read of the old and the new identities together must stay within one batch.
        Op.IDENTITY: Action(identity.rename, max_records=api.BATCH // 2, overhead=_OVERHEAD, calls=lambda _: 2),
        Op.UPSERT: Action(records.upsert, max_records=api.BATCH, overhead=_OVERHEAD),
        Op.JOIN: Action(cohorts.join, max_records=api.BATCH, overhead=_OVERHEAD),
        Op.PART: Action(cohorts.part, max_records=api.BATCH, overhead=_OVERHEAD, calls=lambda _: 2),
        Op.LEAVE: Action(endings.leave, max_records=api.BATCH, overhead=_OVERHEAD),
    },
    limits=auth.limits,
    wire=WireFormat(list=";", json="text"),
    account=read.account,
    account_key=lambda settings: settings.host,
    discover=read.discover,
    create_field=fields.create_field,
    prepare=cohorts.prepare,
    read_back=ReadBack(read.read_back, max_records=2_000),
    erase=erasing.ERASE,
    diagnose=auth.diagnose,
    same=read.same,
    rehearsal={"host": "sandbox.my.salesforce.com", "client_id": "sandbox", "client_secret": "sandbox"},
    docs="https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest",
)

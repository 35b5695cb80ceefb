"""Salesforce contacts, leads and accounts (https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest).

Nuances: identities are text fields marked External ID (an e-mail address is none); rows fail one by one inside a 200,
by position; ``null`` clears; a record whose id is known is updated by id, so that nobody is doubled whose external id
was changed there; SOQL reads go by URL and are cut to fit it; deleted records stay in the recycle bin for 15 days.
From 2,000 rows on a job of the Bulk API 2.0 takes them. Not served: external ids that are numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from revetl.contract import Action, Auth, CohortStyle, Destination, LinkStyle, Object, ReadBack, WireFormat
from revetl.destinations.salesforce import (
    api,
    auth,
    cohorts,
    endings,
    erasing,
    fields,
    identity,
    jobs,
    members,
    read,
    records,
)
from revetl.destinations.salesforce.auth import SalesforceSettings
from revetl.types import OnLeave, Op

_FIELD = CohortStyle("field", "a checkbox field of that API name or label", field="boolean")
_CAMPAIGN = CohortStyle(
    "campaign", "a campaign: members are its campaign members", max_label=80, fields=(members.STATUS,)
)
_PEOPLE = {"campaign": _CAMPAIGN, "field": _FIELD}
_UNSUBSCRIBE = CohortStyle(cohorts.UNSUBSCRIBE, "Email Opt Out is checked, and never unchecked")
_ACCOUNT = LinkStyle("Account", "the account of the contact")
_REPORTS_TO = LinkStyle("Contact", "whom the contact reports to")
_PARENT = LinkStyle("Account", "the parent account")
_OVERHEAD = 160  # bytes: attributes, id and the names around them


def _thing(styles: Mapping[str, CohortStyle], **more: Any) -> Object:
    """Return an object that External ID fields identify ("*": by any name; discovery shows them as unique).

    What a record cannot be made without (LastName, Company, Name, and what the org adds) is for discovery to say: an
    update needs none of it.
    """
    match = ("External_Id__c", "*")
    return Object(
        match, normalise="lower", partial=False, cohorts=styles, on_leave=frozenset(OnLeave), if_empty=True, **more
    )


_CONSENT = {_UNSUBSCRIBE.name: _UNSUBSCRIBE}
_OBJECTS = {
    "Contact": _thing(
        _PEOPLE, creation=("LastName",), links={"AccountId": _ACCOUNT, "ReportsToId": _REPORTS_TO}, consent=_CONSENT
    ),
    "Lead": _thing(
        _PEOPLE, creation=("LastName", "Company"), consent=_CONSENT
    ),  # a lead has no account before it is converted
    "Account": _thing({"field": _FIELD}, creation=("Name",), links={"ParentId": _PARENT}),
}
_UPSERT_JOB = Action(
    jobs.upsert,
    max_records=jobs.MOST,
    max_bytes=jobs.MOST_BYTES,
    overhead=_OVERHEAD,
    resume=jobs.resume_upsert,
    calls=jobs.calls,
)
_JOIN_JOB = replace(_UPSERT_JOB, run=jobs.join, resume=jobs.resume_join)

SALESFORCE = Destination(
    name="salesforce",
    title="Salesforce",
    settings=SalesforceSettings,
    base_url=auth.base_url,
    hosts=("*.salesforce.com",),
    auth=Auth(auth.authorise, auth.token),
    objects=_OBJECTS,
    actions={
        # One read of the old and the new identities together must stay within one batch.
        Op.IDENTITY: Action(identity.rename, max_records=api.BATCH // 2, overhead=_OVERHEAD, calls=lambda _: 2),
        Op.UPSERT: Action(
            records.upsert, max_records=api.BATCH, overhead=_OVERHEAD, bulk=_UPSERT_JOB, bulk_from=jobs.FROM
        ),
        Op.JOIN: Action(cohorts.join, max_records=api.BATCH, overhead=_OVERHEAD, bulk=_JOIN_JOB, bulk_from=jobs.FROM),
        Op.PART: Action(cohorts.part, max_records=api.BATCH, overhead=_OVERHEAD, calls=lambda _: 2),
        Op.LEAVE: Action(endings.leave, max_records=api.BATCH, overhead=_OVERHEAD, calls=lambda _: 2),
    },
    limits=auth.limits,
    wire=WireFormat(list=";", json="text"),
    account=read.account,
    account_key=auth.account_key,
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

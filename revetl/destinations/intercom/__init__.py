"""Intercom users, leads and companies, REST API 2.15 (https://developers.intercom.com/docs/references/rest-api).

Nuances: there is no bulk call and no upsert of contacts, but one search finds 15; a 409 names the contact in its words;
leads have no identity of their own, and may share an address; the search index lags; times are epoch seconds; ``null``
clears; a text attribute holds 255 characters; a company's id is fixed for ever.
"""

from __future__ import annotations

from math import ceil

from revetl.contract import Action, Auth, CohortStyle, Destination, Object, ReadBack, WireFormat
from revetl.destinations.intercom import attributes, contacts, endings, erasing, identity, links, read, tags
from revetl.destinations.intercom.api import HOSTS, IntercomSettings, authorise, diagnose, limits
from revetl.destinations.intercom.find import FILTERS
from revetl.types import OnLeave, Op

_ROWS = 150  # ours: ten searches side by side, then a call a record
_TAG = {"tag": CohortStyle("tag", "a tag")}
_CONSENT = {tags.UNSUBSCRIBE: CohortStyle(tags.UNSUBSCRIBE, "unsubscribed from all e-mails")}


def _searched(rows: int) -> int:
    return rows + ceil(rows / FILTERS)


INTERCOM = Destination(
    name="intercom",
    title="Intercom",
    settings=IntercomSettings,
    base_url=lambda settings: f"https://{HOSTS[settings.region]}",
    hosts=tuple(HOSTS.values()),
    auth=Auth(authorise),
    objects={
        "user": Object(
            match=("external_id", "email"),
            normalise="exact",
            normalise_of={"email": "email"},
            cohorts=_TAG,
            on_leave=frozenset(OnLeave),
            links=links.LINKS,
            consent=_CONSENT,
        ),
        # Intercom gives each lead an external id of its own and listens to none: an address is all there is.
        "lead": Object(
            match=("email",), cohorts=_TAG, on_leave=frozenset(OnLeave), links=links.LINKS, consent=_CONSENT
        ),
        "company": Object(
            match=("company_id",),
            normalise="exact",
            cohorts=_TAG,
            on_leave=frozenset({OnLeave.KEEP, OnLeave.CLEAR, OnLeave.ARCHIVE}),  # a deleted company is archived there
        ),
    },
    actions={
        Op.IDENTITY: Action(identity.rename, max_records=_ROWS, calls=_searched),
        Op.UPSERT: Action(contacts.upsert, max_records=_ROWS, calls=_searched),
        Op.JOIN: Action(tags.join, max_records=_ROWS, calls=lambda rows: rows),
        Op.PART: Action(tags.part, max_records=_ROWS, calls=lambda rows: rows),
        Op.LEAVE: Action(endings.leave, max_records=_ROWS, calls=lambda rows: rows),
    },
    limits=limits,
    wire=WireFormat(date="epoch_s", timestamp="epoch_s", list="refuse", json="text"),
    account=read.account,
    account_key=lambda settings: settings.workspace or "intercom",
    discover=attributes.discover,
    create_field=attributes.create_field,
    prepare=tags.prepare,
    read_back=ReadBack(read.read_back, max_records=2_000),
    erase=erasing.ERASE,
    diagnose=diagnose,
    same=read.same,
    request_id="x-request-id",
    rehearsal={"access_token": "sandbox"},
    docs="https://developers.intercom.com/docs/references/rest-api/api.intercom.io",
)

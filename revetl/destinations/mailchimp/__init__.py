"""Mailchimp audiences, Marketing API 3.0 (https://mailchimp.com/developer/marketing/api/).

Nuances: the consent status of a person who is there is never sent; ``""`` clears a merge field; there is neither a
boolean nor a datetime type; a tag is a static segment; at most 10 calls may run at once, over all apps of a user.
"""

from __future__ import annotations

from revetl.contract import Action, Auth, CohortStyle, Destination, Limit, Object, ReadBack, WireFormat
from revetl.destinations.mailchimp import cohorts, consent, erasing, fields, members, read
from revetl.destinations.mailchimp.api import MailchimpSettings, NewStatus, authorise, diagnose
from revetl.types import OnLeave, Op, Proof

# At most 500 members a call: `POST /lists/{list_id}` and `POST /lists/{list_id}/segments/{segment_id}` of the API
# reference. The byte cap is ours: a call must end within 120 s.
_ROWS = 500
_BYTES = 4_000_000

MAILCHIMP = Destination(
    name="mailchimp",
    title="Mailchimp",
    settings=MailchimpSettings,
    base_url=lambda settings: f"https://{settings.data_center}.api.mailchimp.com/3.0",
    hosts=("*.api.mailchimp.com",),
    auth=Auth(authorise),
    objects={
        "member": Object(
            match=("email_address",),
            cohorts={"tag": CohortStyle("tag", "a tag on the member, which is also a static segment", max_label=100)},
            on_leave=frozenset(OnLeave),
            if_empty=True,
            consent={consent.WAY: CohortStyle(consent.WAY, "the member's status: unsubscribed")},
            new_as=tuple(status.value for status in NewStatus if status is not NewStatus.UNSUBSCRIBED),
        )
    },
    actions={
        Op.IDENTITY: Action(members.rename, max_records=100, calls=lambda rows: rows),
        Op.UPSERT: Action(members.upsert, max_records=_ROWS, max_bytes=_BYTES),
        Op.JOIN: Action(consent.join, max_records=_ROWS),
        Op.PART: Action(cohorts.part, max_records=_ROWS, proof=Proof.ACCOUNT),
        Op.LEAVE: Action(members.leave, max_records=_ROWS, max_bytes=_BYTES, calls=lambda rows: rows),
    },
    # "10 simultaneous connections" per user: https://mailchimp.com/developer/marketing/docs/fundamentals/#throttling
    limits=lambda _: (Limit("connections", 10, kind="concurrency"),),
    wire=WireFormat(null="", boolean="text", list="refuse"),
    account=read.account,
    account_key=lambda settings: settings.data_center,
    discover=read.discover,
    create_field=fields.create_field,
    prepare=cohorts.prepare,
    read_back=ReadBack(read.read_back, max_records=20_000),
    erase=erasing.ERASE,
    diagnose=diagnose,
    opted_out=frozenset(members.SAID_NO.values()),
    request_id="x-request-id",
    rehearsal={"api_key": "sandbox-us1", "list_id": "sandbox"},
    docs="https://mailchimp.com/developer/marketing/api/",
)

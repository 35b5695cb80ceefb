"""Pipedrive persons and organizations (https://developers.pipedrive.com/docs/api/v1, API v2).

Nuances: there is neither an upsert nor a bulk call, so an unknown record is searched for (20 tokens of the day's
budget) and then written (5), a known one only written; search lags behind writes; any number of records may share an
address, of which the oldest is taken; custom fields go by the name that people see; option fields take the options'
labels; labels are written as a whole; deletion can be undone for 30 days. No field is a boolean or an instant.
"""

from __future__ import annotations

from revetl.contract import Action, Auth, CohortStyle, Destination, Erase, LinkStyle, Object, ReadBack, WireFormat
from revetl.destinations.pipedrive import api, cohorts, endings, fields, identity, preparing, read, records
from revetl.destinations.pipedrive.api import PipedriveSettings
from revetl.types import OnLeave, Op

_ROWS = 10  # of a batch: what is lost with it is looked for again, at 20 tokens each
_STYLES = {
    "label": CohortStyle("label", "a label of that name", max_label=255),
    "field": CohortStyle("field", "a single-option field of that name, Yes for members and empty for all others"),
}
_LEAVING = frozenset({OnLeave.KEEP, OnLeave.CLEAR, OnLeave.DELETE})

PIPEDRIVE = Destination(
    name="pipedrive",
    title="Pipedrive",
    settings=PipedriveSettings,
    base_url=lambda settings: f"https://{settings.company}.pipedrive.com/api",
    hosts=("*.pipedrive.com",),
    auth=Auth(api.authorise, api.token),
    objects={
        # "*": any text or number field that search looks into; nothing there is unique by itself.
        "persons": Object(
            ("email", "*"),
            partial=False,
            cohorts=_STYLES,
            on_leave=_LEAVING,
            links={fields.LINK: LinkStyle("organizations", "the organization that the person belongs to")},
            consent={"unsubscribe": CohortStyle("unsubscribe", "marketing status unsubscribed, for good (Campaigns)")},
        ),
        "organizations": Object(("name", "*"), partial=False, cohorts=_STYLES, on_leave=_LEAVING),
    },
    actions={
        Op.IDENTITY: Action(identity.rename, max_records=_ROWS, calls=lambda n: 2 * n + 1),
        Op.UPSERT: Action(records.upsert, max_records=_ROWS, overhead=400, calls=lambda n: 2 * n),
        Op.JOIN: Action(cohorts.join, max_records=50, calls=lambda n: n + 1),
        Op.PART: Action(cohorts.part, max_records=50, calls=lambda n: n + 1),
        Op.LEAVE: Action(endings.leave, max_records=50, calls=lambda n: n),
    },
    limits=api.limits,
    wire=WireFormat(),
    account=read.account,
    account_key=lambda settings: settings.company,
    discover=fields.discover,
    prepare=preparing.prepare,
    create_field=fields.create,
    read_back=ReadBack(read.read_back, max_records=10_000),
    erase=Erase(
        endings.erase,
        max_records=100,
        what="Every record under that identity is deleted: it can be restored for 30 days, then it is gone for good.",
    ),
    rehearsal={"company": "sandbox", "api_token": "sandbox"},
    diagnose=api.diagnose,
    request_id="x-correlation-id",
    same=read.same,
    docs="https://developers.pipedrive.com/docs/api/v1",
)

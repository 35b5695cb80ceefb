"""Marketo Engage people (https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/rest-api).

Nuances: the HTTP status is 200 whatever happened, the code in the body tells; rows fail one by one, by position;
``null`` clears; lists take ids of people, not addresses; several people may share one address; the day's quota is the
instance's and begins anew at midnight in the central United States. Not served: companies (where a CRM is connected
Marketo lets nobody write them, and Sync Leads never does), custom objects, opportunities, the paid Data Ingestion API.
"""

from __future__ import annotations

from revetl.contract import Action, Auth, CohortStyle, Destination, Erase, Object, ReadBack, WireFormat
from revetl.destinations.marketo import api, auth, bulk, consent, endings, fields, identity, leads, lists, read
from revetl.destinations.marketo.auth import MarketoSettings
from revetl.types import OnLeave, Op, Proof

_FILE_BYTES = 9_000_000  # bodies of the rows, which are longer than their cells; a file may have less than 10 MB
_IMPORT = Action(
    bulk.load,
    max_records=20_000,
    proof=Proof.ACCOUNT,
    max_bytes=_FILE_BYTES,
    overhead=leads.OVERHEAD,
    resume=bulk.resume,
    calls=lambda _: 4,
)

MARKETO = Destination(
    name="marketo",
    title="Marketo Engage",
    settings=MarketoSettings,
    base_url=auth.base_url,
    hosts=("*.mktorest.com",),
    auth=Auth(auth.authorise, auth.token),
    objects={
        # "*": any field that Marketo can look people up by.
        "lead": Object(
            match=("email", "*"),
            cohorts={"list": CohortStyle("list", "a static list")},
            on_leave=frozenset({OnLeave.KEEP, OnLeave.CLEAR, OnLeave.DELETE}),
            consent={consent.UNSUBSCRIBE: CohortStyle(consent.UNSUBSCRIBE, "Marketo's own Unsubscribed is set")},
        )
    },
    actions={
        # One read of the old and the new identities together must stay within one call.
        Op.IDENTITY: Action(identity.rename, max_records=api.BATCH // 2, max_bytes=bulk.CALL_BYTES, calls=lambda _: 2),
        Op.UPSERT: Action(
            leads.upsert,
            max_records=api.BATCH,
            max_bytes=bulk.CALL_BYTES,
            overhead=leads.OVERHEAD,
            bulk=_IMPORT,
            bulk_from=10_000,
        ),
        Op.JOIN: Action(lists.join, max_records=api.BATCH),
        Op.PART: Action(lists.part, max_records=api.BATCH),
        Op.LEAVE: Action(endings.leave, max_records=api.BATCH, max_bytes=bulk.CALL_BYTES, overhead=leads.OVERHEAD),
    },
    limits=auth.limits,
    wire=WireFormat(list=";", json="text"),
    account=read.account,
    account_key=lambda settings: settings.munchkin_id,
    discover=fields.discover,
    prepare=lists.prepare,
    create_field=fields.create_field,
    read_back=ReadBack(read.read_back, max_records=3_000),
    erase=Erase(endings.erase, api.BATCH, "Deletes the person, and doubles under the same identity, for good."),
    rehearsal={"munchkin_id": "000-AAA-000", "client_id": "sandbox", "client_secret": "sandbox", "folder": 1},
    diagnose=auth.diagnose,
    same=read.same,
    docs="https://experienceleague.adobe.com/en/docs/marketo-developer/marketo/rest/rest-api",
)

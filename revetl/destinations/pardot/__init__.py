"""Pardot, now Account Engagement: prospects by API v5 (https://developer.salesforce.com/docs/marketing/pardot).

Nuances: tokens come from the Salesforce org, calls carry the business unit's id; refusals are told by codes in the
body; an upsert by address does not tell who is new and takes one prospect a call; nothing can be looked up by
address, so that unknown ids are listed, or left to an import to find; reads lag behind writes by up to a minute; a
deleted prospect lies in the recycle bin and comes back with the next upsert. Several prospects may share one address,
if the account allows it: whoever was last active is taken.
"""

from __future__ import annotations

from revetl.contract import Action, Auth, CohortStyle, Destination, Erase, Object, ReadBack, WireFormat
from revetl.destinations.pardot import auth, endings, fields, identity, imports, lists, prospects, read
from revetl.destinations.pardot.auth import PardotSettings
from revetl.types import Mode, OnLeave, Op, Proof

_FILE_BYTES = 9_000_000  # bodies of the rows; a file may have 10 MB
_BULK_FROM = 500


def _import(overhead: int) -> Action:
    """Return the import of many rows."""
    return Action(
        imports.load, 20_000, Proof.ACCOUNT, _FILE_BYTES, overhead, imports.resume, calls=lambda n: 6 + n // 20_000
    )


PARDOT = Destination(
    name="pardot",
    title="Account Engagement (Pardot)",
    settings=PardotSettings,
    base_url=auth.base_url,
    hosts=("pi.pardot.com", "pi.demo.pardot.com", "*.salesforce.com"),
    auth=Auth(auth.authorise, auth.token),
    objects={
        "prospects": Object(
            ("email",),
            partial=False,
            cohorts={"list": CohortStyle("list", "a static list")},
            on_leave=frozenset({OnLeave.KEEP, OnLeave.CLEAR, OnLeave.DELETE}),
            modes=frozenset({Mode.UPSERT, Mode.UPDATE}),  # nobody can be looked for before they are made
            consent={lists.UNSUBSCRIBE: CohortStyle(lists.UNSUBSCRIBE, "Do Not Email is set")},
        )
    },
    actions={
        Op.IDENTITY: Action(identity.rename, 50, Proof.ACCOUNT, calls=lambda n: n + 1),
        Op.UPSERT: Action(
            prospects.upsert, 20, Proof.ACCOUNT, overhead=200, resume=imports.resume, calls=lambda n: n,
            bulk=_import(600), bulk_from=_BULK_FROM,
        ),
        Op.JOIN: Action(
            lists.join, 50, Proof.ACCOUNT, resume=imports.resume, calls=lambda n: n,
            bulk=_import(200), bulk_from=_BULK_FROM,
        ),
        Op.PART: Action(
            lists.part, 50, Proof.ACCOUNT, resume=imports.resume, calls=lambda n: 2 * n,
            bulk=_import(200), bulk_from=_BULK_FROM,
        ),
        Op.LEAVE: Action(endings.leave, 50, Proof.ACCOUNT, resume=imports.resume, calls=lambda n: n + 1),
    },
    limits=auth.limits,
    wire=WireFormat(timestamp="%Y-%m-%dT%H:%M:%S+00:00", list=";", json="text"),
    account=read.account,
    account_key=auth.account_key,
    discover=fields.discover,
    prepare=lists.prepare,
    create_field=fields.create,
    read_back=ReadBack(read.read_back, max_records=10_000),
    erase=Erase(
        endings.erase,
        100,
        "Every prospect of that address goes into the recycle bin, where only a person can end it for good.",
    ),
    rehearsal={
        "host": "sandbox.my.salesforce.com", "client_id": "sandbox", "client_secret": "sandbox",
        "business_unit": "0Uv000000000001AAA",
    },
    diagnose=auth.diagnose,
    same=read.same,
    docs="https://developer.salesforce.com/docs/marketing/pardot",
)  # fmt: skip

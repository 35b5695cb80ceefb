"""Sailthru users (https://getstarted.meetmarigold.com/engagebysailthru/Content/developers/api/user.html).

Nuances: each call is signed over the very text it sends; a call is about one user, and only a job takes many, whose
outcome is known by reading back; a write under an address that nobody has makes a profile, so whoever is to be ended
or parted is written by sid; two profiles are never merged; variables have neither types nor a list of names, but
names of 32 characters at most; ``null`` clears; the error's number counts, its sentence may change.
"""

from __future__ import annotations

from revetl.contract import Action, Auth, CohortStyle, Destination, Erase, Object, ReadBack, WireFormat
from revetl.destinations.sailthru import api, endings, forms, identity, jobs, lists, read, sign, users
from revetl.types import OnLeave, Op, Proof

_COHORTS = {"list": CohortStyle("list", "a natural list")}
_CONSENT = {"unsubscribe": CohortStyle("unsubscribe", "the user is opted out, as far as `opt_out` says; never back in")}
_ON_LEAVE = frozenset({OnLeave.KEEP, OnLeave.CLEAR, OnLeave.DELETE})


def _bulk(form: forms.Form) -> Action:
    return Action(
        jobs.run(form),
        resume=jobs.resume(form),
        max_records=jobs.MOST_ROWS,
        max_bytes=jobs.MOST_BYTES,
        proof=Proof.ACCEPTED,
        calls=lambda rows: 3 + min(rows, jobs.SAMPLE),
    )


def _each(rows: int) -> int:
    return rows


SAILTHRU = Destination(
    name="sailthru",
    title="Sailthru",
    settings=api.SailthruSettings,
    base_url=lambda _: api.HOST,
    hosts=("api.sailthru.com", *jobs.REPORT_HOSTS),
    auth=Auth(sign.authorise),
    objects={
        "user": Object(match=("email",), cohorts=_COHORTS, consent=_CONSENT, on_leave=_ON_LEAVE),
        "user_by_extid": Object(
            match=("extid",), normalise="exact", cohorts=_COHORTS, consent=_CONSENT, on_leave=_ON_LEAVE
        ),
    },
    actions={
        Op.IDENTITY: Action(identity.rename, max_records=api.ROWS, calls=lambda rows: 3 * rows),
        Op.UPSERT: Action(
            users.upsert, max_records=api.ROWS, calls=_each, bulk=_bulk(forms.UPSERT), bulk_from=jobs.WORTH
        ),
        Op.JOIN: Action(lists.join, max_records=api.ROWS, calls=_each, bulk=_bulk(forms.JOIN), bulk_from=jobs.WORTH),
        Op.PART: Action(lists.part, max_records=api.ROWS, calls=_each, bulk=_bulk(forms.PART), bulk_from=jobs.WORTH),
        Op.LEAVE: Action(endings.leave, max_records=api.ROWS, calls=_each),
    },
    limits=api.limits,
    # A variable has no type, and a text without an offset would be read in the account's time zone.
    wire=WireFormat(timestamp="epoch_s"),
    account=read.account,
    account_key=api.account_key,
    discover=read.discover,
    prepare=lists.prepare,
    read_back=ReadBack(read.read_back, max_records=10_000),
    erase=Erase(
        endings.erase,
        max_records=api.ROWS,
        what="Sailthru deletes the profile with its variables, lists and history; a hard bounce stays on record there.",
    ),
    diagnose=api.diagnose,
    late_apply=7_200.0,  # a job may wait for its turn for long
    same=read.same,
    rehearsal={"api_key": "sandbox", "secret": "sandbox"},
    docs="https://getstarted.meetmarigold.com/engagebysailthru/Content/developers/api/user.html",
)

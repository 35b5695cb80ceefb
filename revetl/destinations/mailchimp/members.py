"""People of an audience: create and update them, change their address, end them.

The batch call must say a status for people who are new, and a status said for people who are there changes their
consent or is refused ("Member In Compliance State"). So a batch makes up to three calls, and mostly one:

1. people known to be there: update, without a status;
2. the others, and those of step 1 who turn out to be gone: create only (``update_existing: false``), with the status;
3. those whom step 2 names as ERROR_CONTACT_EXISTS: update, without a status.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from revetl.contract import Exchange, Http, Reply, Settled
from revetl.destinations.mailchimp import api
from revetl.destinations.mailchimp.api import MailchimpSettings, NewStatus
from revetl.types import JSON, Batch, Change, Mode, OnLeave, Outcome

_TOP = ("language", "email_type", "vip")  # everything else of a member is a merge field
_EXISTS = "ERROR_CONTACT_EXISTS"
# What an answer says of people whom only they themselves can bring back → the code of it; theirs is ERROR_GENERIC.
SAID_NO = {"compliance state": "COMPLIANCE_STATE", "permanently deleted": "FORGOTTEN"}


@dataclass(frozen=True, slots=True)
class _Refused:
    code: str
    reason: str
    field: str


@dataclass(frozen=True, slots=True)
class _Sorted:
    """The changes of one batch call, by what its answer says of each; those it does not name are in none."""

    done: list[Outcome]
    refused: list[tuple[Change, _Refused]]

    def rejected(self) -> list[Outcome]:
        return [Outcome.rejected(change, code=why.code, reason=why.reason) for change, why in self.refused]


def upsert(batch: Batch) -> Exchange:
    """Create and update members; see the module's words on how."""
    known = [c for c in batch.changes if c.created is not None or c.remote_id is not None]
    fresh = [c for c in batch.changes if c.created is None and c.remote_id is None]
    done: list[Outcome] = []
    gone: dict[int, _Refused] = {}
    if batch.mode is Mode.UPDATE:
        known, fresh = list(batch.changes), []
    elif batch.mode is Mode.INSERT:
        known, fresh = [], list(batch.changes)
    if known:
        answer = yield from _post(batch, known, create=False)
        if isinstance(answer, Reply):
            return api.refuse_all(answer, batch.changes)
        if batch.mode is Mode.UPSERT:
            gone = {change.seq: why for change, why in answer.refused if why.field in ("", "status")}
        done += answer.done + [o for o in answer.rejected() if o.change.seq not in gone]
    rest = [*fresh, *(c for c in known if c.seq in gone)]
    if not rest:
        return done
    yield from api.settle(done)
    return (yield from _create(batch, rest, gone))


def _create(batch: Batch, rest: Sequence[Change], gone: dict[int, _Refused]) -> Exchange:
    """Do step 2, and step 3 where it is needed."""
    answer = yield from _post(batch, rest, create=True)
    if isinstance(answer, Reply):
        return api.refuse_all(answer, rest)
    exist: list[Change] = []
    done = answer.done
    for change, why in answer.refused:
        if why.code == _EXISTS and batch.mode is Mode.UPSERT and change.seq not in gone:
            exist.append(change)
        else:
            told = gone.get(change.seq, why) if why.code == _EXISTS else why
            done.append(Outcome.rejected(change, code=told.code, reason=told.reason))
    if not exist:
        return done
    yield from api.settle(done)
    answer = yield from _post(batch, exist, create=False)
    if isinstance(answer, Reply):
        return api.refuse_all(answer, exist)
    return [*answer.done, *answer.rejected()]


def _post(batch: Batch, changes: Sequence[Change], *, create: bool) -> Generator[Http, Reply, _Sorted | Reply]:
    """Make one batch call and sort the changes by its answer; return the reply where it refuses the call."""
    settings: MailchimpSettings = batch.settings
    body = {
        "members": [{**_member(c), **_status(batch, c, create=create)} for c in changes],
        "update_existing": not create,
    }
    # A partial update says nothing of the required fields it leaves alone.
    skip = {"skip_merge_validation": "true"} if not create or settings.skip_merge_validation else {}
    reply = yield api.list_call(settings, "POST", "", body, **skip)
    if reply.status != 200:
        return reply
    return _sort(reply, changes)


def _status(batch: Batch, change: Change, *, create: bool) -> dict[str, JSON]:
    """Return the status of somebody who is new there; a no outweighs whatever new people start as."""
    if not create:
        return {}
    if change.consent is False:
        return {"status": NewStatus.UNSUBSCRIBED.value}
    return {"status": batch.new_as or batch.settings.status_if_new.value}


def _member(change: Change) -> dict[str, JSON]:
    member: dict[str, JSON] = {"email_address": change.match}
    merge: dict[str, JSON] = {}
    for name, value in change.fields.items():
        if name == "vip":
            member[name] = value in (True, "true")
        elif name in _TOP:
            member[name] = value
        elif name != "email_address":
            merge[name] = value
    return {**member, "merge_fields": merge} if merge else member


def _sort(reply: Reply, changes: Sequence[Change]) -> _Sorted:
    document = reply.document()
    new = {api.normal(row.get("email_address")): row for row in api.rows(reply, document, "new_members")}
    old = {api.normal(row.get("email_address")): row for row in api.rows(reply, document, "updated_members")}
    bad = {api.normal(row.get("email_address")): row for row in api.rows(reply, document, "errors")}
    found = _Sorted([], [])
    for change in changes:
        address = api.normal(change.match)
        if address in bad:
            found.refused.append((change, _refused(bad[address])))
        elif address in new:
            found.done.append(Outcome.delivered(change, remote_id=api.remote_id(new[address]), created=True))
        elif address in old:
            found.done.append(_updated(change, api.remote_id(old[address])))
    return found


def _updated(change: Change, record: str | None) -> Outcome:
    """Deliver an update; a record that we did not know is somebody else's, and never archived or deleted on leave."""
    stranger = change.created is None or (record and change.remote_id and record != change.remote_id)
    return Outcome.delivered(change, remote_id=record, created=False if stranger else None)


def _refused(row: dict[str, JSON]) -> _Refused:
    reason = " · ".join(str(row[name]) for name in ("error", "field", "field_message") if row.get(name))
    known = (code for said, code in SAID_NO.items() if said in reason.lower())
    code = next(known, str(row.get("error_code") or "ERROR_GENERIC"))
    return _Refused(code, reason, str(row.get("field") or ""))


# --- one call a person ----------------------------------------------------------------------------------------------


def rename(batch: Batch) -> Exchange:
    """Give people their new address, by the hash of the old one; nothing stays behind under the old one."""
    settings: MailchimpSettings = batch.settings
    for group in api.chunks(batch.changes):
        replies: tuple[Reply, ...] = yield tuple(
            api.member_call(settings, "PATCH", c.before_match or c.match, {"email_address": c.match}) for c in group
        )
        pairs = list(zip(group, replies, strict=True))
        taken = [c for c, reply in pairs if _taken(reply) and c.created]
        outcomes = [_renamed(c, reply) for c, reply in pairs if not (_taken(reply) and c.created)]
        if taken:
            # Two records of one person: what revetl made under the old address goes, the other one stays.
            ended = yield tuple(api.member_call(settings, "DELETE", c.before_match or c.match) for c in taken)
            outcomes += [_ended(c, reply, handed_over=True) for c, reply in zip(taken, ended, strict=True)]
        yield Settled(tuple(outcome for outcome in outcomes if outcome is not None))
    return []


def _taken(reply: Reply) -> bool:
    return reply.status == 400 and api.refusal(reply)[0] == "Member Exists"


def _renamed(change: Change, reply: Reply) -> Outcome | None:
    if reply.status == 404:
        return Outcome.delivered(change)  # nobody stands there under the old address
    if _taken(reply):
        reason = f"another person holds the new address, and revetl did not create the old record: {reply.status}"
        return Outcome.rejected(change, code="IDENTITY_TAKEN", reason=reason)
    if reply.ok:
        member = reply.document()
        shown = api.normal(member.get("email_address")) == api.normal(change.match)
        return Outcome.delivered(change, remote_id=api.remote_id(member)) if shown else None
    return _declined(change, reply)


def _ended(change: Change, reply: Reply, *, handed_over: bool = False) -> Outcome | None:
    """Judge an archive or a deletion. 405 says that the person is archived, bounced or pending: there is no more to do.

    Source: https://mailchimp.com/developer/marketing/api/list-members/archive-list-member/
    """
    if reply.status in (204, 404, 405):
        return Outcome.delivered(change, created=False if handed_over else None)
    return None if reply.ok else _declined(change, reply)  # the documented success is 204 and nothing else


def _declined(change: Change, reply: Reply) -> Outcome:
    code, reason = api.refusal(reply)
    if reply.status in (400, 404, 405, 409, 410, 422):
        return Outcome.rejected(change, code=code, reason=reason)
    return Outcome.waiting(change, code=code, reason=reason)


def leave(batch: Batch) -> Exchange:
    """End people: clear the fields that revetl delivered, archive, or delete for good (which bars re-import)."""
    if batch.on_leave is OnLeave.CLEAR:
        return (yield from _clear(batch))
    settings: MailchimpSettings = batch.settings
    for group in api.chunks(batch.changes):
        replies: tuple[Reply, ...] = yield tuple(_end(settings, batch.on_leave, c) for c in group)
        outcomes = [_ended(c, reply) for c, reply in zip(group, replies, strict=True)]
        yield Settled(tuple(outcome for outcome in outcomes if outcome is not None))
    return []


def _end(settings: MailchimpSettings, policy: OnLeave, change: Change) -> Http:
    if policy is OnLeave.DELETE:
        return api.member_call(settings, "POST", change.match, then="/actions/delete-permanent")
    return api.member_call(settings, "DELETE", change.match)


def _clear(batch: Batch) -> Exchange:
    """Clear in one call; whoever it refuses is asked for, since a person who is gone has nothing left to clear."""
    writes = [c for c in batch.changes if c.fields]
    yield from api.settle([Outcome.delivered(c) for c in batch.changes if not c.fields])  # nothing to clear
    if not writes:
        return []
    answer = yield from _post(batch, writes, create=False)
    if isinstance(answer, Reply):
        return api.refuse_all(answer, writes)
    done = answer.done
    for outcome in answer.rejected():
        reply = yield api.member_call(batch.settings, "GET", outcome.change.match)
        done.append(Outcome.delivered(outcome.change) if reply.status == 404 else outcome)
    return done

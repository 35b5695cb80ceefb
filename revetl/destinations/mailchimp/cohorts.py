"""Cohorts as tags. A tag is a static segment, which takes 500 people a call where a tag call takes one."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Context, Exchange, Http, Reply
from revetl.destinations.mailchimp import api
from revetl.destinations.mailchimp.api import MailchimpSettings
from revetl.destinations.mailchimp.read import PAGE, pages
from revetl.errors import DestinationError
from revetl.types import JSON, Batch, Change, Outcome, Proof

# Without these, a segment's list of members hides everybody who is not subscribed.
_EVERYBODY = {"include_cleaned": "true", "include_transactional": "true", "include_unsubscribed": "true"}


def prepare(context: Context) -> Generator[Any, Any, dict[str, JSON]]:
    """Find, rename or create the tag of each cohort; return ``{"cohorts": {model name: segment id}}``.

    Raises:
        DestinationError: RVT-651, Mailchimp refuses a tag.
    """
    if not context.cohorts:
        return {"cohorts": {}}
    known: dict[str, str] = yield from _tags(context.settings)
    by_label = {label.lower(): tag for tag, label in known.items()}
    found: dict[str, str] = {}
    for name, label in context.cohorts:
        tag = context.ids.get(name)
        if tag not in known:
            tag = by_label.get(label.lower())
        if tag is None and not context.create:
            continue
        if tag is None:
            call = api.list_call(context.settings, "POST", "/segments", {"name": label, "static_segment": []})
            tag = str((yield from _segment(call, label))["id"])
        elif known[tag] != label and context.create:
            call = api.list_call(context.settings, "PATCH", f"/segments/{tag}", {"name": label})
            yield from _segment(call, label)
        found[name] = tag
    return {"cohorts": found}


def _tags(settings: MailchimpSettings) -> Generator[Any, Any, dict[str, str]]:
    """Return id → name of every static segment."""
    query = {"type": "static", "count": str(PAGE), "fields": "segments.id,segments.name,total_items"}
    found = yield from pages(
        lambda at: api.list_call(settings, "GET", "/segments", offset=str(at), **query), "segments"
    )
    return {str(row.get("id")): str(row.get("name")) for row in found}


def _segment(call: Http, label: str) -> Generator[Http, Reply, dict[str, JSON]]:
    reply = yield call
    if not reply.ok:
        code, reason = api.refusal(reply)
        what = f"Mailchimp refuses the tag {label!r}: {code}, {reason}"
        raise DestinationError("RVT-651", what, hint="give the cohort another `label`")
    return reply.document()


def join(batch: Batch) -> Exchange:
    """Tag people."""
    return (yield from _write(batch, "members_to_add", "members_added"))


def part(batch: Batch) -> Exchange:
    """Take the tag off people; nobody who is gone, or never wore it, stands in the way."""
    return (yield from _write(batch, "members_to_remove", "members_removed"))


def _write(batch: Batch, send: str, answer: str) -> Exchange:
    if not batch.changes:
        return []
    tag = _tag(batch)
    body = {send: [change.match for change in batch.changes]}
    reply = yield api.list_call(batch.settings, "POST", f"/segments/{tag}", body)
    if reply.status != 200:
        return api.refuse_all(reply, batch.changes)
    document = reply.document()
    named = {api.normal(row.get("email_address")) for row in api.rows(reply, document, answer)}
    refused = {api.normal(a): str(e.get("error")) for e in api.rows(reply, document, "errors") for a in _addresses(e)}
    done = [Outcome.delivered(c) for c in batch.changes if api.normal(c.match) in named]
    open_ = [c for c in batch.changes if api.normal(c.match) not in named]
    if send == "members_to_remove" and document.get("total_removed") == len(named):
        # The removal is complete, and says of nobody else that it failed: they do not wear the tag.
        done += [Outcome.delivered(c, proof=Proof.ACCOUNT) for c in open_ if api.normal(c.match) not in refused]
        open_ = [c for c in open_ if api.normal(c.match) in refused]
    if not open_:
        return done
    wearing = yield from _wearing(batch.settings, tag, open_)
    return done + [_judge(c, wearing, refused, wanted=send == "members_to_add") for c in open_]


def _addresses(error: dict[str, JSON]) -> Sequence[JSON]:
    found = error.get("email_addresses")
    return found if isinstance(found, list) else ()


def _judge(change: Change, wearing: set[str], refused: dict[str, str], *, wanted: bool) -> Outcome:
    """Judge by what stands there: addresses already tagged, and those not in the audience, are passed over alike."""
    address = api.normal(change.match)
    if (address in wearing) is wanted:
        return Outcome.delivered(change)
    code = "TAG_REFUSED" if address in refused else "NOT_IN_AUDIENCE"
    return Outcome.rejected(change, code=code, reason=refused.get(address, "the address is not in the audience"))


def _wearing(settings: MailchimpSettings, tag: str, changes: Sequence[Change]) -> Generator[Any, Any, set[str]]:
    """Return who of ``changes`` wears the tag, one read each."""
    found: set[str] = set()
    for group in api.chunks(changes):
        replies: tuple[Reply, ...] = yield tuple(api.member_call(settings, "GET", c.match) for c in group)
        for change, reply in zip(group, replies, strict=True):
            if reply.status == 200:
                tags = api.rows(reply, reply.document(), "tags")
                found |= {api.normal(change.match)} if tag in {str(row.get("id")) for row in tags} else set()
    return found


def _tag(batch: Batch) -> str:
    if batch.cohort is None:
        raise ValueError("JOIN and PART name a cohort")
    return str(batch.prepared["cohorts"][batch.cohort.name])

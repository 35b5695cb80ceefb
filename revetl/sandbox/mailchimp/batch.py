"""The batch call: POST /lists/{list_id} with up to 500 contacts; 200 even when every row failed.

Where the specification is silent this stand-in takes the strict reading: an address that comes twice is refused the
second time, and two entries that are the same refuse the call, unless ``skip_duplicate_check=true``; an archived
contact counts as new with ``update_existing: false``, and keeps its status where none is given with ``true``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from revetl.sandbox.core import Sandbox
from revetl.sandbox.mailchimp import checks
from revetl.sandbox.mailchimp.audience import Audience, Member
from revetl.sandbox.mailchimp.problems import bad, misshapen, row_error
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

MOST_MEMBERS = 500


@dataclass
class Batch:
    """One batch call at work."""

    audience: Audience
    update: bool
    sync_tags: bool
    skip_merge: bool
    skip_duplicates: bool
    new: list[JSON] = field(default_factory=list)
    updated: list[JSON] = field(default_factory=list)
    errors: list[JSON] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    segments: dict[str, dict[str, JSON]] = field(default_factory=dict)

    def row(self, given: Mapping[str, JSON]) -> None:
        """Write one contact, or report why not."""
        email: str = given["email_address"]
        if email.lower() in self.seen:
            if not self.skip_duplicates:
                self.errors.append(row_error(email, f"{email} appears more than once in this batch."))
            return
        self.seen.add(email.lower())
        member = self.audience.find(email)
        archived = member is not None and member["status"] == "archived"
        if member is not None and not archived and not self.update:
            what = f"{email} is already a list member, do you want to update? Provide update_existing:true."
            self.errors.append(row_error(email, what, code="ERROR_CONTACT_EXISTS"))
            return
        refused = self._refused(member, given)
        if refused is not None:
            self.errors.append(row_error(email, refused.detail, field=refused.field, told=refused.told))
        else:
            self._write(member, given, new=member is None or (archived and not self.update))

    def _refused(self, member: Member | None, given: Mapping[str, JSON]) -> checks.Refused | None:
        return (
            (checks.address(self.audience, given["email_address"]) if member is None else None)
            or checks.status(member, given.get("status"))
            or checks.merge(self.audience, member, given.get("merge_fields", {}), skip=self.skip_merge)
        )

    def _write(self, member: Member | None, given: Mapping[str, JSON], *, new: bool) -> None:
        if member is None:
            member = self.audience.create(given["email_address"])
        checks.write(self.audience, member, given, given.get("status"))
        contact = member["contact_id"]
        if self.sync_tags:
            for one in self.audience.segments.values():
                one["members"].pop(contact, None)
        for name in given.get("tags", []):
            self._segment(name)["members"][contact] = self.audience.at
        (self.new if new else self.updated).append(self.audience.shown(member))

    def _segment(self, name: str) -> dict[str, JSON]:
        found = self.segments.get(name)
        if found is None:
            found = self.audience.segment(name) or self.audience.new_segment(name)
            self.segments[name] = found
        return found


def subscribe(box: Sandbox, request: Request, list_id: str) -> Answer:
    """POST /lists/{list_id}."""
    audience = Audience.of(box, list_id)
    body = request.json()
    rows = _rows(body)
    work = Batch(
        audience,
        update=bool(body.get("update_existing", False)),
        sync_tags=bool(body.get("sync_tags", False)),
        skip_merge=request.params.get("skip_merge_validation") == "true",
        skip_duplicates=request.params.get("skip_duplicate_check") == "true",
    )
    if not work.skip_duplicates:
        _refuse_twins(rows)
    for one in rows:
        work.row(one)
    return answer(
        200,
        {
            "new_members": work.new,
            "updated_members": work.updated,
            "errors": work.errors,
            "total_created": len(work.new),
            "total_updated": len(work.updated),
            "error_count": len(work.errors),
        },
    )


def _rows(body: JSON) -> list[dict[str, JSON]]:
    given = body.get("members") if isinstance(body, dict) else None
    if not isinstance(given, list):
        raise misshapen("members", "Schema describes array")
    if len(given) > MOST_MEMBERS:
        raise bad(f"The batch holds {len(given)} members; at most {MOST_MEMBERS} may be sent.")
    rows = [checks.shape(one, f"members.item:{place}.") for place, one in enumerate(given)]
    for place, one in enumerate(rows):
        if not one.get("email_address"):
            raise misshapen(f"members.item:{place}.email_address", "This value should not be blank.")
    return rows


def _refuse_twins(rows: Sequence[Mapping[str, JSON]]) -> None:
    """Refuse the call where two entries are the same, as the service was seen to do."""
    first: dict[str, Mapping[str, JSON]] = {}
    for one in rows:
        if first.setdefault(one["email_address"], one) == one and first[one["email_address"]] is not one:
            raise misshapen("members", "Schema describes array of unique items")

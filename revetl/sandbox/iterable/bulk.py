"""POST /api/users/bulkUpdate: up to 1,000 users, all of whose values must fit before any is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from revetl.sandbox.core import Sandbox
from revetl.sandbox.iterable import fields
from revetl.sandbox.iterable.people import Key, People, Person, key_of
from revetl.sandbox.iterable.problems import bad, problem
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

MOST_USERS = 1_000
Failure = tuple[Key, str]  # what the answer names, and a kind
KINDS = ("conflict", "forgotten", "invalidData", "invalid", "notFound")


def rows_of(body: JSON, name: str) -> list[dict[str, JSON]]:
    """Return the rows of a request, counted; refuse what is none, or too much."""
    rows = body.get(name) if isinstance(body, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise bad(f"[/api/] Invalid JSON body: obj.{name}: error.path.missing")
    if len(rows) > MOST_USERS:
        raise problem(400, "BatchTooLarge", f"Batch size {len(rows)} exceeds the limit of {MOST_USERS}")
    return rows


def counted(total: int, failures: Iterable[Failure], **more: JSON) -> Answer:
    """Return the answer to a call about many users (UserBulkUpdateListResponse)."""
    failed: dict[str, list[str]] = {f"{kind}{plural}": [] for kind in KINDS for plural in ("Emails", "UserIds")}
    count = 0
    for key, kind in failures:
        failed[f"{kind}{key.plural}"].append(key.value)
        count += 1
    told: dict[str, JSON] = {"successCount": total - count, "failCount": count, "failedUpdates": failed}
    told |= {"invalidEmails": failed["invalidEmails"], "invalidUserIds": failed["invalidUserIds"]}
    return answer(200, {**told, "createdFields": [], "filteredOutFields": [], **more})


def update(box: Sandbox, request: Request) -> Answer:
    """Check every value, then write user by user."""
    body = request.json()
    rows = rows_of(body, "users")
    keys = [key_of(row) for row in rows]
    if max(Counter(key.normal for key in keys).values(), default=0) > 1:
        box.flag("a user twice in a batch: the last one of an order that is not promised wins")
    create = body.get("createNewFields", box.options["create_fields"])
    created, dropped = _admit(box, [row.get("dataFields") or {} for row in rows], create=create)
    people, failures = People(box), list[Failure]()
    for key, row in zip(keys, rows, strict=True):
        kept = {name: value for name, value in (row.get("dataFields") or {}).items() if name not in dropped}
        failure = _write(people, key, kept, prefer=row.get("preferUserId") is True)
        if failure is not None:
            failures.append(failure)
    return counted(len(rows), failures, createdFields=sorted(created), filteredOutFields=sorted(dropped))


def _admit(box: Sandbox, given: list[Any], *, create: bool) -> tuple[set[str], set[str]]:
    """Hold all values to the fields' types; make fields, or say which are dropped."""
    types: dict[str, str] = dict(box.store["fields"])
    wrong: dict[str, JSON] = {}
    dropped: set[str] = set()
    for values in given:
        if not isinstance(values, dict):
            raise bad("dataFields must be an object")
        for name, value in values.items():
            if name in types:
                fields.check(name, types[name], value, wrong)
            elif not create:
                dropped.add(name)
            elif value is not None:
                types[name] = fields.kind(value)
    if wrong:
        raise fields.mismatch(wrong)
    if len(types) > fields.MOST_FIELDS:
        raise problem(400, "UniqueFieldsLimitExceeded", f"More than {fields.MOST_FIELDS} unique fields")
    created = set(types) - set(box.store["fields"])
    box.store["fields"] = types
    return created, dropped


def _write(people: People, key: Key, given: dict[str, JSON], *, prefer: bool) -> Failure | None:
    """Write one user; return what failed and how, None where nothing did."""
    if not key.valid:
        return key, "invalid"
    if people.forgotten(key):
        return key, "forgotten"
    if any(isinstance(value, str) and len(value) > fields.MOST_CHARACTERS for value in given.values()):
        return key, "invalidData"
    person = people.find(key)
    if person is None and not may_exist(people.box, key, prefer=prefer):
        return key, "invalid"
    failure = _identities(people, given, person)
    if failure is None:
        types = people.box.store["fields"]
        people.write(person or people.create(key), {n: v for n, v in given.items() if n in types}, types)
    return failure


def may_exist(box: Sandbox, key: Key, *, prefer: bool) -> bool:
    """Return whether a project of this type takes a new user under such a key."""
    project = box.options["project"]
    return project in ("hybrid", key.field) or (key.field == "userId" and prefer)


def _identities(people: People, given: dict[str, JSON], person: Person | None) -> Failure | None:
    """Return the first identity among the fields that is malformed, or another user's."""
    for field in ("email", "userId"):
        if field in given:
            key = Key(field, str(given[field]))
            other = people.find(key)
            if not key.valid:
                return key, "invalid"
            if other is not None and other is not person:
                return key, "conflict"
    return None

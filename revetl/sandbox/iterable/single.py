"""One user at a time: read, delete, forget, another address; and the project's fields."""

from __future__ import annotations

from revetl.sandbox.core import Sandbox
from revetl.sandbox.iterable.people import Key, People, key_of
from revetl.sandbox.iterable.problems import bad, problem, success
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON


def fields(box: Sandbox, _: Request) -> Answer:
    """GET /api/users/getFields."""
    return answer(200, {"fields": box.store["fields"]})


def by_email(box: Sandbox, _: Request, email: str) -> Answer:
    """GET /api/users/{email}."""
    return _show(box, Key("email", email))


def by_id(box: Sandbox, _: Request, user_id: str) -> Answer:
    """GET /api/users/byUserId/{userId}."""
    return _show(box, Key("userId", user_id))


def _show(box: Sandbox, key: Key) -> Answer:
    people = People(box)
    person = people.find(key)
    return answer(200, {} if person is None else {"user": people.show(person)})


def delete_email(box: Sandbox, _: Request, email: str) -> Answer:
    """DELETE /api/users/{email}: not in projects that know users by userId."""
    if box.options["project"] == "userId":
        raise bad("Users of a userID-based project are deleted by userId")
    return _delete(box, Key("email", email), "UnknownEmailError")


def delete_id(box: Sandbox, _: Request, user_id: str) -> Answer:
    """DELETE /api/users/byUserId/{userId}."""
    return _delete(box, Key("userId", user_id), "UnknownUserIdError")


def _delete(box: Sandbox, key: Key, unknown: str) -> Answer:
    people = People(box)
    person = people.find(key)
    if person is None:
        raise problem(400, unknown, "No user exists with that identifier")
    people.delete(person)
    return success()


def forget(box: Sandbox, request: Request) -> Answer:
    """POST /api/users/forget: erase, and never take the person again."""
    key = key_of(request.json())
    person = People(box).find(key)
    if person is not None:
        People(box).delete(person)
    box.store["forgotten"][key.field][key.normal] = True
    return success()


def update_email(box: Sandbox, request: Request) -> Answer:
    """POST /api/users/updateEmail: for email-based projects."""
    if box.options["project"] != "email":
        raise bad("updateEmail is for email-based projects: use /api/users/update")
    body = request.json()
    if not isinstance(body, dict) or not isinstance(body.get("newEmail"), str):
        raise bad("newEmail is missing")
    current: JSON = {"email": body.get("currentEmail"), "userId": body.get("currentUserId")}
    people, key, new = People(box), key_of(current), Key("email", body["newEmail"])
    person = people.find(key)
    if person is None:
        raise problem(400, "UnknownEmailError", "No user exists with that email")
    if not new.valid:
        raise problem(400, "InvalidEmailAddressError", "Invalid email address")
    if people.forgotten(new):
        raise problem(409, "ForgottenUserError", "The user has been forgotten")
    if people.find(new) not in (None, person):
        raise problem(409, "EmailAlreadyExists", "A user with that email exists already")
    people.name(person, new)
    return success()

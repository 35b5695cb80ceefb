"""What stands in an account: its users, their variables and lists."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from revetl.contract import Account, Context, Reply, UnreadableReply
from revetl.destinations.sailthru import api, lists, people
from revetl.errors import DestinationError
from revetl.types import JSON, RemoteField, RemoteRecord

_LONGEST = 32  # characters of a variable's name


def account(_: api.SailthruSettings) -> Generator[Any, Any, Account]:
    """Return the account's number.

    Raises:
        DestinationError: RVT-651, the key opens no account.
    """
    reply = yield api.get("settings", {})
    number = api.expect(reply, "the account's settings").get("id")
    if not isinstance(number, int | str) or not number:
        raise UnreadableReply(reply.status, "the settings show no id")
    return Account(str(number), "")


def discover(context: Context) -> Generator[Any, Any, tuple[RemoteField, ...]]:
    """Return the keys and whatever is mapped: a variable comes into being with its first value, and has no type.

    Raises:
        DestinationError: RVT-651, a name is too long.
    """
    yield from ()
    long = sorted(name for name in context.fields if len(name) > _LONGEST)
    if long:
        what = f"Sailthru takes names of {_LONGEST} characters at most: {', '.join(long)}"
        raise DestinationError("RVT-651", what, hint="name another `field` in the column's `to`")
    names = dict.fromkeys((*people.KEYS, *context.fields))
    return tuple(RemoteField(n, "text" if n in people.KEYS else "any", unique=n in people.KEYS) for n in names)


def read_back(context: Context, identities: Sequence[str]) -> Generator[Any, Any, list[RemoteRecord]]:
    """Return the users of ``identities`` that are there, with the cohorts' lists they are on."""
    names: dict[str, str] = dict(context.prepared.get("names") or {})
    if context.cohorts and not names:
        names = {cohort: there for cohort, (_, there) in (yield from lists.named(context)).items()}
    labels = {names[cohort]: label for cohort, label in context.cohorts if cohort in names}
    users = yield from people.find(context.match_field, identities)
    if isinstance(users, Reply):
        api.expect(users, "to show users")
        raise UnreadableReply(users.status, "a user cannot be read")
    return [_record(identity, user, labels) for identity, user in users.items()]


def _record(identity: str, user: people.User, labels: dict[str, str]) -> RemoteRecord:
    fields = {**user["vars"], **{name: user["keys"][name] for name in people.KEYS if user["keys"].get(name)}}
    cohorts = frozenset(label for there, label in labels.items() if there in user["lists"])
    return RemoteRecord(identity, user["sid"], fields, cohorts, opted_out=api.RANK.get(user["optout_email"], 0) > 0)


def same(_: RemoteField | None, ours: JSON, theirs: JSON) -> bool:
    """Return whether ``theirs`` stands for our wire value: JSON is kept as sent, and what is empty is not shown."""
    if ours in (None, "") or theirs in (None, ""):
        return ours in (None, "") and theirs in (None, "")
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    return bool(ours == theirs)

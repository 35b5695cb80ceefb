from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.sandbox.sandbox_caller import Caller


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("birthday", "2020-08-30", "2020-08-30"),
        ("birthday", "1598745600000", "2020-08-30"),
        ("seen_at", "2020-08-30T05:49:48Z", "2020-08-30T05:49:48.000Z"),
        ("seen_at", "2020-08-30T07:49:48.5+02:00", "2020-08-30T05:49:48.500Z"),
        ("seen_at", "1598766588000", "2020-08-30T05:49:48.000Z"),
        ("ltv", "-1.5", "-1.5"),
        ("vip", "true", "true"),
        ("band", "high", "high"),
        ("likes", "tea;jam", "tea;jam"),
        ("firstname", "x" * 65_536, "x" * 65_536),
    ],
)
def test_accepted(
    upsert: Callable[..., str], read: Callable[..., dict[str, Any]], name: str, value: Any, kept: str
) -> None:
    """Each documented spelling is taken, and read back in HubSpot's."""
    upsert(**{name: value})
    assert read(name) == {name: kept}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("birthday", "1598766588000", "INVALID_DATE"),  # not midnight UTC
        ("birthday", "2020-08-30T00:00:00Z", "INVALID_DATE"),
        ("birthday", "2020-02-30", "INVALID_DATE"),
        ("seen_at", "2020-08-30T05:49:48", "INVALID_DATE"),  # no zone
        ("seen_at", "yesterday", "INVALID_DATE"),
        ("ltv", "1,5", "INVALID_INTEGER"),
        ("ltv", "nan", "INVALID_INTEGER"),
        ("vip", "True", "INVALID_OPTION"),
        ("band", "High", "INVALID_OPTION"),
        ("likes", "tea;beer", "INVALID_OPTION"),
        ("email", "nobody", "INVALID_EMAIL"),
        ("firstname", "x" * 65_537, "VALUE_TOO_LONG"),
    ],
)
def test_refused(hubspot: Caller, name: str, value: Any, code: str) -> None:
    """A value its property cannot hold refuses the call with its code."""
    row = {"id": "c-1", "idProperty": "customer_id", "properties": {name: value}}
    status, answer = hubspot("POST", "/objects/contacts/batch/upsert", {"inputs": [row]})
    assert (status, answer["errors"][0]["code"]) == (400, code)


@pytest.mark.parametrize("name", ["birthday", "seen_at", "ltv", "vip", "band", "likes", "firstname"])
def test_empty_text_clears_any_type(upsert: Callable[..., str], read: Callable[..., dict[str, Any]], name: str) -> None:
    """An empty string clears a property of any type."""
    upsert(
        **{
            name: {"birthday": "2020-08-30", "seen_at": "0", "vip": "true", "band": "low", "likes": "tea"}.get(
                name, "1"
            )
        }
    )
    upsert(**{name: ""})
    assert read(name) == {name: None}


def test_leading_semicolon_appends(upsert: Callable[..., str], read: Callable[..., dict[str, Any]]) -> None:
    """;x adds x to a checkbox property."""
    upsert(likes="tea")
    upsert(likes=";jam;tea")
    assert read("likes") == {"likes": "tea;jam"}


def test_lifecycle_stage_moves_forward_only(upsert: Callable[..., str], read: Callable[..., dict[str, Any]]) -> None:
    """A stage behind the present one is passed over without an error, unless it was cleared first."""
    upsert(lifecyclestage="customer")
    upsert(lifecyclestage="lead")
    assert read("lifecyclestage") == {"lifecyclestage": "customer"}
    upsert(lifecyclestage="")
    upsert(lifecyclestage="lead")
    assert read("lifecyclestage") == {"lifecyclestage": "lead"}


def test_email_is_kept_in_lower_case(upsert: Callable[..., str], read: Callable[..., dict[str, Any]]) -> None:
    """Addresses are kept and found in lower case."""
    upsert("Ada@Example.org")
    assert read("email") == {"email": "ada@example.org"}

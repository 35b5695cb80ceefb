"""POST /contacts/search: by an index that lags, at most 15 filters a group, two levels, 150 contacts a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from revetl.sandbox.core import Sandbox
from revetl.sandbox.intercom.errors import bad, invalid, lacking
from revetl.sandbox.intercom.people import Contact, People
from revetl.sandbox.wire import Answer, Request, answer
from revetl.types import JSON

MOST_FILTERS = 15
MOST_LEVELS = 2
MOST_LISTED = 150
DEFAULT_LISTED = 50
_TEXT_FIELDS = frozenset({"id", "role", "email", "external_id", "phone", "name"})

_OPERATORS: Mapping[str, Callable[[str, Any], bool]] = {
    "=": lambda have, want: have == want,
    "!=": lambda have, want: have != want,
    "IN": lambda have, want: have in want,
    "NIN": lambda have, want: have not in want,
    "~": lambda have, want: want in have,
    "!~": lambda have, want: want not in have,
    "^": lambda have, want: have.startswith(want),
    "$": lambda have, want: have.endswith(want),
}


def search(box: Sandbox, request: Request) -> Answer:
    """Return the page of contacts that the query asks for, oldest first; archived and merged ones are not seen."""
    given = request.json()
    if not isinstance(given, dict) or not isinstance(given.get("query"), dict):
        raise lacking("query is required")
    for name in given.keys() - {"query", "pagination", "sort"}:
        raise bad(name)
    matches = _read(given["query"], 1)
    size, after = _page(given.get("pagination"))
    people = People(box)
    found = [one for seen, one in people.indexed() if matches(seen)]
    at = next((n + 1 for n, one in enumerate(found) if one["id"] == after), 0) if after else 0
    page = found[at : at + size]
    pages: dict[str, JSON] = {"type": "pages", "page": at // size + 1, "per_page": size}
    pages["total_pages"] = -(-len(found) // size)
    if at + size < len(found):
        pages["next"] = {"page": at // size + 2, "starting_after": page[-1]["id"]}
    shown = [people.shown(one) for one in page]
    return answer(200, {"type": "list", "data": shown, "total_count": len(found), "pages": pages})


def _page(given: JSON) -> tuple[int, str]:
    told = {} if given is None else given
    if not isinstance(told, dict):
        raise invalid("pagination is not an object")
    size, after = told.get("per_page", DEFAULT_LISTED), told.get("starting_after")
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MOST_LISTED:
        raise invalid(f"per_page must be between 1 and {MOST_LISTED}")
    if not isinstance(after, str | None):
        raise invalid("starting_after must be a string")
    return size, after or ""


def _read(query: JSON, level: int) -> Callable[[Contact], bool]:
    """Return what decides about a contact."""
    if not isinstance(query, dict):
        raise invalid("a filter is not an object")
    operator, value = query.get("operator"), query.get("value")
    if "field" in query:
        return _filter(query["field"], operator, value)
    if operator not in ("AND", "OR") or not isinstance(value, list) or not value:
        raise invalid("a group of filters has the operator AND or OR, and an array of filters as its value")
    if level > MOST_LEVELS:
        raise invalid(f"at most {MOST_LEVELS} levels of filters")
    if len(value) > MOST_FILTERS:
        raise invalid(f"at most {MOST_FILTERS} filters for each AND or OR group")
    parts = [_read(one, level + 1) for one in value]
    holds = all if operator == "AND" else any
    return lambda seen: holds(part(seen) for part in parts)


def _filter(field: JSON, operator: JSON, value: JSON) -> Callable[[Contact], bool]:
    if not isinstance(field, str) or field not in _TEXT_FIELDS:
        raise invalid(f"{field} is not a field that the stand-in searches by")
    if not isinstance(operator, str) or operator not in _OPERATORS:
        raise invalid(f"{operator} is not an accepted operator")
    several = operator in ("IN", "NIN")
    values = value if several and isinstance(value, list) else [value]
    if several != isinstance(value, list) or len(values) > MOST_FILTERS:
        raise invalid("IN and NIN take an array of at most 15 values, the others one value")
    if not all(isinstance(one, str) and one for one in values):
        raise invalid(f"the value of {field} must be a string, and not an empty one")
    folded = [one.lower() if field == "email" else one for one in values]
    test = _OPERATORS[operator]
    want = folded if several else folded[0]
    return lambda seen: test(str(seen[field] or ""), want)

"""The half of a destination's page that its declaration says by itself: settings, objects, calls, limits, spellings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from revetl.contract import Action, CohortStyle, Destination, Limit, Object
from revetl.types import Mode, OnLeave, Op, Proof

BEGIN = "<!-- declared: written from the declaration; REVETL_UPDATE_PAGES=1 pytest tests/test_destination_pages.py -->"
END = "<!-- /declared -->"
_MOMENT = datetime(2026, 3, 29, 13, 5, tzinfo=UTC)  # that spellings are shown of
_PROOFS = {
    Proof.ROW: "the answer names each row",
    Proof.ACCOUNT: "complete counts or a list of errors",
    Proof.ACCEPTED: "the call was accepted",
}
_WORDS = {
    Op.IDENTITY: "change of identity", Op.UPSERT: "create and update", Op.JOIN: "join a cohort",
    Op.PART: "leave a cohort", Op.LEAVE: "end a record",
}  # fmt: skip


def declared(destination: Destination) -> str:
    """Return the block, markers included."""
    parts = [
        "## Declared", "", *_settings(destination), *_objects(destination), *_calls(destination),
        *_limits(destination), *_wire(destination), *_beside(destination),
    ]  # fmt: skip
    return "\n".join([BEGIN, "", *parts, END])


def with_block(page: str, block: str) -> str:
    """Return the page with its block replaced, or put at its end where it has none yet."""
    found = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if found.search(page):
        return found.sub(lambda _: block, page)
    return f"{page.rstrip()}\n\n{block}\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
    yield ""


def _settings(destination: Destination) -> Iterator[str]:
    yield "### Settings"
    yield ""
    said = inspect.cleandoc(destination.settings.__doc__ or "").replace("``", "`")
    yield from (said, "") if said else ()
    rows = (_setting(name, info) for name, info in destination.settings.model_fields.items())
    yield from _table(("setting", "is", "default", "means"), rows)


def _setting(name: str, info: FieldInfo) -> tuple[str, str, str, str]:
    default = "required" if info.is_required() else _shown(info.get_default(call_default_factory=True))
    return f"`{name}`", _kind(info.annotation), default, info.description or ""


def _kind(annotation: Any) -> str:
    args = [arg for arg in get_args(annotation) if arg is not type(None)]
    if hasattr(annotation, "__metadata__"):  # Annotated: what it is, without its bounds
        return _kind(args[0])
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    names = {SecretStr: "secret", str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}
    if annotation in names:
        return names[annotation]
    if getattr(annotation, "__origin__", None) is dict:
        return f"mapping of {_kind(args[-1])}"
    if getattr(annotation, "__origin__", None) in (list, tuple):
        return f"list of {_kind(args[0])}"
    return " or ".join(dict.fromkeys(_kind(arg) for arg in args)) if args else f"`{annotation}`"


def _shown(value: Any) -> str:
    value = value.value if isinstance(value, Enum) else value
    if value in (None, "", {}, (), []) or value is PydanticUndefined:
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _objects(destination: Destination) -> Iterator[str]:
    for name, thing in destination.objects.items():
        yield f"### Object `{name}`"
        yield ""
        yield from _table(("", ""), _facts(thing))
        yield from _styles("cohorts", thing.cohorts.values())
        yield from _styles("consent: on_false", thing.consent.values())
        if thing.links:
            rows = ((f"`{field}`", f"`{link.to}`", link.what) for field, link in thing.links.items())
            yield from _table(("link", "to", "what"), rows)


def _facts(thing: Object) -> Iterator[tuple[str, str]]:
    compared = {"email": "trimmed, without case", "lower": "without case", "exact": "as they are"}
    others = "any other field" if thing.any_field else "any unique field"
    fields = [f"`{field}`" if field != "*" else others for field in thing.match]
    yield "match", f"{', '.join(fields)}; compared {compared[thing.normalise]}"
    yield "mode", ", ".join(f"`{mode.value}`" for mode in Mode if mode in thing.modes)
    yield "on_leave", ", ".join(f"`{policy.value}`" for policy in OnLeave if policy in thing.on_leave)
    yield "writes", "only what changed" if thing.partial else "the whole record, where anything of it changed"
    if thing.required:
        yield "must be mapped", ", ".join(f"`{field}`" for field in thing.required)
    if thing.any_field:
        yield "fields", "every name is good"
    if thing.if_empty:
        yield "write", "`if_empty` is possible"
    if thing.new_as:
        yield "new_as", ", ".join(f"`{start}`" for start in thing.new_as)


def _styles(what: str, styles: Iterable[CohortStyle]) -> Iterator[str]:
    found = list(styles)
    if found:
        yield from _table((what, "is", "label", "carries"), (_style(style) for style in found))


def _style(style: CohortStyle) -> tuple[str, str, str, str]:
    label = f"at most {style.max_label} characters" if style.max_label else ""
    return f"`{style.name}`", style.what, label, ", ".join(f"`{field.name}`" for field in style.fields)


def _calls(destination: Destination) -> Iterator[str]:
    yield "### Calls"
    yield ""
    rows = [row for op in Op if op in destination.actions for row in _action(op, destination.actions[op])]
    yield from _table(("operation", "rows a batch", "bytes", "calls for a full batch", "proof of delivery"), rows)


def _action(op: Op, action: Action) -> Iterator[tuple[str, str, str, str, str]]:
    yield _row(_WORDS[op], action)
    if action.bulk is not None:
        yield _row(f"{_WORDS[op]}, from {action.bulk_from:,} on", action.bulk)


def _row(name: str, action: Action) -> tuple[str, str, str, str, str]:
    calls = f"{action.calls(action.max_records):,}"
    return name, f"{action.max_records:,}", f"{action.max_bytes:,}", calls, _PROOFS[action.proof]


def _limits(destination: Destination) -> Iterator[str]:
    limits = destination.limits(rehearsed(destination))
    if limits:
        yield "### Limits"
        yield ""
        yield from _table(("limit", "allowance"), ((limit.name, _allowance(limit)) for limit in limits))


def rehearsed(destination: Destination) -> Any:
    """Return the settings that limits are shown for: those of a rehearsal, or what is left out by default."""
    told = destination.settings
    return told.model_validate(dict(destination.rehearsal)) if destination.rehearsal else told.model_construct()


def _allowance(limit: Limit) -> str:
    if limit.kind == "concurrency":
        return f"{limit.allowance:,} calls at once"
    span = {1.0: "a second", 60.0: "a minute", 3_600.0: "an hour", 86_400.0: "a day"}
    told = f"{limit.allowance:,} in {limit.seconds:g} s"
    told = f"{limit.allowance:,} {span[limit.seconds]}" if limit.seconds in span else told
    spent = "; once it is spent, the rest waits for its end" if limit.kind == "quota" else ""
    return f"{told}{spent}{'; the headers count too' if limit.remaining_header else ''}"


def _wire(destination: Destination) -> Iterator[str]:
    wire = destination.wire
    forms = {"epoch_s": "seconds since 1970", "epoch_ms": "milliseconds since 1970"}
    beyond = "text" if wire.number == "text" else "rejected by name"
    rows = [
        ("null", f"`{'null' if wire.null is None else repr(wire.null)}` clears"),
        ("boolean", "`true`, `false`" if wire.boolean == "json" else '`"true"`, `"false"`'),
        ("number", "JSON number" if wire.number == "json" else "text"),
        ("integer beyond 2^53", beyond),
        ("date", forms.get(wire.date, _example(wire.date))),
        ("timestamp", f"{forms.get(wire.timestamp, _example(wire.timestamp))}, in UTC"),
        ("list", {"json": "JSON array", "refuse": "refused"}.get(wire.list, f"text, parted by `{wire.list}`")),
        ("struct, map, JSON", {"json": "JSON", "text": "JSON as text", "refuse": "refused"}[wire.json]),
    ]
    rows += [("text", f"at most {wire.max_text:,} characters")] if wire.max_text else []
    yield "### How values are spelt"
    yield ""
    yield from _table(("value", "there"), rows)


def _example(pattern: str) -> str:
    return f"`{_MOMENT.strftime(pattern)}`"


def _beside(destination: Destination) -> Iterator[str]:
    yes = {True: "yes", False: "no"}
    rows = [
        ("the account is pinned at the first run", yes[destination.account is not None]),
        ("the mapping is held against the fields there", yes[destination.discover is not None]),
        ("`--create-fields`", yes[destination.create_field is not None]),
        ("`adopt` and `verify`", yes[destination.read_back is not None]),
        ("erasure", destination.erase.what if destination.erase is not None else "no"),
    ]
    yield "### Beside sending"
    yield ""
    yield from _table(("", ""), rows)

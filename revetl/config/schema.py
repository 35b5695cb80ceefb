"""pydantic's errors → complaints that say what to write instead; shared by revetl.yml and by dbt's meta."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from revetl.types import JSON


class Strict(BaseModel):
    """A part of revetl.yml or of meta: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def one_or_many(value: JSON) -> JSON:
    """Return a text that stands alone as the list that it means."""
    return [value] if isinstance(value, str) else value


M = TypeVar("M", bound=Strict)


@dataclass(frozen=True, slots=True)
class Codes:
    """Which codes a complaint carries: a value that does not fit, a key that nobody knows."""

    value: str
    key: str


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing wrong at ``path`` of the data."""

    code: str
    path: tuple[str | int, ...]
    message: str
    remedy: str = ""


def wrong(what: str, remedy: str, *, code: str = "") -> PydanticCustomError:
    """Return the error that a validator raises when it knows the remedy, and perhaps a code of its own."""
    return PydanticCustomError("wrong", "{what}", {"what": what, "remedy": remedy, "code": code})


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'?" for the nearest known word, or what there is to choose from."""
    choices = sorted({str(choice) for choice in known})
    by_case = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(word.lower()[:100], by_case, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{by_case[near[0]]}'?"
    return f"choose one of: {', '.join(choices[:12])}" if choices else ""


def validate(model: type[M], data: JSON, codes: Codes) -> tuple[M | None, tuple[Complaint, ...]]:
    """Return the validated part, or None and everything that is wrong with it."""
    try:
        return model.model_validate(data), ()
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True)
        return None, tuple(_complaint(model, detail, codes) for detail in details)


def _complaint(model: type[Strict], detail: ErrorDetails, codes: Codes) -> Complaint:
    path, kind, context = detail["loc"], detail["type"], detail.get("ctx", {})
    name = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        return _unknown(model, path, codes)
    if kind == "missing":
        return Complaint(codes.value, path, f"'{name}' is missing", f"add `{name}: …`")
    where = f"'{_dotted(path)}': " if path else ""
    if kind == "wrong":
        return Complaint(context["code"] or codes.value, path, where + str(context["what"]), str(context["remedy"]))
    remedy = ""
    if kind in {"enum", "literal_error"} and isinstance(detail["input"], str):
        remedy = did_you_mean(detail["input"], _choices(str(context.get("expected", ""))))
    return Complaint(codes.value, path, where + _sentence(detail["msg"]), remedy)


def _unknown(model: type[Strict], path: tuple[str | int, ...], codes: Codes) -> Complaint:
    name = str(path[-1])
    owner = _owner(model, path[:-1])
    where = f" in '{_dotted(path[:-1])}'" if path[:-1] else ""
    return Complaint(codes.key, path, f"unknown key '{name}'{where}", did_you_mean(name, owner.model_fields))


def _owner(model: type[Strict], path: tuple[str | int, ...]) -> type[Strict]:
    """Return the model that owns the value at ``path``, as far as annotations tell."""
    for part in path:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = next(_models(field.annotation), model)
    return model


def _models(annotation: Any) -> Iterator[type[Strict]]:
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _choices(expected: str) -> list[str]:
    """Return the words of pydantic's "'a', 'b' or 'c'"."""
    return [part for part in expected.split("'")[1::2] if part]


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path)


def _sentence(message: str) -> str:
    message = message.removeprefix("Value error, ").replace("Input should be", "should be")
    return "should be a mapping" if message.startswith("should be a valid dictionary") else message


def as_mapping(value: JSON) -> Mapping[str, JSON]:
    """Return ``value`` if it is a mapping, else an empty one: for a look at data that did not validate."""
    return value if isinstance(value, Mapping) else {}

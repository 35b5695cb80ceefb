"""YAML text → plain data and the line of every value, with nothing in between that could be abused.

Anchors, aliases, tags and several documents are refused; scalars follow the core schema of YAML 1.2
(https://yaml.org/spec/1.2.2/#103-core-schema) without octal, hex, infinity and NaN, so that ``off``, ``no``, ``0123``,
``12:30`` and ``2026-01-01`` stay the text that was written. Keys are always text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import yaml

from revetl.errors import ConfigError
from revetl.types import JSON

MAX_BYTES = 1_000_000
MAX_DEPTH = 32

Path = tuple[str | int, ...]
Lines = Mapping[Path, int]  # path of a value → its line, counted from 1

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's parser where PyYAML was built with it
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,300}\.[0-9]{0,300}|\.[0-9]{1,300})(?:[eE][-+]?[0-9]{1,2})?\Z")
_WORDS = {"": None, "~": None} | {
    spelling: value
    for word, value in {"null": None, "true": True, "false": False}.items()
    for spelling in (word, word.capitalize(), word.upper())
}


def read_yaml(text: str, *, path: str) -> tuple[JSON, Lines]:
    """Return the data of one YAML document and the line of each value by its path.

    Raises:
        ConfigError: RVT-102, the text is too large or too deep, is not YAML, or uses what is refused here.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ConfigError("RVT-102", f"{path} is larger than {MAX_BYTES:,} bytes", hint="split the project")
    reader = _Reader(text, path)
    try:
        data = reader.document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else path
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
        raise ConfigError("RVT-102", f"{where} is not YAML: {problem}", hint="check indentation and quotes") from None
    if reader.duplicates:
        raise ConfigError(
            "RVT-102", f"{path} says a key twice: {'; '.join(reader.duplicates)}", hint="keep one of them"
        )
    return data, reader.lines


class _Reader:
    """Builds data out of the parser's events; the depth cap keeps the recursion shallow."""

    def __init__(self, text: str, path: str) -> None:
        self.events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self.path = path
        self.lines: dict[Path, int] = {}
        self.duplicates: list[str] = []

    def document(self) -> JSON:
        """Return the only document's data, None for an empty text."""
        next(self.events)  # StreamStart
        if isinstance(next(self.events), yaml.StreamEndEvent):
            return None
        data = self._value(next(self.events), ())
        next(self.events)  # DocumentEnd
        following = next(self.events)
        if not isinstance(following, yaml.StreamEndEvent):
            self._refuse(following, "holds more than one document", "keep one, without `---`")
        return data

    def _refuse(self, event: Any, what: str, hint: str) -> NoReturn:
        raise ConfigError("RVT-102", f"{self.path}:{_line(event)} {what}", hint=hint)

    def _check(self, event: Any, depth: int) -> None:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            self._refuse(event, "uses an anchor or alias (& or *)", "write the value out, or put it in quotes")
        if event.tag is not None and event.tag != "!":
            self._refuse(event, f"uses the tag {event.tag[:40]!r}", "write a plain value")
        if depth > MAX_DEPTH:
            self._refuse(event, f"is nested deeper than {MAX_DEPTH} levels", "flatten it")

    def _value(self, event: Any, at: Path) -> JSON:
        self._check(event, len(at))
        self.lines[at] = _line(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(at)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(at)
        return _scalar(event.value) if event.implicit[0] else event.value

    def _sequence(self, at: Path) -> list[JSON]:
        found: list[JSON] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            found.append(self._value(event, (*at, len(found))))
        return found

    def _mapping(self, at: Path) -> dict[str, JSON]:
        found: dict[str, JSON] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            self._check(event, len(at))
            if not isinstance(event, yaml.ScalarEvent):
                self._refuse(event, "has a key that is not text", "write a plain name before the colon")
            key, line = str(event.value), _line(event)
            if key in found:
                self.duplicates.append(f"{key[:60]!r} in line {line} and line {self.lines[(*at, key)]}")
            found[key] = self._value(next(self.events), (*at, key))
            self.lines[(*at, key)] = line
        return found


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(text: str) -> JSON:
    """Return the value of a plain (unquoted) scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text

"""``policies:`` of revetl.yml: what may leave, to whom, and what a model must say before it does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from revetl.config.schema import Strict, one_or_many, wrong
from revetl.types import JSON

_ARROW = re.compile(r"\s*(?:→|->)\s*")
_SUBJECT = re.compile(r"pii|(?:pii|tag|group):\S(?:.*\S)?")
_WRITE = "write pii, pii:KIND, tag:NAME or group:NAME"


@dataclass(frozen=True, slots=True)
class Rule:
    """``pii:email → ads``: data of this kind, and a destination, sync or group of destinations."""

    subject: str
    to: str

    def __str__(self) -> str:
        """Return the rule as it is written."""
        return f"{self.subject} → {self.to}"


def _rule(value: JSON) -> JSON:
    if not isinstance(value, str):
        return value if isinstance(value, Rule) else _no_rule()
    parts = _ARROW.split(value.strip())
    if len(parts) != 2 or not all(parts):
        return _no_rule()
    return Rule(_subject(parts[0]), parts[1])


def _no_rule() -> JSON:
    raise wrong("is no rule", "write `pii → NAME`, NAME a destination, a sync or a group; `->` will do too")


def _subject(value: str) -> str:
    if not _SUBJECT.fullmatch(value):
        raise wrong(f"'{value[:60]}' names no kind of data", _WRITE)
    return value


Access = Literal["public", "protected", "private"]
Subject = Annotated[str, BeforeValidator(lambda value: _subject(value) if isinstance(value, str) else value)]
Texts = Annotated[tuple[str, ...], BeforeValidator(one_or_many)]


class PoliciesSpec(Strict):
    """What the whole project holds itself to; a sync that breaks a policy does not run."""

    deny: Annotated[tuple[Annotated[Rule, BeforeValidator(_rule)], ...], BeforeValidator(one_or_many)] = ()
    only: dict[Subject, Texts] = Field(default_factory=dict)  # kind of data → where alone it may go
    require_description: bool = False
    require_owner: bool = False
    require_tests_on_key: bool = False
    require_contract: bool = False
    access: Annotated[tuple[Access, ...], BeforeValidator(one_or_many)] = ()  # none: any
    max_new_fields: int | None = Field(default=None, ge=0)

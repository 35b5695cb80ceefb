"""Cases for ``revetl test`` as they are written: rows of models, and what must become of them at the destinations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from revetl.config.schema import Codes, Strict, one_or_many, validate
from revetl.config.yamltext import read_yaml
from revetl.errors import ConfigError
from revetl.types import JSON

_CODES = Codes(value="RVT-130", key="RVT-130")

ANY = "*"  # in an expected call or field: whatever stands there
Row = dict[str, Any]
Rows = dict[str, tuple[Row, ...]]
"""Model → its rows."""


class RecordSpec(Strict):
    """A record as the destination was sent it: field → value on the wire, and the cohorts it is in."""

    fields: dict[str, Any] = Field(default_factory=dict)
    cohorts: Annotated[tuple[str, ...], BeforeValidator(one_or_many)] = ()


class CallSpec(Strict):
    """One call that carries rows: ``call: POST /path``; a body that is JSON as data, else as text; ``*`` is any."""

    call: str
    body: Any = ANY


class ExpectSpec(Strict):
    """What must be true after a step; of a sync or destination that is named, everything."""

    records: dict[str, dict[str, RecordSpec]] | None = None  # sync → identity → record
    calls: dict[str, tuple[CallSpec, ...]] | None = None  # destination → calls of this step, in any order
    rejected: dict[str, dict[str, str]] | None = None  # sync → key → code
    held: dict[str, Annotated[tuple[str, ...], BeforeValidator(one_or_many)]] | None = None  # sync → guards


class StepSpec(Strict):
    """Rows, and what must become of them; a model that is not named keeps the rows of the step before."""

    given: Rows = Field(default_factory=dict)
    expect: ExpectSpec | None = None


class CaseSpec(StepSpec):
    """One case: it begins with empty models and empty accounts, and may go on with further steps."""

    name: str
    then: tuple[StepSpec, ...] = ()

    @property
    def steps(self) -> tuple[StepSpec, ...]:
        """Return all steps, the case's own first."""
        return (self, *self.then)


class CasesSpec(Strict):
    """A file of cases. ``types``: model → column → type in DuckDB's words, where the rows do not tell it."""

    cases: Annotated[tuple[CaseSpec, ...], Field(min_length=1)]
    types: dict[str, dict[str, str]] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """A case, where it stands, and the types that its file tells."""

    file: str
    spec: CaseSpec
    types: Mapping[str, Mapping[str, str]]


def load_cases(text: str, *, path: str) -> tuple[Case, ...]:
    """Return the cases of a file; ``path`` is shown in messages.

    Raises:
        ConfigError: RVT-102, it cannot be read as YAML; RVT-130, it holds no cases as they are written.
    """
    data, lines = read_yaml(text, path=path)
    found, complaints = validate(CasesSpec, data, _CODES)
    if found is None:
        first = complaints[0]
        at: tuple[str | int, ...] = first.path
        while at and at not in lines:
            at = at[:-1]
        where = f"{path}:{lines[at]}" if at else path
        more = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
        raise ConfigError("RVT-130", f"{where}: {first.message}{more}", hint=first.remedy or "see docs/testing.md")
    return tuple(Case(path, spec, found.types) for spec in found.cases)


def plain(spec: ExpectSpec) -> dict[str, JSON]:
    """Return what is expected as plain data, parts that are not named left out."""
    return spec.model_dump(exclude_none=True, mode="json")

"""The static plan of a sync: what meta and revetl.yml say; no rows, no secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from revetl.types.base import EMPTY, JSON
from revetl.types.project import Relation
from revetl.types.words import Hash, Mode, OnLeave, OnNull, Write

CONSENT = "consent:"  # begins the names of the cohorts that withdrawals are


@dataclass(frozen=True, slots=True)
class ModelRef:
    """One model of a sync and how its key columns map to the entity's key, in the entity's key order."""

    model: str  # name, as users know it
    unique_id: str
    relation: Relation
    key: tuple[str, ...]  # column names in this model, position by position of the entity's key
    updated_at: str | None = None
    valid_to: str | None = None  # of a dbt snapshot: the column that is null in current rows, the only ones read


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """One property of a model landing in one field of the destination's object."""

    field: str  # the destination's name of it
    property: str  # the column
    model: str  # unique id of the model that carries the column
    pii: str | None = None  # None: not personal; else true | email | phone | name | ...
    on_null: OnNull = OnNull.CLEAR
    write: Write = Write.ALWAYS
    was: str | None = None
    hash: Hash | None = None  # None: it leaves as it is


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """Columns that hold another entity's key, landing as a link to its record in the same destination."""

    field: str  # the destination's name of the link
    columns: tuple[str, ...]  # position by position of the other entity's key
    model: str  # unique id of the model that carries them
    target: str  # the sync of the other entity
    ref: ModelRef  # the other entity's base model, whose key's types they are read as
    pii: str | None = None
    on_null: OnNull = OnNull.CLEAR
    was: str | None = None

    @property
    def property(self) -> str:
        """Return the columns as one name."""
        return ", ".join(self.columns)


@dataclass(frozen=True, slots=True)
class Limits:
    """A guard's limit: the greater of a share (0..1) and a number of rows; None for both: off."""

    share: float | None = None
    rows: int | None = None

    @property
    def off(self) -> bool:
        """Return whether this limit lets everything through."""
        return self.share is None and self.rows is None

    def allowed(self, total: int) -> int | None:
        """Return how many of ``total`` rows may go, None for any number."""
        if self.off:
            return None
        return max(int((self.share or 0.0) * total), self.rows or 0)


@dataclass(frozen=True, slots=True)
class Guards:
    """The limits beyond which changes of a sync (or parts of a cohort) are held or the sync is stopped."""

    max_leave: Limits = Limits(0.10, 10)
    max_change: Limits = Limits(0.50, 100)
    max_null: Limits = Limits(0.20, 10)  # a field that suddenly turns mostly null
    min_rows: int = 1
    on_trip: str = "hold"  # hold | stop
    max_age: str | None = None  # manifest age, such as 36h
    unusual: Limits = Limits(0.01, 100)  # up to here nothing is unusual, whatever earlier runs were like
    similar_keys: str = "stop"  # stop | allow: keys that differ by case, blanks or Unicode form alone


@dataclass(frozen=True, slots=True)
class CohortPlan:
    """One cohort model, as one destination shows it."""

    name: str  # the model's name: the cohort's id
    label: str  # what people see there
    ref: ModelRef
    guards: Guards = Guards()
    was: str | None = None
    fields: tuple[FieldPlan, ...] = ()  # what a membership itself carries


@dataclass(frozen=True, slots=True)
class ConsentPlan:
    """The column that says who may be written to, and how a person's no is made good there.

    Whoever the column is false for is a member of ``cohort``: joining it withdraws, and nothing ever parts from it.
    """

    column: str
    model: str  # unique id
    on_false: str  # how it is withdrawn, as the destination's object names it
    new_as: str | None = None  # how records that are made there start

    @property
    def cohort(self) -> str:
        """Return the name under which withdrawals are kept; no model is called so."""
        return f"{CONSENT}{self.on_false}"


@dataclass(frozen=True, slots=True)
class Freshness:
    """How many seconds may pass from the build of a sync's models to the acknowledgement; None: any."""

    warn: float | None = None
    error: float | None = None


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """Everything that meta and revetl.yml say about one sync, resolved; no rows, no secrets."""

    name: str  # destination.sync
    destination: str
    type: str  # the destination's type: mailchimp, hubspot, ...
    object: str
    entity: str
    key: tuple[str, ...]  # the entity's key, names as in the base model
    base: ModelRef
    match_field: str
    match_property: str
    fields: tuple[FieldPlan, ...] = ()
    links: tuple[LinkPlan, ...] = ()
    joined: tuple[ModelRef, ...] = ()  # other properties models of the entity, left-joined on the key
    cohorts: tuple[CohortPlan, ...] = ()
    consent: ConsentPlan | None = None
    audience: tuple[ModelRef, ...] = ()  # members of all of these
    exclude: tuple[ModelRef, ...] = ()  # members of any of these never leave
    mode: Mode = Mode.UPSERT
    on_leave: OnLeave = OnLeave.KEEP
    on_leave_scope: str = "created"  # created | all
    drops: bool = False  # of on_leave: clear: personal fields alone
    cohort_style: str | None = None
    create_cohorts: bool = True  # whether a tag or list that does not exist there may be made
    constants: tuple[Constant, ...] = ()
    guards: Guards = Guards()
    timezone: str | None = None
    require_tests: str = "failed"  # failed | all | off
    freshness: Freshness | None = None
    was: str | None = None
    sandbox: bool = False  # this target goes to the local stand-in
    settings: Mapping[str, JSON] = EMPTY  # per-sync settings of the destination (never secrets)

    @property
    def leaving(self) -> str:
        """Return the leave policy as it is written."""
        return "drop" if self.drops else str(self.on_leave)

    @property
    def mapped(self) -> tuple[FieldPlan | LinkPlan, ...]:
        """Return everything that a column lands in: fields, and links."""
        return (*self.fields, *self.links)

    @property
    def models(self) -> tuple[ModelRef, ...]:
        """Return every model that the sync reads, base first, each once."""
        refs = (self.base, *self.joined, *(c.ref for c in self.cohorts), *self.audience, *self.exclude)
        return tuple({ref.unique_id: ref for ref in refs}.values())


@dataclass(frozen=True, slots=True)
class Constant:
    """A fixed value sent with records of a sync."""

    field: str
    value: JSON
    write: Write = Write.CREATE

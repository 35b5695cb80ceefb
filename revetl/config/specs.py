"""The parts of revetl.yml as they are written, each validated by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from revetl.config.guards import GuardsSpec, Span
from revetl.config.notify import FreshnessSpec, NotifySpec, TelemetrySpec
from revetl.config.policies import PoliciesSpec
from revetl.config.schema import Strict, one_or_many, wrong
from revetl.config.secrets import variables
from revetl.types import JSON, Mode, OnLeave, Write

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}\Z")
_TARGET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}\Z")  # it names a directory below .revetl/
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,39}\Z")  # the target's name is put behind it
_MEMORY = re.compile(r"[1-9][0-9]{0,5}(?:\.[0-9])?\s*(?:MB|GB|TB|MiB|GiB|TiB)\Z")
# what is secret of an output of profiles.yml, of the adapters that are read
SECRETS = frozenset({
    "oauth_client_secret", "pass", "passcode", "password", "private_key", "private_key_passphrase", "token",
})  # fmt: skip
SCALARS = (str, int, float, bool)


def is_name(text: str) -> bool:
    """Return whether ``text`` may name a destination, a sync or a group."""
    return _NAME.match(text) is not None


def is_target(text: str) -> bool:
    """Return whether ``text`` may name a target, which becomes a directory."""
    return _TARGET.match(text) is not None


def _off(value: JSON) -> JSON:
    return "off" if value is False else value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise wrong("not a time zone", "write an IANA name such as Europe/Berlin or UTC") from None
    return value


def _one_pair(value: dict[str, str]) -> dict[str, str]:
    if len(value) != 1:
        raise wrong("needs exactly one pair", "write {their_field: our_property}")
    return value


def _constant(value: JSON) -> JSON:
    return value if isinstance(value, Mapping) else {"value": value}


def _scalar(value: JSON) -> JSON:
    if not isinstance(value, SCALARS):
        raise wrong("a constant is text, a number, true or false", "write {value: dbt}")
    return value


def _memory(value: str) -> str:
    if not _MEMORY.match(value):
        raise wrong("not an amount of memory", "write a number and a unit, such as 2GB")
    return value


def _reference(value: str) -> str:
    if not variables(value):
        raise wrong("the key itself must not stand here", "write \"{{ env_var('REVETL_LEDGER_KEY') }}\"")
    return value


def _place(value: JSON) -> JSON:
    return {"url": value} if isinstance(value, str) else value


def _schema(value: str) -> str:
    if not _SCHEMA.match(value):
        raise wrong("no name of a schema", "use lower-case letters, digits and _, at most 40")
    return value


def _beside(values: str, info: ValidationInfo) -> str:
    if values == "encrypted" and not info.data.get("key"):
        raise wrong(
            "encrypted values need a key that lies elsewhere", "add key: \"{{ env_var('REVETL_LEDGER_KEY') }}\" to it"
        )
    return values


Names = Annotated[tuple[str, ...], BeforeValidator(one_or_many)]
Zone = Annotated[str, AfterValidator(_zone)]
Reference = Annotated[str, AfterValidator(_reference)]
RequireTests = Annotated[Literal["failed", "all", "off"], BeforeValidator(_off)]


class ConstantSpec(Strict):
    """``constants: {FIELD: {value: …, write: create}}``; a bare value means the same."""

    value: Annotated[Any, AfterValidator(_scalar)]
    write: Write = Write.CREATE


class ConsentSpec(Strict):
    """``consent: {column: newsletter_ok, on_false: unsubscribe, new_as: pending}``."""

    column: str
    on_false: str | None = None  # None: the object's first way
    new_as: str | None = None


class SyncConfig(Strict):
    """One sync of a destination: which entity goes into which object, and how."""

    entity: str
    object: str | None = None  # None: the destination type's first
    match: Annotated[dict[str, str], AfterValidator(_one_pair)] | None = None
    audience: Names = ()
    exclude: Names = ()
    mode: Mode = Mode.UPSERT
    on_leave: OnLeave | Literal["drop"] = OnLeave.KEEP  # drop: clear personal fields, keep the rest
    on_leave_scope: Literal["created", "all"] = "created"
    allow_delete: bool = False
    consent: ConsentSpec | None = None
    cohorts: str | None = None  # a style of the object; None: its first
    create_cohorts: bool = True
    constants: dict[str, Annotated[ConstantSpec, BeforeValidator(_constant)]] = Field(default_factory=dict)
    allow_pii: Literal[True] | Names = ()
    guards: GuardsSpec = GuardsSpec()
    freshness: FreshnessSpec | None = None
    timezone: Zone | None = None
    was: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)

    def allows(self, pii: str, column: str) -> bool:
        """Return whether a column tagged ``pii`` may leave: all, its kind, or the column by name."""
        return self.allow_pii is True or pii in self.allow_pii or column in self.allow_pii


class DestinationSpec(Strict):
    """One destination as written; its syncs are validated one by one."""

    type: str | None = None  # None: the destination's own name
    targets: dict[str, Any]
    syncs: dict[str, Any] | None = None


class StateConfig(Strict):
    """Where state lies: a directory, a database by its URL, or the warehouse of the models (``engine``)."""

    url: str | None = None
    engine: Literal["warehouse"] | None = None
    schema_: Annotated[str, AfterValidator(_schema)] = Field(default="revetl_state", alias="schema")
    lease: Annotated[Span, Field(ge=5, le=3600)] = 60.0  # seconds; an owner's lock that nobody renews is free then
    witness: str | None = None  # a directory or an object store elsewhere for a second head record of a state in files

    @model_validator(mode="after")
    def _one_place(self) -> StateConfig:
        if self.engine is not None and self.witness is not None:
            raise wrong("a state that is shared has one owner", "remove `witness`")
        if (self.url is not None) + (self.engine is not None) != 1 and not (self.witness and not self.url):
            raise wrong("needs `url` or `engine`, one of them", "write `state: postgresql://…`")
        return self


class LedgerConfig(Strict):
    """What the ledger keeps of personal values, for how long, and which variables hold its keys (old ones: to read)."""

    url: str | None = None  # a directory or an object store for its files; None: they lie with the state
    key: Reference | None = None
    old_keys: tuple[Reference, ...] = ()
    values: Annotated[Literal["hash", "clear", "encrypted"], AfterValidator(_beside)] = "hash"
    keep: Span | None = None  # seconds: what ``prune`` leaves


class SendConfig(Strict):
    """How hard to send. ``deadline`` is in seconds, ``backfill_share`` a share (0..1) of a quota."""

    max_in_flight: int | None = Field(default=None, ge=1, le=1_000)
    deadline: Span | None = None
    backfill_share: float = Field(default=0.5, gt=0, le=1)


def _proxy(value: str) -> str:
    if "@" in value and "{{" not in value:
        raise wrong("has a name or password in it", "write \"{{ env_var('PROXY_URL') }}\" and set the variable")
    return value


def _connections(value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    for target, fields in value.items():
        if not isinstance(fields.get("type"), str):
            raise wrong(f"the connection of {target[:60]} has no type", "such as `type: snowflake`")
        for name in sorted(SECRETS & fields.keys()):
            if not variables(str(fields[name])):
                raise wrong(f"{name} must not stand here", "write \"{{ env_var('NAME') }}\" and set the variable")
    return value


class NetworkSpec(Strict):
    """How calls leave this machine; the environment's own proxies and authorities are never asked."""

    proxy: Annotated[str, AfterValidator(_proxy)] | None = None  # for https; this machine is reached without it
    no_proxy: tuple[str, ...] = ()  # hosts, or *.domain
    ca_file: str | None = None  # PEM, relative to the project: authorities besides the well-known ones


class IncrementalConfig(Strict):
    """How models with ``updated_at`` are read: what is newer than their high-water marks. Spans are in seconds."""

    leaves: Literal["keys", "full"] = "keys"  # who left is seen by reading keys in every run, or by the full pass alone
    full_every: Span = 86_400.0
    look_back: Span = 3_600.0  # rows may be committed so much later than they are dated
    clock_skew: Span = 300.0  # no mark comes closer to the present, whatever the clocks of sources say


def _incremental(value: JSON) -> JSON:
    return {} if value is True else None if value is False else value


class RootSpec(Strict):
    """The top level of revetl.yml, without what stands in its destinations."""

    version: Literal[1]
    destinations: Mapping[str, Any]
    groups: dict[str, Names] = Field(default_factory=dict)
    require_tests: RequireTests = "failed"
    timezone: Zone | None = None
    state: Annotated[StateConfig, BeforeValidator(_place)] | None = None
    ledger: Annotated[LedgerConfig, BeforeValidator(_place)] = LedgerConfig()
    send: SendConfig = SendConfig()
    network: NetworkSpec = NetworkSpec()
    warehouse: Annotated[dict[str, dict[str, Any]], AfterValidator(_connections)] = Field(default_factory=dict)
    incremental: Annotated[IncrementalConfig | None, BeforeValidator(_incremental)] = None
    policies: PoliciesSpec = PoliciesSpec()
    notify: NotifySpec = NotifySpec()
    telemetry: TelemetrySpec = TelemetrySpec()
    freshness: FreshnessSpec | None = None
    memory_limit: Annotated[str, AfterValidator(_memory)] | None = None

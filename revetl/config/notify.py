"""``notify:`` and ``freshness:`` of revetl.yml: who is told when a sync's condition changes, and how old is too old."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from revetl.config.guards import Span
from revetl.config.schema import Strict, one_or_many, wrong
from revetl.config.secrets import variables
from revetl.types import JSON, Freshness

What = Literal["failing", "held", "rejected", "quota", "stale"]


def _secret(value: str) -> str:
    if not variables(value):
        raise wrong("a secret must not stand here itself", "write \"{{ env_var('NAME') }}\"")
    return value


def _ordered(value: float | None, info: ValidationInfo) -> float | None:
    warn = info.data.get("warn")
    if value is not None and warn is not None and value < warn:
        raise wrong("is shorter than warn", "write the longer span here")
    return value


def _share(value: JSON) -> JSON:
    if isinstance(value, str) and value.strip().endswith("%"):
        text = value.strip()[:-1].strip()
        return float(text) / 100 if text.replace(".", "", 1).isdigit() else value
    return value


Share = Annotated[float, BeforeValidator(_share), Field(gt=0, le=1)]
Secret = Annotated[str, AfterValidator(_secret)]


class FreshnessSpec(Strict):
    """``freshness: {warn: 30m, error: 2h}``: seconds from the models' build to the acknowledgement."""

    warn: Span | None = None
    error: Annotated[Span | None, AfterValidator(_ordered)] = None

    def plain(self) -> Freshness:
        """Return it as plans carry it."""
        return Freshness(self.warn, self.error)


class _Channel(Strict):
    on: Annotated[tuple[What, ...], BeforeValidator(one_or_many)] = ("failing", "held", "rejected", "quota", "stale")


class SlackSpec(_Channel):
    """A Slack-compatible incoming webhook; its URL is a secret."""

    type: Literal["slack"]
    url: Secret


class WebhookSpec(_Channel):
    """A URL that takes the change as JSON by POST; ``token``: sent as ``Authorization: Bearer``."""

    type: Literal["webhook"]
    url: str
    token: Secret | None = None


class EmailSpec(_Channel):
    """A mail server (SMTP). ``tls``: starttls (port 587), tls (port 465) or none (this machine only)."""

    type: Literal["email"]
    host: str
    port: Annotated[int, Field(gt=0, lt=65_536)] = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: Secret | None = None
    sender: str
    to: Annotated[tuple[str, ...], BeforeValidator(one_or_many), Field(min_length=1)]


Channel = Annotated[SlackSpec | WebhookSpec | EmailSpec, Field(discriminator="type")]


class TelemetrySpec(Strict):
    """``telemetry: {openlineage: true, opentelemetry: true}``: services that are told of each run; off by default."""

    openlineage: bool = False
    opentelemetry: bool = False


class NotifySpec(Strict):
    """``notify: {channels: [...], rejected: 5%, quota: 90%}``: shares from which rejections and quotas are told."""

    channels: tuple[Channel, ...] = ()
    rejected: Share = 0.05
    quota: Share = 0.9

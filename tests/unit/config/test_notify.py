"""`notify:` and `freshness:` are read strictly: a channel that cannot be read would tell nobody."""

from __future__ import annotations

import pytest

from revetl.config import load_config
from revetl.config.notify import EmailSpec, FreshnessSpec, NotifySpec, SlackSpec, WebhookSpec

SLACK = "{type: slack, url: \"{{ env_var('SLACK') }}\"}"


def load(text: str) -> tuple[NotifySpec, FreshnessSpec | None, list[str]]:
    """Return what the file says, and the codes of what is wrong with it."""
    found = load_config(f"version: 1\ndestinations: {{}}\n{text}\n", path="revetl.yml")
    return found.notify, found.freshness, [one.code for one in found.problems]


def test_every_kind_of_channel() -> None:
    """Slack, a webhook and mail, each with what it is told of; shares as a percentage or a number."""
    hook = "{type: webhook, url: 'https://example.org/hook', on: failing, token: \"{{ env_var('T') }}\"}"
    mail = "{type: email, host: mail.example.org, sender: a@example.org, to: b@example.org}"
    found, _, wrong = load(f"notify: {{rejected: 2.5%, quota: 0.8, channels: [{SLACK}, {hook}, {mail}]}}")
    assert wrong == []
    assert [type(one) for one in found.channels] == [SlackSpec, WebhookSpec, EmailSpec]
    assert (found.rejected, found.quota) == (0.025, 0.8)
    assert found.channels[1].on == ("failing",)
    assert isinstance(found.channels[2], EmailSpec)
    assert (found.channels[2].port, found.channels[2].tls, found.channels[2].to) == (
        587,
        "starttls",
        ("b@example.org",),
    )


def test_spans() -> None:
    """Freshness is in seconds, either limit alone."""
    both = load("freshness: {warn: 30m, error: 2h}")[1]
    assert both is not None
    assert (both.warn, both.error) == (1_800.0, 7_200.0)
    spec = load("freshness: {error: 1d}")[1]
    assert spec is not None
    assert (spec.plain().warn, spec.plain().error) == (None, 86_400.0)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("freshness: {warn: 2h, error: 30m}", "RVT-103"),
        ("freshness: {warn: soon}", "RVT-103"),
        ("freshness: {wran: 2h}", "RVT-120"),
        ("notify: {channels: [{type: slack, url: 'https://hooks.example.org/secret'}]}", "RVT-103"),
        ("notify: {channels: [{type: pager, url: x}]}", "RVT-103"),
        ("notify: {channels: [{type: email, host: h, sender: s, to: []}]}", "RVT-103"),
        ("notify: {channels: [{type: email, host: h, sender: s, to: t, password: plain}]}", "RVT-103"),
        ("notify: {rejected: 0}", "RVT-103"),
        ("notify: {quota: 120%}", "RVT-103"),
        (f"notify: {{channels: [{SLACK.replace('slack, ', 'slack, on: sneezing, ')}]}}", "RVT-103"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, code: str) -> None:
    """Each slip is an error; a secret in clear is one too."""
    assert code in load(text)[2]

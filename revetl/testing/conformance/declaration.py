"""Cases about the declaration alone: no call is made."""

from __future__ import annotations

from urllib.parse import urlsplit

from revetl.contract import check_actions
from revetl.testing.conformance.base import Suite
from revetl.types import Mode, OnLeave, Op


class DeclarationCases(Suite):
    """A destination says everything about itself, and nothing that contradicts it."""

    def test_the_declaration_agrees_with_itself(self) -> None:
        """Match fields, cohorts with JOIN and PART, policies with LEAVE."""
        check_actions(self.destination)

    def test_settings_show_no_secret(self) -> None:
        """Secrets are SecretStr: neither the settings' text nor a complaint about them shows one."""
        assert self.secrets or not self.settings_have_secrets()
        assert not [s for s in self.secrets if s in repr(self.configured) or s in str(self.configured)]
        assert self.destination.settings.model_config.get("hide_input_in_errors") is True

    def settings_have_secrets(self) -> bool:
        """Return whether any setting is declared as a secret."""
        fields = self.destination.settings.model_fields.values()
        return any("SecretStr" in str(field.annotation) for field in fields)

    def test_the_account_key_shows_no_secret(self) -> None:
        """Limits are shared by a name that may be stored."""
        key = self.destination.account_key(self.configured)
        assert not [secret for secret in self.secrets if secret in key]

    def test_the_base_url_is_an_allowed_host(self) -> None:
        """Calls leave by https for a host of the list."""
        parts = urlsplit(self.destination.base_url(self.configured))
        if parts.hostname is None:
            assert not self.destination.hosts
            return
        assert parts.scheme == "https"
        assert any(_matches(parts.hostname, pattern) for pattern in self.destination.hosts)

    def test_limits_can_be_kept(self) -> None:
        """Each has a name of its own, an allowance, and a window where it needs one."""
        limits = self.destination.limits(self.configured)
        assert len({limit.name for limit in limits}) == len(limits)
        for limit in limits:
            assert limit.allowance >= 1
            assert limit.kind in ("window", "concurrency", "quota")
            assert limit.kind == "concurrency" or limit.seconds > 0

    def test_actions_have_bounds(self) -> None:
        """Batches are bounded by count and by bytes, and estimates are at least one call."""
        for action in self.destination.actions.values():
            assert action.max_records >= 1
            assert action.max_bytes >= 1_000
            assert action.calls(1) >= 1

    def test_what_is_missing_is_explained(self) -> None:
        """``lacks`` says why of each ability that the declaration has not, and of none that it has."""
        missing = {name for name, there in self.abilities().items() if not there}
        unexplained = sorted(name for name in missing if not self.lacks.get(name, "").strip())
        assert not unexplained, f"say why, as lacks = {{{unexplained[0]!r}: '…'}}: {', '.join(unexplained)}"
        stale = sorted(name for name, there in self.abilities().items() if there and name in self.lacks)
        assert not stale, f"lacks explains what is there: {', '.join(stale)}"

    def abilities(self) -> dict[str, bool]:
        """Return ability → whether the destination, and the object under test, has it."""
        thing, to = self.thing, self.destination
        whole = {name: getattr(to, name) is not None for name in ("account", "discover", "read_back", "erase")}
        whole["create_field"] = to.create_field is not None or thing.any_field
        whole |= {op.value: op in to.actions for op in (Op.IDENTITY, Op.LEAVE)}
        whole |= {f"mode {mode.value}": mode in thing.modes for mode in (Mode.UPDATE, Mode.INSERT)}
        policies = (OnLeave.CLEAR, OnLeave.ARCHIVE, OnLeave.DELETE)
        if Op.LEAVE in to.actions:
            whole |= {f"leave {policy.value}": policy in thing.on_leave for policy in policies}
        if thing.cohorts:
            whole["membership fields"] = any(style.fields for style in thing.cohorts.values())
        whole |= {"cohorts": bool(thing.cohorts), "links": bool(thing.links), "consent": bool(thing.consent)}
        whole["jobs"] = any(action.resumable.resume is not None for action in to.actions.values())
        return whole


def _matches(host: str, pattern: str) -> bool:
    return pattern in ("*", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))

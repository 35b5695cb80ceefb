"""``errors --retry``: a run only where something is rejected."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from revetl.cli import cli


@pytest.mark.parametrize(("total", "runs"), [(0, 0), (2, 1)])
def test_nothing_runs_where_nothing_is_rejected(monkeypatch: pytest.MonkeyPatch, total: int, runs: int) -> None:
    """Without a rejected row no sync is started: a first sync least of all."""
    started: list[dict[str, Any]] = []
    rejected = SimpleNamespace(listed=(), total=total, notice=None)
    monkeypatch.setattr("revetl.cli.errors.opened", lambda call, *, sandbox: None)
    monkeypatch.setattr("revetl.engine.rejections.rejections", lambda workspace, limit: rejected)
    monkeypatch.setattr("revetl.cli.render_state.rejections", lambda found: ["nothing is rejected"])

    def perform(call: object, **options: Any) -> int:
        started.append(options)
        return 0

    monkeypatch.setattr("revetl.cli.sync.perform", perform)
    done = CliRunner().invoke(cli, ["errors", "--retry"])
    assert done.exit_code == 0, done.output
    assert len(started) == runs

"""What a shell completes beside commands and options: names that lie at hand, without opening anything."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import click


def _starting(words: Iterable[str], incomplete: str) -> list[str]:
    return sorted(word for word in words if word.startswith(incomplete))


def syncs(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return syncs and destinations, as the last check or sync left them in the target directory."""
    from revetl.cli.common import nearest_project

    path = nearest_project(Path.cwd()) / "target" / "revetl_flows.json"
    try:
        known = json.loads(path.read_bytes())["syncs"]
    except (OSError, ValueError, KeyError):
        return []
    return _starting({*known, *(name.partition(".")[0] for name in known)}, incomplete)


def types(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return the types of destinations that are installed."""
    from revetl.destinations import registry

    return _starting(registry(), incomplete)


def codes(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return error codes."""
    from revetl.errors import CATALOG

    return _starting(CATALOG, incomplete.upper())

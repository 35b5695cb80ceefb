"""revetl.yml: read without surprises, validated all at once, secrets resolved as late as possible."""

from __future__ import annotations

from revetl.config.guards import GuardsSpec
from revetl.config.load import load_config
from revetl.config.model import Config, Connection, DestinationConfig
from revetl.config.secrets import resolve_settings, resolve_text, resolve_tree, secrets_of
from revetl.config.specs import IncrementalConfig, SyncConfig

__all__ = [
    "Config",
    "Connection",
    "DestinationConfig",
    "GuardsSpec",
    "IncrementalConfig",
    "SyncConfig",
    "load_config",
    "resolve_settings",
    "resolve_text",
    "resolve_tree",
    "secrets_of",
]

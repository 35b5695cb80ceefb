"""What revetl.yml says of the way out (``network:``), resolved: the wire of every command stands on it."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

from revetl.config import resolve_text
from revetl.engine.workspace import Workspace
from revetl.errors import ConfigError
from revetl.send.network import Network
from revetl.send.threads import ThreadWire


def network(workspace: Workspace) -> Network:
    """Return how calls leave this machine.

    Raises:
        ConfigError: RVT-104 a variable is not set, RVT-126 the proxy or the authorities cannot be used.
    """
    spec, env = workspace.config.network, workspace.options.env
    proxy = None if spec.proxy is None else resolve_text(spec.proxy, env, where="network.proxy").strip()
    file = None if spec.ca_file is None else resolve_text(spec.ca_file, env, where="network.ca_file")
    found = Network(proxy or None, spec.no_proxy, None if file is None else str(workspace.options.project_dir / file))
    if found.proxy is not None and not _usable(found.proxy):
        raise ConfigError(
            "RVT-126", "network.proxy is no URL of a proxy", kept="nothing was sent",
            hint="http://proxy.example.com:3128, or https:// where the proxy speaks TLS itself",
        )  # fmt: skip
    try:
        if found.ca_file is not None:
            found.trust()
    except (OSError, ssl.SSLError) as error:
        why = "holds no certificate" if isinstance(error, ssl.SSLError) else "cannot be read"
        what = f"network.ca_file: {found.ca_file} {why}"
        raise ConfigError("RVT-126", what, kept="nothing was sent", hint="name a file of certificates in PEM") from None
    return found


def _usable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def wire_of(workspace: Workspace) -> ThreadWire:
    """Return the wire of production, by the project's network."""
    return ThreadWire(network=network(workspace))

"""The way out of the clients that telemetry stands on, which know requests alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from revetl.send.network import Network


def session(way: Network, url: str) -> tuple[Any, Any]:
    """Return a session of requests that reaches ``url`` as revetl.yml says, and its adapter, which calls once.

    Names are checked, and certifi's authorities and those that revetl.yml names; the environment says nothing.
    """
    import requests
    from requests.adapters import HTTPAdapter

    context = way.trust()

    class Trusting(HTTPAdapter):
        def init_poolmanager(self, *given: Any, **named: Any) -> None:
            super().init_poolmanager(*given, ssl_context=context, **named)

        def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
            return super().proxy_manager_for(proxy, ssl_context=context, proxy_ssl_context=context, **named)

    made, adapter = requests.Session(), Trusting(max_retries=0)
    made.trust_env = False
    made.mount("https://", adapter)
    parts = urlsplit(url)
    if parts.scheme == "https" and way.proxied(parts.hostname or ""):
        made.proxies = {"https": str(way.proxy)}
    return made, adapter

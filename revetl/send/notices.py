"""Notices to people's channels: a POST of JSON, a mail. Whatever happens comes back as a text, nothing is raised.

This is no destination: no record travels here, and a channel that is down never holds up or fails a sync.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from urllib.parse import urlsplit

import httpx

from revetl.send.network import DIRECT, Network
from revetl.send.origin import loopback
from revetl.types import JSON

TIMEOUT = 10.0  # seconds for all of one notice


def post(url: str, document: Mapping[str, JSON], token: str | None = None, way: Network = DIRECT) -> str | None:
    """POST ``document`` as JSON; return None once it was taken (2xx), else why not. The URL is never in the text."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "its URL cannot be read"
    if not host or (parts.scheme != "https" and not (parts.scheme == "http" and loopback(host))):
        return "its URL is not https"
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        proxy = way.proxy if way.proxied(host) else None
        with httpx.Client(
            timeout=TIMEOUT, trust_env=False, follow_redirects=False, verify=way.trust(), proxy=proxy
        ) as client:
            reply = client.post(url, json=document, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return f"{host}: {type(error).__name__}"
    return None if reply.is_success else f"{host} answered HTTP {reply.status_code}"


def mail(host: str, port: int, tls: str, login: tuple[str, str] | None, message: EmailMessage) -> str | None:
    """Hand ``message`` to a mail server; return None once it was taken for everybody, else why not.

    ``tls``: starttls, tls or none; none is allowed to this machine only.
    """
    if tls == "none" and not loopback(host):
        return "mail leaves this machine with TLS only"
    context = ssl.create_default_context()
    try:
        with (
            smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
            if tls == "tls"
            else smtplib.SMTP(host, port, timeout=TIMEOUT)
        ) as server:
            if tls == "starttls":
                server.starttls(context=context)
            if login is not None:
                server.login(*login)
            refused = server.send_message(message)
    except (smtplib.SMTPException, OSError) as error:
        return f"{host}: {type(error).__name__}"
    return f"{host} refused {len(refused)} of the recipients" if refused else None

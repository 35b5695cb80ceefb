"""From a Snowflake profile of dbt to what its connector is called with.

Source: https://docs.getdbt.com/docs/core/connect-data-platform/snowflake-setup
"""

from __future__ import annotations

import base64
import binascii
import json
import sys
from collections.abc import Mapping
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from revetl.errors import ConfigError, TryLater
from revetl.types import JSON
from revetl.warehouse.profiles import Profile

_SAME = (
    "account", "user", "password", "role", "database", "warehouse", "schema", "authenticator", "token", "host", "port",
    "protocol", "proxy_host", "proxy_port", "passcode",
)  # fmt: skip
TAG = {"QUERY_TAG": "revetl"}


def parameters(profile: Profile) -> dict[str, Any]:
    """Return the arguments of ``snowflake.connector.connect``.

    Raises:
        ConfigError: RVT-418, a key cannot be read, or a browser is asked for where there is no terminal.
        TryLater: RVT-419, the access token cannot be had now.
    """
    fields = profile.fields
    given: dict[str, Any] = {name: fields[name] for name in _SAME if fields.get(name) is not None}
    given["session_parameters"] = TAG
    given["login_timeout"] = fields.get("connect_timeout") or 30
    given["client_session_keep_alive"] = False
    given["platform_detection_timeout_seconds"] = 0  # which cloud this runs in is nobody's concern
    given |= _key(profile)
    authenticator = str(fields.get("authenticator") or "").lower()
    if authenticator == "externalbrowser" and not sys.stdin.isatty():
        what = f"target {profile.target} logs in with a browser, and there is no terminal here"
        raise ConfigError("RVT-418", what, hint="use a key pair or a programmatic access token where nobody looks on")
    if authenticator == "oauth" and fields.get("oauth_client_id"):
        given["token"] = _access_token(profile)
    return given


def _key(profile: Profile) -> dict[str, Any]:
    """Return the key pair's arguments: a file by its path, a key in the profile as DER."""
    fields = profile.fields
    found: dict[str, Any] = {}
    if fields.get("private_key_path"):
        found["private_key_file"] = fields["private_key_path"]
        if fields.get("private_key_passphrase"):
            found["private_key_file_pwd"] = fields["private_key_passphrase"]
    elif fields.get("private_key"):
        found["private_key"] = _der(str(fields["private_key"]), fields.get("private_key_passphrase"), profile)
    if found:
        found["authenticator"] = "SNOWFLAKE_JWT"
    return found


def _der(text: str, passphrase: JSON, profile: Profile) -> bytes:
    """Return a key, PEM or the base64 of its DER as dbt takes both, as unencrypted DER."""
    from cryptography.hazmat.primitives import serialization as forms

    secret = str(passphrase).encode() if passphrase else None
    try:
        if "-----BEGIN" in text:
            key = forms.load_pem_private_key(text.strip().encode(), secret)
        else:
            key = forms.load_der_private_key(base64.b64decode("".join(text.split()), validate=True), secret)
    except (ValueError, TypeError, binascii.Error):
        what = f"the private_key of target {profile.target} cannot be read"
        raise ConfigError("RVT-418", what, hint="PKCS#8 as PEM or base64, with its private_key_passphrase") from None
    return key.private_bytes(forms.Encoding.DER, forms.PrivateFormat.PKCS8, forms.NoEncryption())


def _access_token(profile: Profile) -> str:
    """Exchange a refresh token, as dbt does (https://docs.snowflake.com/en/user-guide/oauth-custom)."""
    fields: Mapping[str, JSON] = profile.fields
    url = str(
        fields.get("oauth_token_url") or f"https://{fields.get('account')}.snowflakecomputing.com/oauth/token-request"
    )
    if not url.startswith("https://"):
        raise ConfigError("RVT-418", f"the token address of target {profile.target} is not https", hint="correct it")
    told = f"{fields['oauth_client_id']}:{fields.get('oauth_client_secret') or ''}"
    body = {"grant_type": "refresh_token", "refresh_token": fields.get("token"), "redirect_uri": "http://localhost"}
    headers = {
        "Authorization": f"Basic {base64.b64encode(told.encode()).decode()}",
        "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8",
    }
    try:
        with urlopen(Request(url, urlencode(body).encode(), headers), timeout=30) as reply:  # noqa: S310 - https only
            return str(json.loads(reply.read(1_000_000))["access_token"])
    except (URLError, OSError, ValueError, KeyError, TypeError):
        what = f"no access token for target {profile.target}: its refresh token was not taken"
        raise TryLater("RVT-419", what, kept="Nothing was read or sent.", hint="dbt debug; or make a new one") from None

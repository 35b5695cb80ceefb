"""The JWT of the bearer flow: who asks for whom, until when, signed by the app's key.

Source: https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_jwt_flow.htm and RFC 7515 (RS256).
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from email.utils import parsedate_to_datetime

import orjson

from revetl.contract import Reply
from revetl.errors import DestinationError

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE = 180  # seconds; Salesforce takes no assertion that is good for more than 3 minutes
_SAFETY = 30  # seconds: for what is lost between the clock's answer and the check
_TEST = "test.salesforce.com"


def now(reply: Reply) -> float:
    """Return the time (UTC epoch seconds) of a reply, by the server's clock where it tells, else by ours."""
    try:
        return parsedate_to_datetime(reply.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return reply.at


def claims(client_id: str, username: str, host: str, at: float) -> dict[str, str | int]:
    """Return what is claimed: sandboxes and scratch orgs let in by the test login, all others by the main one."""
    tests = host == _TEST or host.endswith((".sandbox.my.salesforce.com", ".scratch.my.salesforce.com"))
    audience = f"https://{_TEST if tests else 'login.salesforce.com'}"
    return {"iss": client_id, "sub": username, "aud": audience, "exp": int(at) + _LIFE - _SAFETY}


def signed(claim: dict[str, str | int], key: str) -> str:
    """Return the assertion, signed with an RSA key in PEM.

    Raises:
        DestinationError: RVT-651, the key cannot be read, or the package that signs is not installed.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        what = "Salesforce's private_key needs the package cryptography, which is not installed"
        raise DestinationError("RVT-651", what, hint="pip install 'revetl[salesforce]'") from None
    try:
        # A key that comes by an environment variable often has its line ends spelt out.
        private = load_pem_private_key(key.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        private = None
    if not isinstance(private, RSAPrivateKey):
        what = "Salesforce's private_key is no RSA private key in PEM without a password"
        raise DestinationError("RVT-651", what, hint="openssl genrsa 2048; its certificate goes into the app")
    text = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claim)}"
    return f"{text}.{_base64(private.sign(text.encode(), PKCS1v15(), SHA256()))}"


def _part(value: dict[str, str] | dict[str, str | int]) -> str:
    return _base64(orjson.dumps(value))


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()

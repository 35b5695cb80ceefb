"""Salesforce's three ways in: client credentials, refresh tokens, and assertions that are signed."""

from __future__ import annotations

import builtins
from email.utils import formatdate
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import ValidationError

from revetl.contract import Call, Http, Reply, Token
from revetl.destinations.salesforce import SALESFORCE, assertion, auth
from revetl.destinations.salesforce.auth import SalesforceSettings
from revetl.errors import DestinationError
from revetl.sandbox import make
from revetl.testing.drive import Driven, drive

HOST, USER, NOW = "acme.my.salesforce.com", "sync@example.com", 1_700_000_000.0
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()
PRIVATE = KEY.private_bytes(PEM, PKCS8, PLAIN).decode()
PUBLIC = KEY.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
BY_KEY = {"host": HOST, "client_id": "app", "username": USER, "private_key": PRIVATE}


def settings(**told: Any) -> SalesforceSettings:
    """Return settings of the way in by a key, with changes."""
    return SalesforceSettings.model_validate({**BY_KEY, **told})


def ask(told: SalesforceSettings, at: float = NOW, **options: Any) -> Driven:
    """Ask an org for a token; its clock shows ``at``, and ours is an hour wrong."""
    user = {"username": USER, "public_key": PUBLIC}
    box = make("salesforce", client_id="app", user=user, now=lambda: at, **options)

    def service(call: Call) -> Reply:
        assert isinstance(call, Http)
        assert (call.authenticated, call.origin) == (False, f"https://{told.host}")
        status, headers, body = box.handle(call.method, call.path, urlencode(call.query), {}, call.content or b"")
        told_at = {**headers, "date": formatdate(at, usegmt=True)}
        return Reply(status, body, {name.lower(): value for name, value in told_at.items()}, NOW + 3600)

    return drive(auth.token(told), service)


def test_an_assertion_is_let_in() -> None:
    """Signed with the app's key, for its user, by the server's clock; the org's host comes with the token."""
    seen = ask(settings())
    assert isinstance(seen.value, Token)
    assert seen.value.base_url == "https://sandbox.my.salesforce.com/services/data/v68.0"
    assert [f"{call.method} {call.path}" for call in seen.calls if isinstance(call, Http)] == [
        "GET /services/data",
        "POST /services/oauth2/token",
    ]
    assert all(call.cost == {"day": 0} for call in seen.calls)


def test_line_ends_may_be_spelt_out() -> None:
    r"""As environment variables often have them: ``\n`` in one line."""
    assert isinstance(ask(settings(private_key=PRIVATE.replace("\n", "\\n"))).value, Token)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"client_id": "other"}, "client identifier invalid"),
        ({"username": "other@example.com"}, "user hasn't approved this consumer"),
        (
            {"private_key": rsa.generate_private_key(65537, 2048).private_bytes(PEM, PKCS8, PLAIN).decode()},
            "invalid assertion",
        ),
    ],
)
def test_a_refused_assertion_says_why(told: dict[str, str], words: str) -> None:
    """In Salesforce's words, with what to look at; neither key nor assertion is in them."""
    with pytest.raises(DestinationError, match=words) as refused:
        ask(settings(**told))
    assert refused.value.code == "RVT-651"
    assert "certificate" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("host", "audience"),
    [
        (HOST, "https://login.salesforce.com"),
        ("login.salesforce.com", "https://login.salesforce.com"),
        ("test.salesforce.com", "https://test.salesforce.com"),
        ("acme--dev.sandbox.my.salesforce.com", "https://test.salesforce.com"),
    ],
)
def test_the_audience_is_the_login_of_the_org(host: str, audience: str) -> None:
    """Sandboxes are let in by the test login; the assertion ends within 3 minutes."""
    claims = assertion.claims("app", USER, host, NOW)
    assert claims == {"iss": "app", "sub": USER, "aud": audience, "exp": int(NOW) + 150}


def test_without_a_date_our_own_clock_holds() -> None:
    """A reply without the header, or with one that nobody can read."""
    assert assertion.now(Reply(200, at=NOW)) == NOW
    assert assertion.now(Reply(200, headers={"date": "soon"}, at=NOW)) == NOW


@pytest.mark.parametrize(
    "key",
    [
        "nonsense",
        PUBLIC,
        KEY.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"x")).decode(),
        ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, PKCS8, PLAIN).decode(),
    ],
)
def test_a_key_that_cannot_sign_is_refused(key: str) -> None:
    """RVT-651 names the setting, never the key."""
    with pytest.raises(DestinationError, match="private_key is no RSA private key") as refused:
        ask(settings(private_key=key))
    assert key not in str(refused.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this way in needs it."""
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DestinationError, match="needs the package cryptography") as refused:
        assertion.signed({"iss": "app"}, PRIVATE)
    assert refused.value.hint == "pip install 'revetl[salesforce]'"


@pytest.mark.parametrize(
    "told",
    [
        {"username": None},
        {"private_key": None},
        {"refresh_token": "again"},
        {"username": None, "private_key": None},
        {"username": None, "private_key": None, "refresh_token": "again"},
        {"username": None, "private_key": None, "client_secret": "x", "host": "test.salesforce.com"},
    ],
)
def test_settings_name_one_whole_way_in(told: dict[str, Any]) -> None:
    """A half of one, two at once and none are refused, and no secret is shown."""
    with pytest.raises(ValidationError) as refused:
        settings(**told)
    assert "BEGIN PRIVATE KEY" not in str(refused.value)


@pytest.mark.parametrize("where", ["https://salesforce.com.evil.example", "http://acme.my.salesforce.com", "acme"])
def test_a_token_for_a_foreign_host_is_refused(where: str) -> None:
    """Nothing is sent to a host that is not Salesforce's, whoever names it."""
    told = SalesforceSettings.model_validate({"host": HOST, "client_id": "app", "client_secret": "hush"})
    body = orjson.dumps({"access_token": "t", "instance_url": where})
    with pytest.raises(DestinationError, match="none of its own"):
        drive(auth.token(told), lambda _: Reply(200, body))


def test_orgs_behind_a_login_host_have_their_own_allowances() -> None:
    """A My Domain host is one org; a login host is everybody's."""
    assert SALESFORCE.account_key(settings()) == HOST
    assert SALESFORCE.account_key(settings(host="login.salesforce.com")) == f"login.salesforce.com/{USER}"

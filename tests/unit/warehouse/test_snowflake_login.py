"""Every login that a dbt profile knows, as Snowflake's connector is called with it; each session bears our tag."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import parse_qs
from urllib.request import Request

import pytest

from revetl.errors import ConfigError, TryLater
from revetl.state.snowflake import OPTIONS, Snowflake, failed
from revetl.types import JSON
from revetl.warehouse import sfaccess
from revetl.warehouse.profiles import Profile
from revetl.warehouse.sfsession import Session
from revetl.warehouse.snowflake import SnowflakeReader

WHERE: dict[str, JSON] = {"account": "ab12345", "user": "dbt", "database": "SHOP"}


def profile(**fields: JSON) -> Profile:
    """Return a profile's output."""
    return Profile("shop", "prod", "snowflake", {**WHERE, **fields}, Path("profiles.yml"))


def test_sessions_are_tagged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever pays for queries finds ours by their tag: those that read models, and those that keep a state."""
    connector = pytest.importorskip("snowflake.connector")
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(connector, "connect", lambda **words: given.append(words))
    SnowflakeReader(profile(password="canary-1f2"))
    Snowflake(lambda: Session(profile(password="canary-1f2"), failed, **OPTIONS))
    assert [words["session_parameters"]["QUERY_TAG"] for words in given] == ["revetl", "revetl"]
    assert given[1]["session_parameters"]["LOCK_TIMEOUT"] == 15


@pytest.mark.parametrize("passphrase", [None, "open sesame"])
def test_key_in_a_file(passphrase: str | None) -> None:
    """A key file goes to the connector by its path, with its passphrase, as a login by key."""
    told = sfaccess.parameters(profile(private_key_path="/keys/rsa.p8", private_key_passphrase=passphrase))
    assert (told["private_key_file"], told["authenticator"]) == ("/keys/rsa.p8", "SNOWFLAKE_JWT")
    assert told.get("private_key_file_pwd") == passphrase
    assert "private_key" not in told


def test_key_that_cannot_be_read() -> None:
    """What is no key is refused, and not shown."""
    with pytest.raises(ConfigError) as refused:
        sfaccess.parameters(profile(private_key="canary-1f2"))
    assert refused.value.code == "RVT-418"
    assert "canary" not in str(refused.value)


def test_browser_before_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where somebody looks on, the login by browser is the connector's affair."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert sfaccess.parameters(profile(authenticator="externalbrowser"))["authenticator"] == "externalbrowser"


CLIENT: dict[str, JSON] = {"authenticator": "oauth", "token": "refresh-7", "oauth_client_id": "me"}


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({}, "https://ab12345.snowflakecomputing.com/oauth/token-request"),
        ({"oauth_token_url": "https://login.example.com/token"}, "https://login.example.com/token"),
    ],
)
def test_refresh_token(more: dict[str, JSON], place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client's refresh token is exchanged for an access token, over https and with the client's own login."""
    asked: list[Request] = []

    def answer(request: Request, timeout: float) -> io.BytesIO:
        assert timeout
        asked.append(request)
        return io.BytesIO(b'{"access_token": "access-9"}')

    monkeypatch.setattr(sfaccess, "urlopen", answer)
    told = sfaccess.parameters(profile(**CLIENT, oauth_client_secret="s", **more))
    assert (told["authenticator"], told["token"]) == ("oauth", "access-9")
    (request,) = asked
    assert (request.full_url, request.get_header("Authorization")) == (place, "Basic bWU6cw==")
    assert isinstance(request.data, bytes)
    body = parse_qs(request.data.decode())
    assert (body["grant_type"], body["refresh_token"]) == (["refresh_token"], ["refresh-7"])


@pytest.mark.parametrize("reply", [b"", b"[]", b'{"error": "invalid_grant"}', None])
def test_refresh_token_that_is_not_taken(reply: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the login service says instead of a token ends the run; the token is not shown."""

    def answer(*_: object, **__: object) -> io.BytesIO:
        if reply is None:
            raise URLError("refresh-7")
        return io.BytesIO(reply)

    monkeypatch.setattr(sfaccess, "urlopen", answer)
    with pytest.raises(TryLater) as later:
        sfaccess.parameters(profile(**CLIENT))
    assert later.value.code == "RVT-419"
    assert "refresh-7" not in str(later.value)


def test_refresh_token_is_sent_to_nobody_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that is not https gets nothing."""
    monkeypatch.setattr(sfaccess, "urlopen", lambda *_, **__: pytest.fail("it was asked"))
    with pytest.raises(ConfigError) as refused:
        sfaccess.parameters(profile(**CLIENT, oauth_token_url="http://login.example.com/token"))
    assert refused.value.code == "RVT-418"

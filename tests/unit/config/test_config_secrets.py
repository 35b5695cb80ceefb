"""References to environment variables: a tiny grammar, late, and never printed."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr, field_validator

from revetl.config import resolve_settings, resolve_text, secrets_of
from revetl.config.secrets import template_fault, variables
from revetl.errors import ConfigError


class Nested(BaseModel):
    """Settings inside settings."""

    token: SecretStr


class Settings(BaseModel):
    """A destination's settings."""

    model_config = {"extra": "forbid"}

    api_key: SecretStr
    list_id: str = ""
    port: int = Field(default=0, lt=100)
    more: Nested | None = None
    tags: list[str] = []

    @field_validator("list_id")
    @classmethod
    def _no_bad(cls, value: str) -> str:
        if value.startswith("bad"):
            raise ValueError(f"{value} is not a list")
        return value


ENV = {"KEY": "s3cr3t-us1", "HOST": "example.com", "EMPTY": "", "JINJA": "{{ env_var('KEY') }}", "PORT": "7"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ env_var('KEY') }}", "s3cr3t-us1"),
        ('{{ env_var("KEY") }}', "s3cr3t-us1"),
        ("{{env_var('KEY')}}", "s3cr3t-us1"),
        ("{{  env_var( 'KEY' )  }}", "s3cr3t-us1"),
        ("https://{{ env_var('HOST') }}/{{ env_var('PORT') }}", "https://example.com/7"),
        ("{{ env_var('NONE', 'a default') }}", "a default"),
        ("{{ env_var('NONE', '') }}", ""),
        ("{{ env_var('NONE', \"it's\") }}", "it's"),
        ("{{ env_var('KEY', 'x') }}", "s3cr3t-us1"),
        ("{{ env_var('EMPTY', 'x') }}", ""),
        ("{{ env_var('JINJA') }}", "{{ env_var('KEY') }}"),
        ("{{ env_var('NONE', '{{') }}", "{{"),
        ("no braces } { }}", "no braces } { }}"),
        ("", ""),
    ],
)
def test_the_grammar(text: str, expected: Any) -> None:
    """Both quotes, spaces, defaults, several in one text; a value is never read again as a template."""
    assert resolve_text(text, ENV, where="x") == expected


@pytest.mark.parametrize(
    "text",
    [
        "{{ var('KEY') }}",
        "{{ env_var('KEY') | upper }}",
        "{{ env_var('KEY') + 'x' }}",
        "{{ env_var(KEY) }}",
        "{{ env_var('KEY'",
        "{{ env_var('KEY', none) }}",
        "{{ env_var('KEY', 'a', 'b') }}",
        "{{ env_var('A' 'B') }}",
        "{{ env_var('A-B') }}",
        "{{ env_var('') }}",
        "{{ env_var('KEY\") }}",
        "{{ env_var('N', 'a\\'b') }}",
        "{{- env_var('KEY') -}}",
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id') }}",
        "{% for x in y %}",
        "{%- set x = 1 %}",
        "{# a comment #}",
        "{{ env_var('KEY') }}{{ 7*7 }}",
        "{{{{ env_var('KEY') }}}}",
        "{{ env_var('KEY') }}{%",
    ],
)
def test_nothing_else_is_evaluated(text: str) -> None:
    """Any other use of braces is refused, without repeating any value."""
    with pytest.raises(ConfigError) as caught:
        resolve_text(text, ENV, where="crm.api_key")
    assert caught.value.code == "RVT-105"
    assert "crm.api_key" in caught.value.what
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(("name", "state"), [("NONE", "not set"), ("EMPTY", "set but empty")])
def test_a_missing_variable_is_named(name: str, state: str) -> None:
    """A variable that is not set, or that a CI system set to nothing, is named with the setting that needs it."""
    with pytest.raises(ConfigError) as caught:
        resolve_settings({"api_key": f"{{{{ env_var('{name}') }}}}"}, ENV, Settings, where="mailchimp, target prod")
    assert caught.value.code == "RVT-104"
    assert (
        f"mailchimp, target prod.api_key needs the environment variable {name}, which is {state}" in caught.value.what
    )
    assert caught.value.hint == f"export {name}=…"


def test_all_missing_variables_at_once() -> None:
    """Two missing variables are one error that names both."""
    raw = {"api_key": "{{ env_var('A') }}", "more": {"token": "{{ env_var('B') }}"}}
    with pytest.raises(ConfigError) as caught:
        resolve_settings(raw, {}, Settings)
    assert "variable A," in caught.value.what
    assert "settings.more.token needs the environment variable B," in caught.value.what


def test_settings_are_validated_and_typed() -> None:
    """Text becomes what the model wants; an id that YAML read as a number becomes text again; nested ones resolve."""
    raw = {
        "api_key": "{{ env_var('KEY') }}",
        "list_id": 123,
        "port": "{{ env_var('PORT') }}",
        "more": {"token": "{{ env_var('KEY') }}"},
        "tags": ["{{ env_var('HOST') }}"],
    }
    found = resolve_settings(raw, ENV, Settings)
    assert (found.list_id, found.port, found.tags) == ("123", 7, ["example.com"])
    assert found.api_key.get_secret_value() == "s3cr3t-us1"
    assert "s3cr3t" not in repr(found)


@pytest.mark.parametrize(
    "raw",
    [
        {"api_key": "{{ env_var('KEY') }}", "port": "{{ env_var('KEY') }}"},
        {"api_key": "{{ env_var('KEY') }}", "list_id": "bad {{ env_var('KEY') }}"},
        {"api_key": "{{ env_var('KEY') }}", "lst": "x"},
        {"list_id": "{{ env_var('KEY') }}"},
    ],
)
def test_a_setting_that_does_not_fit_is_named_without_its_value(raw: Any) -> None:
    """A refused value is not repeated: not in the message, not in the traceback."""
    with pytest.raises(ConfigError) as caught:
        resolve_settings(raw, ENV, Settings)
    assert caught.value.code == "RVT-106"
    whole = "".join(traceback.format_exception(caught.value))
    assert "s3cr3t" not in whole


def test_secrets_are_all_found_longest_first() -> None:
    """Everything in SecretStr, nested too, and every DBT_ENV_SECRET_ variable wherever it went."""
    env = {"A": "aa", "B": "bbbb", "DBT_ENV_SECRET_ID": "ccc", "PLAIN": "visible"}
    raw = {
        "api_key": "{{ env_var('A') }}",
        "list_id": "x-{{ env_var('DBT_ENV_SECRET_ID') }}",
        "more": {"token": "{{ env_var('B') }}"},
        "tags": ["{{ env_var('PLAIN') }}"],
    }
    settings = resolve_settings(raw, env, Settings)
    assert secrets_of(settings) == ("bbbb", "aa")
    assert secrets_of(settings, raw, env) == ("bbbb", "ccc", "aa")


def test_an_empty_secret_is_none() -> None:
    """Nothing to scrub: an empty secret would replace everything."""
    assert secrets_of(Settings(api_key=SecretStr(""))) == ()


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
quiet = st.text(st.characters(exclude_characters="{'\\\n\"", exclude_categories=["Cs"]), max_size=12)


@given(st.lists(st.tuples(quiet, names, st.none() | quiet), max_size=4), quiet, st.dictionaries(names, quiet))
def test_rendering_is_replacement_and_nothing_else(
    parts: list[tuple[str, str, str | None]], tail: str, env: dict[str, str]
) -> None:
    """A text is its literal pieces with each reference replaced by the variable, else its default."""
    text, expected, missing = "", "", False
    for literal, name, default in parts:
        text += literal + (
            "{{ env_var('%s') }}" % name if default is None else "{{ env_var('%s', '%s') }}" % (name, default)
        )
        missing = missing or (default is None and not env.get(name))
        expected += literal + env.get(name, default or "")
    assert variables(text + tail) == tuple(name for _, name, _ in parts)
    if missing:
        with pytest.raises(ConfigError, match="RVT-104"):
            resolve_text(text + tail, env, where="x")
    else:
        assert resolve_text(text + tail, env, where="x") == expected + tail


@given(st.text(alphabet="{}%#'\" envar_()X,\\\n", max_size=60))
def test_any_text_resolves_or_is_refused(text: str) -> None:
    """Whatever is written, the answer is a text or one of two refusals, and what is refused names its place."""
    try:
        resolve_text(text, {"X": "1"}, where="x")
    except ConfigError as error:
        assert error.code == ("RVT-105" if template_fault(text) else "RVT-104")
    else:
        assert template_fault(text) is None

"""``{{ env_var('X') }}`` and ``{{ env_var('X', 'default') }}``: dbt's spelling, our own tiny grammar.

Nothing is evaluated: any other use of ``{{``, ``{%`` or ``{#`` is refused. A value that came out of a variable is
never read again as a template, never printed, and lands in pydantic's SecretStr where the setting is a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeVar, get_args

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

from revetl.errors import ConfigError
from revetl.types import EMPTY, JSON

# dbt scrubs variables of this name: https://docs.getdbt.com/reference/dbt-jinja-functions/env_var
SECRET_PREFIX = "DBT_ENV_SECRET_"  # noqa: S105

S = TypeVar("S", bound=BaseModel)
_OPEN = re.compile(r"\{[{%#]")
_CALL = re.compile(
    r"""\{\{\s*env_var\(\s*
        (?:'(?P<a>[A-Za-z_][A-Za-z0-9_]*)'|"(?P<b>[A-Za-z_][A-Za-z0-9_]*)")
        \s*(?P<default>,\s*(?:'(?P<c>[^'\\\n]*)'|"(?P<d>[^"\\\n]*)")\s*)?
        \)\s*\}\}""",
    re.VERBOSE,
)


def variables(text: str) -> tuple[str, ...]:
    """Return the variables that ``text`` refers to, in order."""
    return tuple(match["a"] or match["b"] for match in _CALL.finditer(text))


def template_fault(text: str) -> str | None:
    """Return the start of the first thing in braces that is not an env_var reference, or None."""
    rest = _CALL.sub(lambda match: "\x00" * len(match[0]), text)
    found = _OPEN.search(rest)
    return text[found.start() : found.start() + 12] if found else None


def strings(value: JSON, at: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield every text inside nested data with its path."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from strings(inner, (*at, str(key)))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from strings(inner, (*at, index))


def resolve_text(text: str, env: Mapping[str, str], *, where: str) -> str:
    """Return ``text`` with its references replaced; ``where`` names the setting in messages.

    Raises:
        ConfigError: RVT-104, a variable without default is not set, or set to nothing; RVT-105, anything but env_var
            stands in braces.
    """
    if template_fault(text) is not None:
        raise ConfigError(
            "RVT-105",
            f"{where} has something in braces that is not env_var",
            hint="write \"{{ env_var('NAME') }}\" or \"{{ env_var('NAME', 'default') }}\"; nothing else is evaluated",
        )
    missing = list(_missing(text, env))
    if missing:
        state = "set but empty" if missing[0] in env else "not set"
        raise ConfigError(
            "RVT-104",
            f"{where} needs the environment variable {missing[0]}, which is {state}",
            hint=f"export {missing[0]}=…",
        )
    return _CALL.sub(lambda match: _value(match, env), text)


def _missing(text: str, env: Mapping[str, str]) -> Iterator[str]:
    for match in _CALL.finditer(text):
        name = match["a"] or match["b"]
        if match["default"] is None and not env.get(name):  # CI systems pass a secret that does not exist as ""
            yield name


def _value(match: re.Match[str], env: Mapping[str, str]) -> str:
    default = match["c"] if match["c"] is not None else match["d"]
    return env.get(match["a"] or match["b"], default or "")


def resolve_settings(raw: Mapping[str, JSON], env: Mapping[str, str], model: type[S], *, where: str = "settings") -> S:
    """Return a destination's settings, its references resolved, validated by ``model``; all faults in one error.

    Raises:
        ConfigError: RVT-104 (variables that are not set), RVT-105 (anything but env_var in braces), RVT-106 (the
            settings do not fit the model). No message holds a value.
    """
    values = resolve_tree(raw, env, where=where)
    try:
        return model.model_validate(_texts(model, values))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        hidden = [env[name] for _, text in strings(raw) for name in variables(text) if env.get(name)]
        found = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'settings'}: {_scrubbed(e['msg'], hidden)}" for e in details
        )
    raise ConfigError("RVT-106", f"{where} does not fit: {found}", hint="revetl debug shows what each setting means")


def resolve_tree(raw: Mapping[str, JSON], env: Mapping[str, str], *, where: str) -> dict[str, JSON]:
    """Return nested settings with their references resolved; all faults in one error.

    Raises:
        ConfigError: RVT-104 or RVT-105, as :func:`resolve_text`.
    """
    faults: list[ConfigError] = []
    values = {name: _resolved(value, env, f"{where}.{name}", faults) for name, value in raw.items()}
    if faults:
        what = "; ".join(fault.what for fault in faults)
        raise ConfigError(faults[0].code, what, hint="; ".join(dict.fromkeys(fault.hint for fault in faults)))
    return values


def _resolved(value: JSON, env: Mapping[str, str], where: str, faults: list[ConfigError]) -> JSON:
    if isinstance(value, Mapping):
        return {key: _resolved(inner, env, f"{where}.{key}", faults) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner, env, f"{where}.{index}", faults) for index, inner in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        return resolve_text(value, env, where=where)
    except ConfigError as error:
        faults.append(error)
        return ""


def _texts(model: type[BaseModel], values: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return ``values`` with whole numbers as text where the model wants text: ids are often written bare."""
    wanted = {
        field.alias or name
        for name, field in model.model_fields.items()
        if {str, SecretStr} & {field.annotation, *get_args(field.annotation)}
    }
    return {name: str(value) if name in wanted and type(value) is int else value for name, value in values.items()}


def _scrubbed(message: str, hidden: list[str]) -> str:
    for value in sorted(hidden, key=len, reverse=True):
        message = message.replace(value, "***")
    return message


def secrets_of(settings: BaseModel, raw: Mapping[str, JSON] = EMPTY, env: Mapping[str, str] = EMPTY) -> tuple[str, ...]:
    """Return every secret value to scrub from messages, longest first.

    Secrets are what stands in SecretStr and SecretBytes, and, where ``raw`` and ``env`` are given, the value of each
    ``DBT_ENV_SECRET_…`` variable that the raw settings refer to, whatever the setting.
    """
    found = set(_secret_fields(settings))
    names = {name for _, text in strings(raw) for name in variables(text) if name.startswith(SECRET_PREFIX)}
    found |= {env[name] for name in names if name in env}
    return tuple(sorted(found - {""}, key=lambda value: (-len(value), value)))


def _secret_fields(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, SecretBytes):
        yield value.get_secret_value().decode("utf-8", "replace")
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secret_fields(getattr(value, name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _secret_fields(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _secret_fields(inner)

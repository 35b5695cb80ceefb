"""Jinja as dbt renders it in profiles.yml: ``env_var``, ``var`` and the four ``as_…`` filters, in a sandbox.

A value stays text unless it is made something else: ``{{ env_var('PORT') | as_number }}``.
Source: https://docs.getdbt.com/reference/dbt-jinja-functions/env_var and ``as_number`` beside it.
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import cached_property
from typing import Any

from revetl.errors import ConfigError
from revetl.types import EMPTY, JSON

SECRET_PREFIX = "DBT_ENV_SECRET_"  # noqa: S105 - no secret; dbt scrubs such variables from its logs
MAX_VALUES = 10_000  # anchors may repeat a part of the file: a small bomb would become millions of values

Path = tuple[str, ...]  # of keys, for messages and for the exception that passwords are


class Renderer:
    """Renders the values of one file; variables come from ``env`` and from ``--vars``."""

    def __init__(
        self, file: str, env: Mapping[str, str], cli_vars: Mapping[str, JSON] = EMPTY, *, secrets: bool = False
    ) -> None:
        """Name the file for messages; ``secrets``: it may read variables called ``DBT_ENV_SECRET_…``."""
        self.file = file
        self.env = env
        self.cli_vars = cli_vars
        self.secrets = secrets
        self._values = 0

    def tree(self, value: JSON, path: Path = ()) -> JSON:
        """Return ``value`` with every text in it rendered.

        Raises:
            ConfigError: RVT-104, a variable is missing; RVT-402, a text cannot be rendered or there are too many.
        """
        self._values += 1
        if self._values > MAX_VALUES or len(path) > 50:
            raise ConfigError("RVT-402", f"{self.file}: more values than a profile can have", hint="look for anchors")
        if isinstance(value, dict):
            return {str(name): self.tree(part, (*path, str(name))) for name, part in value.items()}
        if isinstance(value, list):
            return [self.tree(part, (*path, str(i))) for i, part in enumerate(value)]
        return self.value(value, path)

    def value(self, value: JSON, path: Path = ()) -> JSON:
        """Return one value rendered; a password that is no valid Jinja is taken literally, as dbt does."""
        if not isinstance(value, str):
            return value.isoformat() if isinstance(value, date) else value
        if "{" not in value:
            return value
        from jinja2 import TemplateError

        try:
            return self._environment.from_string(value).render()
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            if "password" in path:
                return value
            where = ".".join(path) or "a value"
            what = f"{self.file}: {where} cannot be rendered: {_words(error)}"
            raise ConfigError("RVT-402", what, hint="only env_var, var and the as_… filters are known there") from None

    @cached_property
    def _environment(self) -> Any:
        environment = _environment()
        environment.globals.update(env_var=self._env_var, var=self._var)
        return environment

    def _env_var(self, name: str, default: JSON = None) -> JSON:
        if name.startswith(SECRET_PREFIX) and not self.secrets:
            raise ConfigError("RVT-402", f"{self.file} may not read {name}", hint="secrets belong in profiles.yml")
        found = self.env.get(name, default)
        if found is None:
            what = f"the environment variable {name} is not set, and {self.file} needs it"
            raise ConfigError("RVT-104", what, hint=f"export {name}=…, or give env_var a default")
        return found

    def _var(self, name: str, default: JSON = None) -> JSON:
        found = self.cli_vars.get(name, default)
        if found is None:
            what = f"the variable {name} is not given, and {self.file} needs it"
            raise ConfigError("RVT-402", what, hint=f"--vars '{{{name}: …}}'")
        return found


class _Text(str):  # noqa: SLOT000 - a handful of them
    """Text that stays text."""


class _Literal(str):  # noqa: SLOT000 - a handful of them
    """Text that is read as a Python literal once the template is done; ``wanted``: what it then must be."""

    wanted: tuple[type, ...] = ()


class _Bool(_Literal):
    wanted = (bool,)


class _Number(_Literal):
    wanted = (int, float)


def _environment() -> Any:
    """Return a Jinja environment that is sandboxed, strict, and gives native values."""
    from jinja2 import StrictUndefined
    from jinja2.nativetypes import NativeEnvironment, NativeTemplate
    from jinja2.sandbox import SandboxedEnvironment

    class Environment(SandboxedEnvironment, NativeEnvironment):
        concat = staticmethod(_joined)

    class Template(NativeTemplate):
        environment_class = Environment

    Environment.template_class = Template
    environment = Environment(undefined=StrictUndefined)
    filters: dict[str, Callable[..., Any]] = {"as_text": _Text, "as_native": _Literal}
    environment.filters.update(filters, as_bool=_Bool, as_number=_Number)
    return environment


def _joined(values: Iterable[Any]) -> Any:
    """Return what a template gives: one value as it is, several as text."""
    found = list(values)
    if len(found) != 1:
        return "".join(str(piece) for piece in found)
    return _read(found[0]) if isinstance(found[0], _Literal) else _plain(found[0])


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | list | tuple | dict):
        return value
    text = str(value)  # raises for what is undefined
    if not isinstance(value, str):
        raise TypeError("it is neither text, a number nor a list")
    return text


def _read(text: _Literal) -> Any:
    try:
        value = literal_eval(str(text))
    except (ValueError, SyntaxError, MemoryError):
        value = str(text)
    if text.wanted and type(value) not in text.wanted:
        raise ValueError(f"it is not a {' or '.join(kind.__name__ for kind in text.wanted)}")
    return value


def _words(error: Exception) -> str:
    """Return an error's first line, cut short."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

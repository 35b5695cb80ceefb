"""One session with Snowflake through its connector (4.2 to 5.x): how it is opened, and what its errors mean.

Models are read, the record is published and a state is kept over such sessions; each says in its own words what failed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from revetl.errors import ConfigError, RevetlError, TryLater
from revetl.warehouse.profiles import Profile
from revetl.warehouse.sfaccess import parameters

Why = Literal["expired", "refused", "warehouse", "right", "statement", "away"]
Failed = Callable[[Why, int, str], RevetlError]
"""What an error means to the user, from its kind, Snowflake's number and the SQLSTATE. Its words may hold values."""

# what the login service refuses (https://docs.snowflake.com/en/user-guide/key-pair-auth-troubleshooting)
_REFUSED = range(390100, 390500)
# of these, what was valid and is so no more: a session, and tokens of sessions, browsers and OAuth (constants of the
# connector's network module)
_EXPIRED = frozenset({390110, 390112, 390114, 390318})
_NO_RIGHT = frozenset({2003, 2043, 3001})  # a thing that is not there for this role; insufficient privileges
_NO_WAREHOUSE = frozenset({606, 90073, 90064})  # none selected, suspended, out of credit: somebody may resume it


class Session:
    """One session, tagged ``revetl``."""

    def __init__(self, profile: Profile, failed: Failed, **options: object) -> None:
        """Log in; ``options`` are the connector's own, ``session_parameters`` are added to ours.

        Raises:
            ConfigError: RVT-417, the connector is not installed.
            RevetlError: what ``failed`` returns.
        """
        try:
            from snowflake import connector
        except ImportError:
            what = "Snowflake needs its connector, which is not installed"
            raise ConfigError("RVT-417", what, hint="pip install 'revetl[snowflake]'") from None
        self._error: type[Exception] = connector.errors.Error
        self._failed = failed
        given = parameters(profile)
        more = options.pop("session_parameters", {})
        given["session_parameters"] = {**given["session_parameters"], **(more if isinstance(more, dict) else {})}
        with self._worded(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # its defaults to come are no concern of the user's
            self._con: Any = connector.connect(**given, **options)

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """Open a cursor for the block; what fails in it is said in the session's words."""
        with self._worded(), self._con.cursor() as cursor:
            yield cursor

    def commit(self) -> None:
        """Commit what was begun."""
        with self._worded():
            self._con.commit()

    def rollback(self) -> None:
        """Undo what was begun."""
        with self._worded():
            self._con.rollback()

    def close(self) -> None:
        """Let go of it; what was begun and not committed is undone."""
        self._con.close()

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            raise self._failed(*_meant(error)) from None


def _meant(error: Any) -> tuple[Why, int, str]:
    number, state = error.errno or 0, str(error.sqlstate or "")
    if number in _EXPIRED:
        return "expired", number, state
    if number in _REFUSED or any(code in str(error)[:40] for code in ("390100", "390144", "394304")):
        return "refused", number, state
    if number in _NO_WAREHOUSE:
        return "warehouse", number, state
    if number in _NO_RIGHT or state in {"42501", "42S02", "02000"}:
        return "right", number, state
    return ("statement" if state.startswith(("42", "22")) else "away"), number, state


def words(target: str, kept: str, statement: Callable[[int, str], RevetlError]) -> Failed:
    """Return how the models' warehouse tells its errors; ``statement`` tells those of statements and grants."""

    def failed(why: Why, number: int, state: str) -> RevetlError:
        if why == "expired":
            what = f"the login of target {target} has expired ({number})"
            return TryLater("RVT-419", what, kept=kept, hint="repeat it, or renew the token")
        if why == "refused":
            what = f"Snowflake refuses target {target} ({number}): check account, user, role and credentials"
            return ConfigError("RVT-418", what, hint="dbt debug")
        if why == "warehouse":
            what = f"the Snowflake warehouse of target {target} is suspended or not to be used ({number})"
            return TryLater("RVT-419", what, kept=kept, hint="resume it, or name another in the profile")
        if why in {"right", "statement"}:
            return statement(number, state)
        what = f"Snowflake cannot be reached, or its answer broke off ({number})"
        return TryLater("RVT-419", what, kept=kept, hint="try later")

    return failed

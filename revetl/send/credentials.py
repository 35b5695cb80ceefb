"""A lane's credentials: put on each call, renewed once when they are refused, and known well enough to be scrubbed."""

from __future__ import annotations

from typing import Any

from revetl.contract import Destination, Http, Token
from revetl.send.scrub import MIN_SECRET, secrets_of, spellings

EARLY = 0.1
"""Share of a token's life after which less than is left is not relied on."""


class Credentials:
    """The token of one lane. Times are monotonic seconds."""

    def __init__(self, destination: Destination, settings: Any) -> None:
        """Start without a token."""
        self._destination = destination
        self._settings = settings
        self._auth = destination.auth
        self._token: Token | None = None
        self._good_until: float | None = None
        self._proven = False  # a call went through with this token
        self._learnt = -1  # generation whose header values are known
        self.generation = 0  # counts tokens
        self.secrets: set[str] = set(secrets_of(settings))

    @property
    def renewable(self) -> bool:
        """Return whether there is a way to get a token."""
        return self._auth is not None and self._auth.token is not None

    @property
    def base(self) -> str:
        """Return the base URL, which may come with the token."""
        named = self._token.base_url if self._token is not None else None
        return named or self._destination.base_url(self._settings)

    def missing(self, now: float) -> bool:
        """Return whether a token must be had before a call may leave."""
        if not self.renewable:
            return False
        return self._token is None or (self._good_until is not None and now >= self._good_until)

    def accept(self, token: Token, now: float) -> None:
        """Use ``token`` from now on."""
        self._token = token
        self._good_until = None if token.seconds is None else now + token.seconds * (1 - EARLY)
        self._proven = False
        self.generation += 1
        self.secrets.update(spellings(token.value))

    def worked(self, generation: int) -> None:
        """Note that a call with that token was let in."""
        self._proven = self._proven or generation == self.generation

    def refused(self, generation: int, *, renewed: bool) -> bool:
        """Return whether another token may help a call that was refused with the token of ``generation``.

        It may not where the call was repeated with a new token before, or where the newest token never worked although
        it replaced another.
        """
        if renewed:
            return False
        if generation == self.generation:
            if self.generation > 1 and not self._proven:
                return False
            self._token = None
        return True

    def dress(self, call: Http) -> Http:
        """Return ``call`` with its credentials on it."""
        if self._auth is None or not call.authenticated:
            return call
        dressed = self._auth.apply(self._settings, self._token, call)
        if self._learnt != self.generation:
            self._learnt = self.generation
            self._learn(call, dressed)
        return dressed

    def _learn(self, bare: Http, dressed: Http) -> None:
        """Remember what was put on: a vendor may echo it in an error."""
        added = {value for name, value in (*dressed.headers, *dressed.query)}
        for value in added - {value for name, value in (*bare.headers, *bare.query)}:
            for part in (value, value.rpartition(" ")[2]):
                if len(part) > MIN_SECRET:
                    self.secrets.update(spellings(part))

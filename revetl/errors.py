"""Every error revetl raises on purpose, grouped by what to do next.

    RevetlError
    ├── UsageError        exit 2   the command line asks for something that cannot be
    ├── ConfigError       exit 2   revetl.yml, meta or profiles.yml must be changed
    ├── ManifestError     exit 2   dbt's artefacts are missing, unreadable or unknown
    ├── StateError        exit 2   revetl's own files cannot be trusted or written
    ├── DestinationError  exit 2   a destination refuses the credentials or the account
    ├── GuardError        exit 3   a guard stopped everything there was to do
    └── TryLater          exit 4   a lock, a quota, a destination or a warehouse that is down

Codes: 1xx usage and configuration, 2xx dbt artefacts, 3xx meta and mapping, 4xx warehouse, 5xx state and ledger,
6xx sending and destinations, 7xx guards, 8xx commands. ``CATALOG`` names each one; a test keeps it complete.
"""

from __future__ import annotations

__all__ = [
    "CATALOG",
    "ConfigError",
    "DestinationError",
    "GuardError",
    "ManifestError",
    "RevetlError",
    "StateError",
    "TryLater",
    "UsageError",
]


CATALOG: dict[str, str] = {
    # 1xx usage and configuration
    "RVT-100": "Command line cannot be used as given",
    "RVT-101": "revetl.yml is missing",
    "RVT-102": "revetl.yml cannot be read",
    "RVT-103": "revetl.yml does not fit its schema",
    "RVT-104": "An environment variable is not set",
    # 2xx dbt artefacts
    "RVT-200": "manifest.json is missing",
    "RVT-201": "A dbt artefact cannot be read",
    "RVT-202": "A dbt artefact has an unknown schema version",
    # 3xx meta and mapping
    # 4xx warehouse
    # 5xx state and ledger
    # 6xx sending and destinations
    # 7xx guards
    # 8xx commands
}


class RevetlError(Exception):
    """Something went wrong that a person can mend: a code, what happened, what was kept, what to type next."""

    exit_code = 2

    def __init__(self, code: str, what: str, *, kept: str = "", hint: str = "") -> None:
        """Make an error of ``code`` (a key of CATALOG)."""
        super().__init__(what)
        self.code = code
        self.what = what
        self.kept = kept
        self.hint = hint

    def __str__(self) -> str:
        """Return the whole message on one line."""
        parts = [f"{self.code} {self.what}", self.kept, f"hint: {self.hint}" if self.hint else ""]
        return " · ".join(part for part in parts if part)


class UsageError(RevetlError):
    """The command line asks for something that cannot be."""


class ConfigError(RevetlError):
    """revetl.yml, meta or profiles.yml must be changed."""


class ManifestError(RevetlError):
    """dbt's artefacts are missing, unreadable or of an unknown version."""


class StateError(RevetlError):
    """revetl's own files cannot be trusted or written."""


class DestinationError(RevetlError):
    """A destination refuses the credentials, the account or the request as a whole."""


class GuardError(RevetlError):
    """A guard stopped everything there was to do."""

    exit_code = 3


class TryLater(RevetlError):
    """A lock is held, a quota is spent, a destination or warehouse is down: the same command may work later."""

    exit_code = 4

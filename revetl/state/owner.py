"""Who owns a shared state: one engine that holds all of it, lease and head included, and is asked through this.

What a run changes is a list of steps, in order; they are applied in one transaction that fails unless the run's lease
still holds. Values travel as text (:mod:`revetl.state.native`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Row = Sequence[str | None]
Columns = Mapping[str, str]  # column → its DuckDB type


@dataclass(frozen=True, slots=True)
class Make:
    """Make a table, or bring its columns to these: new ones are empty, those that are gone are dropped."""

    table: str
    columns: Columns


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop a table."""

    table: str


@dataclass(frozen=True, slots=True)
class Insert:
    """Insert rows, in one bulk write."""

    table: str
    columns: Columns
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the rows with these values in these columns, in one bulk write; None for all rows."""

    table: str
    columns: Columns
    rows: Sequence[Row] | None


@dataclass(frozen=True, slots=True)
class Forward:
    """Run a statement as it stands; ``{table}`` is its table's name, ``%s`` its parameters."""

    table: str
    sql: str
    parameters: Sequence[object]


Step = Make | Drop | Insert | Delete | Forward


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lease of a target, for messages."""

    name: str
    since: str
    left: float  # seconds until it expires by itself


class Owner(Protocol):
    """One target's state in its engine. Every method raises TryLater RVT-513 where the engine is out of reach."""

    def prepare(self) -> None:
        """Make the schema, the catalogue of tables and the lease row where they are missing.

        Raises:
            ConfigError: RVT-514, the engine refuses the credentials or a grant is missing.
        """

    def there(self) -> bool:
        """Return whether anything was ever made here; nothing is made."""

    def tables(self) -> Mapping[str, Columns]:
        """Return the tables that there are, with the DuckDB types of their columns."""

    def read(self, table: str, columns: Columns, keys: Delete | None = None) -> Iterator[Sequence[Row]]:
        """Yield a table's rows in batches; with ``keys``, those that it names."""

    def count(self, table: str, by: str | None = None) -> Mapping[str | None, int]:
        """Return how many rows a table has, by the values of a column; without one, by null."""

    def write(self, token: str, steps: Sequence[Step], head: Mapping[str, str]) -> bool:
        """Apply steps in one transaction, with the new head; False, and nothing is applied: the lease is lost."""

    def head(self) -> Mapping[str, str]:
        """Return run, seq and chain as the last write left them; empty before the first."""

    def acquire(self, token: str, name: str, seconds: float) -> Holder | None:
        """Take the lease for so many seconds under a new fencing number; else return who holds it."""

    def renew(self, token: str, seconds: float) -> bool:
        """Extend the lease; False where it is another's by now. Called from a thread of its own."""

    def release(self, token: str) -> None:
        """Give the lease back."""

    def holder(self) -> Holder | None:
        """Return who holds the lease, None where nobody does."""

    def close(self) -> None:
        """Let go of the connections."""

"""JSON values, and a mapping with nothing in it that may stand as a default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

JSON = Any  # a value that json.loads can return


class _Empty(Mapping[str, Any]):
    """A mapping with nothing in it that may stand as a default: hashable, and nobody can add to it."""

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "{}"


EMPTY: Mapping[str, Any] = _Empty()

"""A JSON object inside an artefact that knows where it stands, so that every refusal can name the place.

Absent and null mean the same everywhere: Fusion leaves out the keys that dbt-core writes as null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from revetl.errors import ManifestError
from revetl.types import JSON

MAX_DEPTH = 64  # of free-form config and meta; people nest three or four deep, and what walks them later recurses


def unreadable(file: str, where: str, what: str) -> ManifestError:
    """Return the refusal of an artefact: ``file``, the place in it, and what is wrong there."""
    return ManifestError(
        "RVT-201",
        f"{file} cannot be read at {where}: {what}",
        kept="nothing was sent and state is untouched",
        hint="write it anew with dbt (dbt parse for the manifest, dbt build for all artefacts)",
    )


class Part(NamedTuple):
    """One JSON object of an artefact; each reader raises ManifestError RVT-201 where the type is wrong."""

    value: Mapping[str, JSON]
    file: str
    where: tuple[str, ...] = ()

    def bad(self, what: str, *keys: str) -> ManifestError:
        """Return the refusal of the value under ``keys``."""
        return unreadable(self.file, ".".join((*self.where, *keys))[:300] or "the top", what)

    def text(self, key: str, default: str = "") -> str:
        """Return the string at ``key``."""
        found = self.value.get(key)
        if found is None:
            return default
        if isinstance(found, str):
            return found
        raise self.bad(f"a text belongs here, not {_type(found)}", key)

    def maybe(self, key: str) -> str | None:
        """Return the string at ``key``, None where it is absent or empty."""
        return self.text(key) or None

    def needed(self, key: str) -> str:
        """Return the string at ``key``, which must be there and not be empty."""
        found = self.text(key)
        if not found:
            raise self.bad("a text belongs here", key)
        return found

    def flag(self, key: str, *, default: bool) -> bool:
        """Return the boolean at ``key``."""
        found = self.value.get(key)
        if found is None:
            return default
        if isinstance(found, bool):
            return found
        raise self.bad(f"true or false belongs here, not {_type(found)}", key)

    def whole(self, key: str) -> int | None:
        """Return the integer at ``key``."""
        found = self.value.get(key)
        if found is None or (isinstance(found, int) and not isinstance(found, bool)):
            return found
        raise self.bad(f"a whole number belongs here, not {_type(found)}", key)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the list of strings at ``key``; a lone string is a list of one, as in dbt's ``tags``."""
        found = self.value.get(key)
        if found is None or found == []:
            return ()
        if isinstance(found, str):
            return (found,)
        if isinstance(found, list) and all(isinstance(item, str) for item in found):
            return tuple(found)
        raise self.bad("a list of texts belongs here", key)

    def part(self, key: str) -> Part:
        """Return the object at ``key``, an empty one where it is absent."""
        return self._inner(self.value.get(key), key)

    def parts(self, key: str) -> Iterator[tuple[str, Part]]:
        """Yield each name and object of the object of objects at ``key``."""
        outer = self.part(key)
        for name, value in outer.value.items():
            yield name, outer._inner(value, name)  # noqa: SLF001 - its own kind

    def listed(self, key: str) -> Iterator[Part]:
        """Yield each object of the list of objects at ``key``."""
        found = self.value.get(key)
        if found is not None and not isinstance(found, list):
            raise self.bad(f"a list belongs here, not {_type(found)}", key)
        for position, value in enumerate(found or ()):
            yield self._inner(value, key, str(position))

    def free(self, key: str) -> Mapping[str, JSON]:
        """Return the free-form object at ``key``, such as config and meta, nested at most MAX_DEPTH deep."""
        found = self.value.get(key)
        if not found and (found is None or isinstance(found, dict)):  # as most of a manifest's are
            return {}
        found = self.part(key).value
        if found and _deeper(found, MAX_DEPTH):
            raise self.bad(f"nested more than {MAX_DEPTH} deep", key)
        return found

    def _inner(self, value: JSON, *keys: str) -> Part:
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self.bad(f"an object belongs here, not {_type(value)}", *keys)
        return Part(value, self.file, (*self.where, *keys))


def _deeper(value: JSON, limit: int) -> bool:
    """Return whether ``value`` nests deeper than ``limit``, level by level and so without recursion."""
    level = [value]
    for _ in range(limit):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _type(value: JSON) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list", dict: "an object"}
    return names[type(value)]

"""Names that become files or folders, on whatever system."""

from __future__ import annotations

from itertools import product

_DEVICES = frozenset({"con", "prn", "aux", "nul", *map("".join, product(("com", "lpt"), "0123456789¹²³"))})
_REFUSED = frozenset('<>:"\\|?*') | {chr(n) for n in range(32)}


def file_name(name: str) -> str:
    """Return ``name``, with a sign that no name of ours has before it where Windows would take it for a device."""
    return f"+{name}" if _is_device(name) else name


def is_file_name(name: str) -> bool:
    """Return whether every system takes ``name`` as one part of a path."""
    return not (name[-1:] in {"", ".", " "} or _REFUSED & {*name} or "/" in name or _is_device(name))


def _is_device(name: str) -> bool:
    """Return whether Windows takes it for a device, which it does whatever follows the first dot."""
    return name.partition(".")[0].rstrip(" ").casefold() in _DEVICES
